import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { defaultPolicy, type RegistryEntry } from '../../helper/contract/lifecycle.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import { isAlive } from '../fixtures/fleet/fleet.ts'
import { treeOf } from '../fixtures/fleet/processes.ts'
import { frozenGroups, setUpSwap } from './chaos.ts'
import { keepFigures, startJob, valueOf, type Job } from './job.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { worldProblem } from './world.ts'

const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc']) ?? worldProblem()
const MIB = 1024 * 1024

/** Resident anonymous memory of an agent's tree, in bytes. */
const residentAnon = async (pid: number): Promise<number> => {
  let sum = 0
  for (const member of await treeOf(pid)) {
    const status = await readFile(`/proc/${member}/status`, 'utf8').catch(() => '')
    sum += Number(/^RssAnon:\s+(\d+)/mu.exec(status)?.[1] ?? 0) * 1024
  }
  return sum
}

describe.skipIf(reason !== null)(`idle agents are trimmed while they run${reason === null ? '' : ` (${reason})`}`, () => {
  let job: Job
  let app: Awaited<ReturnType<Job['openApp']>>
  const registry = async (): Promise<Registry> => valueOf(await app.call('lifecycle.get', {}))
  const entries = async (): Promise<RegistryEntry[]> => (await registry()).entries.filter(({ state }) => state !== 'gone')

  beforeAll(async () => {
    job = await startJob({ plain: { 'claude-code': 1, 'gemini-cli': 1 }, launched: {} })
    app = await job.openApp(job.fleet.user, 'app')
  }, 240_000)
  afterAll(async () => {
    await job?.stop()
  }, 120_000)

  test('without swap nothing is trimmed, and what is missing is said', { timeout: 60_000 }, async () => {
    valueOf(await app.call('policy.set', { policy: { ...defaultPolicy, trim: { auto: true, afterIdleMs: 30_000 } } }))
    const { trim } = await registry()
    expect(trim.how).toBeNull()
    expect(trim.text).toMatch(/swap/iu)
  })

  test('with swap a little goes out at a time, and nobody is frozen or ended', { timeout: 420_000 }, async () => {
    await setUpSwap(app)
    const before = new Map(await Promise.all(job.fleet.agents.map(async ({ main }): Promise<[number, number]> => [main.pid, await residentAnon(main.pid)])))
    await vi.waitFor(async () => {
      const trimmed = (await entries()).map(({ trimmedBytes }) => trimmedBytes)
      // One that touches its memory again gives little: its feedback says stop.
      expect(Math.min(...trimmed)).toBeGreaterThan(0)
      expect(trimmed.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(8 * MIB)
    }, { timeout: 400_000, interval: 3_000 })
    expect(await frozenGroups()).toEqual([])
    const lines: string[] = []
    for (const { kind, main } of job.fleet.agents) {
      const entry = (await entries()).find(({ id }) => id.split(':')[1] === String(main.pid))
      lines.push(`${kind}: trimmed ${Math.round((entry?.trimmedBytes ?? 0) / MIB)} MiB, resident anonymous ${Math.round((before.get(main.pid) ?? 0) / MIB)} -> ${Math.round((await residentAnon(main.pid)) / MIB)} MiB`)
      expect(await isAlive({ main })).toBe(true)
    }
    await keepFigures('trim.txt', `${lines.join('\n')}\n`)
    process.stdout.write(`\n${lines.join('\n')}\n`)
  })

  test('a trimmed agent answers as before', { timeout: 60_000 }, async () => {
    for (const agent of job.fleet.agents) {
      const screen = await job.fleet.capture(agent.pane)
      await job.fleet.typeKey(agent.pane, 'z')
      await vi.waitFor(async () => expect(await job.fleet.capture(agent.pane)).not.toBe(screen), { timeout: 20_000, interval: 50 })
    }
  })
})
