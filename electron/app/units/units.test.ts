import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LayerStatus } from '../../../helper/contract/layers.ts'
import { ok } from '../../../helper/contract/result.ts'
import { missing } from '../../../helper/contract/known.ts'
import { AgentMemory } from '../../../native/user/node/index.ts'
import { unitsViewSchema } from '../../contract/units.ts'
import { brokerLink } from './broker-link.ts'
import { withUnits } from './layers.ts'
import { moduleLink } from './module-link.ts'
import { createUnitSettings } from './settings.ts'
import { createUnits } from './units.ts'

const projectDir = resolve(import.meta.dirname, '../../..')
const program = join(projectDir, 'build/native/agentmem-broker')

let folder = ''
let broker: ChildProcess
const socketPath = (): string => join(folder, 'broker.sock')

const make = () => {
  const link = brokerLink(socketPath())
  const units = createUnits({ module: moduleLink(folder), link, settings: createUnitSettings(join(folder, 'config/agentmem/broker.conf')), storePath: join(folder, 'store'), programProblem: () => null, agents: async () => ok([]) })
  return { link, units }
}
const layer = (id: LayerStatus['id']): LayerStatus => ({ id, title: id, state: 'off', summary: '', requirement: '', savesBytes: missing('not-measured', 'by the helper'), cost: '', sources: [] })

beforeAll(async () => {
  // The bindings and the broker as a user has them.
  expect(spawnSync(process.execPath, [join(projectDir, 'tools/native.mjs')], { encoding: 'utf8' }).status).toBe(0)
  folder = mkdtempSync(join(tmpdir(), 'agentmem-units-'))
  mkdirSync(join(folder, 'config/agentmem'), { recursive: true })
  broker = spawn(program, ['--foreground', '--socket', socketPath(), '--store', join(folder, 'store')], { env: { ...process.env, XDG_CONFIG_HOME: join(folder, 'config') }, stdio: 'inherit' })
  // Not the file alone, which is there a moment before: connections to it are taken.
  const listens = (): boolean => readFileSync('/proc/net/unix', 'utf8').split('\n').some((line) => line.endsWith(` ${socketPath()}`) && line.split(/\s+/u)[3] === '00010000')
  for (let turn = 0; turn < 800 && !listens(); turn += 1) await sleep(25)
}, 120_000)
afterAll(async () => {
  const ended = once(broker, 'exit')
  broker.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
})

describe('units of a running broker', () => {
  it('are seen with who holds them, each content once, and without being an agent', async () => {
    const { link, units } = make()
    const prompt = Buffer.alloc(400_000, 'You are a careful reviewer of memory. ')
    const [first, second] = [await AgentMemory.open({ backend: 'broker', socketPath: socketPath(), name: 'reviewer' }), await AgentMemory.open({ backend: 'broker', socketPath: socketPath(), name: 'tester', domain: 'apart' })]
    const held = [await first.alloc('system-prompt', prompt), await second.alloc('system-prompt', prompt)]
    const third = await AgentMemory.open({ backend: 'broker', socketPath: socketPath(), name: 'another' })
    held.push(await third.alloc('system-prompt', prompt))

    const view = unitsViewSchema.parse(await units.view())
    expect(view).toMatchObject({ broker: 'running', problem: null, totals: { agents: 3, bytes: 3 * prompt.length } })
    // Twice: the one of another domain is kept apart.
    expect(view.totals?.hotBytes).toBeGreaterThanOrEqual(2 * prompt.length)
    expect(view.totals?.hotBytes).toBeLessThan(2.1 * prompt.length)
    const reviewer = view.agents.find(({ name }) => name === 'reviewer')
    expect(reviewer).toMatchObject({ pid: process.pid, units: 1, bytes: prompt.length, sharedBytes: prompt.length, domain: '', state: 'active', agentId: null })
    expect(view.agents.find(({ name }) => name === 'tester')).toMatchObject({ sharedBytes: 0, domain: 'apart' })

    const listed = await units.list(reviewer?.number ?? '')
    expect(listed).toMatchObject({ ok: true, value: { more: false, units: [{ kind: 'system-prompt', tier: 'hot', bytes: prompt.length, sharers: 2 }] } })
    const layers = withUnits([layer('shared-memory'), layer('mapped-store'), layer('ksm')], view)
    expect(layers.map(({ state }) => state)).toEqual(['on', 'on', 'off'])
    expect(layers[0]?.savesBytes.value).toBeGreaterThan(0)
    for (const unit of held) await unit.free()
    for (const agent of [first, second, third]) await agent.close()
    link.close()
  })

  it('are treated by what was written from that moment on', async () => {
    const { link, units } = make()
    const { settings } = await units.view()
    const agent = await AgentMemory.open({ backend: 'broker', socketPath: socketPath(), name: 'agent' })
    expect((await agent.settings()).warmAfterMs).toBe(settings.warmAfterMs)
    expect(await units.set({ ...settings, warmAfterMs: 7000, hotMostBytes: 1_000_000_000 })).toMatchObject({ ok: true })
    expect(await agent.settings()).toMatchObject({ warmAfterMs: 7000, hotMostBytes: 1_000_000_000 })
    // What a program set for itself stays while the file says what it said.
    await agent.settings({ coldAfterMs: 90_000_000 })
    expect(await units.set({ ...settings, warmAfterMs: 7000, hotMostBytes: 1_000_000_000 })).toMatchObject({ ok: true })
    expect((await agent.settings()).coldAfterMs).toBe(90_000_000)
    // Back to no limit at all, which no program could ask for.
    expect(await units.set(settings)).toMatchObject({ ok: true })
    expect(await agent.settings()).toMatchObject({ warmAfterMs: settings.warmAfterMs, hotMostBytes: 0, coldAfterMs: settings.coldAfterMs })
    await agent.close()
    link.close()
    rmSync(join(folder, 'config/agentmem/broker.conf'))
  })

  it('are switched off for who comes new, and the file keeps what was written', async () => {
    const { link, units } = make()
    const { settings } = await units.view()
    expect(await units.set({ ...settings, coldAfterMs: 1000 })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(await units.set({ ...settings, enabled: false, cold: false })).toMatchObject({ ok: true })
    expect(readFileSync(join(folder, 'config/agentmem/broker.conf'), 'utf8')).toBe('enabled=no\ncold=no\n')
    const view = await units.view()
    expect(view.broker).toBe('off')
    expect(withUnits([layer('shared-memory'), layer('mapped-store')], view).map(({ state }) => state)).not.toContain('on')
    const refused = await AgentMemory.open({ socketPath: socketPath(), noStart: true })
    expect(refused.backend).toBe('private')
    await refused.close()
    expect(await units.set(settings)).toMatchObject({ ok: true })
    link.close()
  })
})

describe('units of the kernel module', () => {
  it('are those of its file, beside the broker\'s', async () => {
    const files: Record<string, string> = {
      'sys/module/agentmem/refcnt': '2\n', 'sys/module/agentmem/version': '0.1.0\n', 'sys/module/agentmem/parameters/warm_after_ms': '60000\n',
      'proc/agent_stats': `agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain\n3 ${process.pid} 0 idle 50 2 1000 400 600 400 5 claude -\n4 0 0 gone 50 0 0 0 0 0 5 old -\ntotal agents 2 units 2 bytes 1000 contents 2 content_bytes 700 hot_bytes 600 warm_bytes 90 compressor zstd-scomp\n`,
    }
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'machine', path)), { recursive: true })
      writeFileSync(join(folder, 'machine', path), text)
    }
    const units = createUnits({ module: moduleLink(join(folder, 'machine')), link: brokerLink(join(folder, 'nobody.sock')), settings: createUnitSettings(join(folder, 'other/broker.conf')), storePath: '/nowhere', programProblem: () => null, agents: async () => ok([]) })
    const view = unitsViewSchema.parse(await units.view())
    expect(view).toMatchObject({ broker: 'not-running', module: { version: '0.1.0', driver: 'zstd-scomp', warmAfterMs: 60_000, contentBytes: 700, totals: { units: 2, bytes: 1000, hotBytes: 600, warmBytes: 90 } } })
    expect(view.agents).toMatchObject([{ backend: 'module', number: '3', name: 'claude', state: 'idle', bytes: 1000 }])
    rmSync(join(folder, 'machine/sys'), { recursive: true })
    expect((await units.view()).module).toBeNull()
  })
})

describe('without a broker', () => {
  it('nothing runs, and that is no failure', async () => {
    const link = brokerLink(join(folder, 'nobody.sock'))
    const units = createUnits({ module: moduleLink(folder), link, settings: createUnitSettings(join(folder, 'other/broker.conf')), storePath: '/nowhere', programProblem: () => null, agents: async () => ok([]) })
    expect(await units.view()).toMatchObject({ broker: 'not-running', problem: null, totals: null, agents: [] })
    expect(await units.list(null)).toEqual(ok({ units: [], more: false }))
  })

  it('says what is missing where it was never built', async () => {
    const units = createUnits({ module: moduleLink(folder), link: brokerLink('/nowhere'), settings: createUnitSettings(join(folder, 'other/broker.conf')), storePath: '/nowhere', programProblem: () => 'It is missing.', agents: async () => ok([]) })
    const view = await units.view()
    expect(view).toMatchObject({ broker: 'not-installed', problem: 'It is missing.' })
    expect(withUnits([layer('shared-memory')], view)[0]).toMatchObject({ state: 'unavailable', summary: 'It is missing.' })
  })
})
