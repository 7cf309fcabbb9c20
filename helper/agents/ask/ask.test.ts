import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { processStartTicks } from '../../actions/process-check.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import { askToFree } from './ask.ts'
import { canTrim } from './trim.ts'

const project = join(import.meta.dirname, '../../..')
const launcher = join(project, 'build/native/agentmem-run')
const children: ChildProcess[] = []

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(project, 'tools/native.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
}, 60_000)
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
})

/** Starts a program and waits for the line "ready". */
const start = async (command: string, args: readonly string[]): Promise<ProcessRef & { child: ChildProcess }> => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  return { pid, startTimeTicks: processStartTicks('/', pid) ?? 0, child }
}

/** Garbage that a heap keeps until somebody collects it. */
const WASTEFUL = `let kept = Array.from({ length: 300 }, () => Array.from({ length: 20_000 }, () => ({ a: 1 }))); kept = null; console.log('ready'); setInterval(() => {}, 1000)`

test('a Node process with an open inspector collects its garbage', async () => {
  const { pid, startTimeTicks } = await start(process.execPath, ['--inspect=127.0.0.1:0', '-e', WASTEFUL])
  // Port 0 is not in its command line as it really is: not asked at a port that was not named.
  expect((await askToFree('/', [{ pid, startTimeTicks }]))[0]?.how).toBe('none')
  const port = 20_000 + (process.pid % 20_000)
  const open = await start(process.execPath, [`--inspect=127.0.0.1:${port}`, '-e', WASTEFUL])
  const [asked] = await askToFree('/', [{ pid: open.pid, startTimeTicks: open.startTimeTicks }])
  expect(asked).toMatchObject({ pid: open.pid, how: 'v8-inspector', text: 'Collected its garbage.' })
  expect(asked?.afterBytes.value ?? Number.POSITIVE_INFINITY).toBeLessThan((asked?.beforeBytes.value ?? 0) - 20 * 1024 * 1024)
})

/** Python's small objects come from arenas; large byte strings below the mmap threshold come from malloc and leave holes. */
const HOLEY = `
import sys, time
held = [bytes(100_000) for _ in range(1000)]
keep = held[::100] + [bytes(100_000)]
last = bytes(100_000)
held = None
print('ready', flush=True)
time.sleep(1000)
`

test('a launched program gives back what malloc holds free', async () => {
  if (spawnSync('python3', ['-V']).status !== 0) throw new Error('needs python3')
  const plain = await start('python3', ['-c', HOLEY])
  expect(canTrim('/', plain)).toBe(false)
  const launched = await start(launcher, ['--trim', '--', 'python3', '-c', HOLEY])
  const [asked] = await askToFree('/', [{ pid: launched.pid, startTimeTicks: launched.startTimeTicks }])
  expect(asked?.how).toBe('malloc-trim')
  expect(asked?.afterBytes.value ?? Number.POSITIVE_INFINITY).toBeLessThan((asked?.beforeBytes.value ?? 0) - 20 * 1024 * 1024)
  expect(launched.child.exitCode).toBeNull()
})

test('a process that cannot be asked is told, and never gets the signal', async () => {
  const { pid, startTimeTicks, child } = await start('sh', ['-c', 'echo ready; sleep 100'])
  const [asked] = await askToFree('/', [{ pid, startTimeTicks }])
  expect(asked).toMatchObject({ how: 'none', beforeBytes: { value: null } })
  expect(child.exitCode).toBeNull()
  expect(canTrim('/', { pid, startTimeTicks: startTimeTicks + 1 })).toBe(false)
})
