import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { processStartTicks } from '../../actions/process-check.ts'
import { createHookStates } from './hook-states.ts'
import { startHookServer, type HookServer, type HookWord } from './server.ts'

const project = join(import.meta.dirname, '../../..')
const hookProgram = join(project, 'build/native/agentmem-hook')
const run = promisify(execFile)

let folder: string
let server: HookServer
let words: HookWord[]

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(project, 'tools/native.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
}, 60_000)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-hooks-'))
  words = []
  const started = await startHookServer({ socketPath: join(folder, 'agentmem/hooks.sock'), hookProgram, onWord: (word) => words.push(word) })
  if (!started.ok) throw new Error(started.error.message)
  server = started.value
})
afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

const environment = () => ({ ...process.env, XDG_RUNTIME_DIR: folder })
const self = () => ({ pid: process.pid, startTimeTicks: processStartTicks('/', process.pid) ?? 0 })

/** Sends text as it is, as any program of the user's could. */
const send = (text: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(join(folder, 'agentmem/hooks.sock'), () => socket.end(text))
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
    socket.resume()
  })

/** One that nobody looked at while it waited for its answer is not believed: it says it again. */
const sayUntilHeard = async (program: string, args: readonly string[]): Promise<void> => {
  for (let tries = 0; tries < 10 && words.length === 0; tries += 1) await run(program, [...args], { env: environment() })
  expect(words).toHaveLength(1)
}

test('a hook speaks for the processes above it', async () => {
  await sayUntilHeard('sh', ['-c', `${hookProgram} claude-code turn-start s-1; true`])
  expect(words[0]).toMatchObject({ kind: 'claude-code', event: 'turn-start', sessionId: 's-1' })
  expect(words[0]?.above).toContainEqual(self())
  const states = createHookStates()
  const word = words[0]
  if (word === undefined) throw new Error('no word')
  expect(states.hear(word, [{ id: 'other', pid: 1, startTimeTicks: 0 }])).toBeNull()
  expect(states.hear(word, [{ id: 'me', ...self() }])).toBe('me')
  expect(states.of('me')).toEqual({ turn: 'working', sinceMs: word.atMs })
  expect(states.sessionId('me')).toBe('s-1')
  states.keep(new Set())
  expect(states.of('me')).toBeNull()
})

test('a line of another program is not believed, whatever it says', async () => {
  await send(`1 ${process.pid} claude-code turn-end -\n`)
  await send('1 999999 claude-code turn-end -\n')
  await send('rubbish\n')
  await send('x'.repeat(100_000))
  expect(words).toEqual([])
  await sayUntilHeard(hookProgram, ['claude-code', 'turn-end', 's'])
})

test('events nobody knows are left out', async () => {
  await run(hookProgram, ['claude-code', 'party'], { env: environment() })
  expect(words).toEqual([])
})

test('a second listener is told that there is one, and a left over socket is no obstacle', async () => {
  const options = { socketPath: join(folder, 'agentmem/hooks.sock'), hookProgram, onWord: () => undefined }
  const second = await startHookServer(options)
  expect(second.ok ? null : second.error.code).toBe('busy')
  server.close()
  const third = await startHookServer(options)
  if (!third.ok) throw new Error(third.error.message)
  server = third.value
})

test('words of a tool keep the turn running, and the end of a session ends what is known', () => {
  const states = createHookStates()
  const agents = [{ id: 'me', ...self() }]
  const say = (event: HookWord['event'], atMs: number) => states.hear({ kind: 'codex', event, sessionId: null, above: [self()], atMs }, agents)
  say('tool-end', 1)
  expect(states.of('me')?.turn).toBe('working')
  say('asking', 2)
  expect(states.of('me')?.turn).toBe('asking')
  say('turn-end', 3)
  expect(states.of('me')).toEqual({ turn: 'waiting', sinceMs: 3 })
  // Said again, as Claude Code does after a minute, it is no news.
  say('turn-end', 60_003)
  expect(states.of('me')).toEqual({ turn: 'waiting', sinceMs: 3 })
  say('session-end', 60_004)
  expect(states.of('me')).toBeNull()
})
