import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectGuard, type GuardClient } from '../../guard/client.ts'
import { readStat } from '../../observe/process.ts'
import { cgroupPathOf } from '../cgroups/layout.ts'
import { isFrozen } from './freeze.ts'
import { targetOf, tryLifecycle, whyNotFreeze } from './testing/try-lifecycle.ts'

const GUARD = new URL('../../../build/native/agentmem-guard', import.meta.url).pathname
const why = whyNotFreeze() ?? (existsSync(GUARD) ? null : 'needs build/native/agentmem-guard: node tools/native.mjs')

describe.skipIf(why !== null)(`a helper that is killed while it suspends${why === null ? '' : ` (${why})`}`, () => {
  let stateDir = ''
  let agent: ChildProcess & { pid?: number | undefined }
  const pidOf = (): number => agent.pid ?? -1
  const folder = (): string => `/sys/fs/cgroup/unified${cgroupPathOf('/', pidOf())}`

  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'agentmem-kill-'))
    mkdirSync(join(stateDir, 'journal'), { mode: 0o700 })
    // Counts on: whoever stands still counts no further.
    agent = spawn(process.execPath, ['-e', 'let n = 0; setInterval(() => process.stdout.write(`${n += 1}\\n`), 20)'], { stdio: ['ignore', 'pipe', 'ignore'] })
    if (agent.stdout !== null) await once(agent.stdout, 'data')
  })
  afterEach(() => {
    agent.kill('SIGKILL')
    rmSync(stateDir, { recursive: true, force: true })
  })

  /** Answers with the checkpoints passed; 0: none kills it, and it is told to leave. */
  const suspendAndDie = async (killAt: number): Promise<{ names: string[]; said: string; signal: NodeJS.Signals | null }> => {
    const child = spawn(process.execPath, [new URL('testing/kill-child.ts', import.meta.url).pathname, stateDir, String(pidOf()), String(killAt)], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'agentmem-compile-cache') },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (/^(?:suspended|\{)/mu.test(said)) child.stdin.end()
    })
    const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return { names: said.split('\n').flatMap((line) => /^\d+ (.*)$/u.exec(line)?.[1] ?? []), said, signal }
  }
  const runsOn = async (): Promise<void> => {
    if (agent.stdout === null) throw new Error('no output')
    await once(agent.stdout, 'data')
    await once(agent.stdout, 'data')
  }
  const guard = async (): Promise<GuardClient | null> => {
    const connected = await connectGuard({ socketPath: join(stateDir, 'guard.sock'), program: null, log: () => undefined })
    return connected.ok ? connected.value : null
  }

  test('at every step: the guard thaws it, and the next helper puts it back', async () => {
    const whole = await suspendAndDie(0)
    expect(whole.said).toContain('suspended')
    expect(whole.names).toEqual(expect.arrayContaining(['placed', 'held', 'journal thaw', 'write freeze', 'frozen', 'told', 'paged out', 'recorded']))
    // It said that it leaves: what is suspended stays so.
    expect(isFrozen('/', folder())).toBe(true)
    const next = tryLifecycle(stateDir, (onlyRunning) => connectGuard({ socketPath: join(stateDir, 'guard.sock'), program: onlyRunning ? null : { path: GUARD, role: 'system', journalDir: join(stateDir, 'journal'), wordsPath: join(stateDir, 'words'), configPath: null }, log: () => undefined }))
    await next.recover()
    expect(next.suspended(0).map((one) => one.agentId)).toEqual([targetOf(pidOf()).id])
    expect(await next.rollbackAll()).toEqual([])
    await runsOn()
    await next.link.leave()

    for (const [index, name] of whole.names.entries()) {
      const killed = await suspendAndDie(index + 1)
      expect(killed.signal, `${index + 1} ${name}: ${killed.said}`).toBe('SIGKILL')
      await expect.poll(() => isFrozen('/', folder()), { timeout: 10_000, message: `killed at ${name}` }).toBe(false)
      await runsOn()
      const last = tryLifecycle(stateDir, async () => {
        const connected = await connectGuard({ socketPath: join(stateDir, 'guard.sock'), program: null, log: () => undefined })
        return connected
      })
      expect(await last.rollbackAll(), name).toEqual([])
      await last.link.leave()
      expect(cgroupPathOf('/', pidOf()), name).toBe('/')
      expect(readdirSync(join(stateDir, 'journal/agents')).filter((file) => file.endsWith('.open')), name).toEqual([])
      expect(readStat('/', pidOf()).value, name).not.toBeNull()
    }
    // The guard has nothing left to stand for.
    await (await guard())?.leave()
  }, 120_000)
})
