import type { Answer, Request } from '../../electron/contract/channels.ts'
import type { Unit, UnitAgent, UnitSettings, UnitsView } from '../../electron/contract/units.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Scenario } from './scenarios.ts'

const MB = 1e6
const settingsAtStart: UnitSettings = {
  enabled: true, cold: true, warmAfterMs: 300_000, coldAfterMs: 172_800_000, thoroughAfterMs: 3_600_000,
  hotMostBytes: 0, warmMostBytes: 0, coldMostBytes: 0, quotaBytes: 0,
}

const prompt = { kind: 'system-prompt', bytes: 50 * MB, sharers: 6 } as const
const tools = { kind: 'tool-definition', bytes: 100 * MB, sharers: 6 } as const

const agentAt = (at: number): UnitAgent => {
  const talkBytes = (60 + at * 47) * MB
  const far = at >= 4
  return {
    backend: 'broker', number: String(9_000_000_000_000_000_000n + BigInt(at)), name: at % 2 === 0 ? 'reviewer' : 'test-writer', domain: at === 5 ? 'customer-a' : '', pid: at === 4 ? null : 4200 + at,
    agentId: null, state: at < 2 ? 'active' : at < 4 ? 'idle' : 'suspended', importance: 50, processes: at === 4 ? 0 : 1 + (at % 2),
    units: 14 + at * 3, bytes: 150 * MB + talkBytes, sharedBytes: at === 5 ? 0 : 150 * MB,
    hotBytes: 150 * MB + (far ? 0 : 8 * MB), warmBytes: far ? talkBytes / 4 : talkBytes - 8 * MB, coldBytes: far ? (talkBytes / 4) * 3 : 0, idleMs: at * 240_000 + 2000,
  }
}

const unitsOf = (agent: UnitAgent): Unit[] => [
  { ...prompt, number: '1', tier: 'hot' as const, storedBytes: prompt.bytes / 6 },
  { ...tools, number: '2', tier: 'hot' as const, storedBytes: tools.bytes / 6 },
  { number: '3', kind: 'conversation' as const, tier: agent.coldBytes > 0 ? ('cold' as const) : ('warm' as const), bytes: agent.bytes - 150 * MB, storedBytes: (agent.bytes - 150 * MB) / 4.6, sharers: 1 },
  ...Array.from({ length: agent.units - 3 }, (_, at) => ({ number: String(4 + at), kind: 'tool-result' as const, tier: at % 3 === 0 ? ('hot' as const) : ('warm' as const), bytes: 4000 + at * 3100, storedBytes: 1300 + at * 900, sharers: 1 })),
].map((unit, at) => ({ ...unit, agent: agent.number, importance: 50, idleMs: at * 60_000, digest: (0x1f3a_9000 + at * 7919).toString(16).padStart(16, '5e') }))

/** Two agents of the module, which share prompt and tools. */
const inModule = (at: number): UnitAgent => ({ ...agentAt(at), backend: 'module', number: String(at + 1), name: at === 0 ? 'planner' : 'release-notes', pid: 5200 + at, processes: 1, units: 9 + at, sharedBytes: 150 * MB, coldBytes: 0 })

const moduleOf = (kind: Scenario['module'], agents: readonly UnitAgent[]): UnitsView['module'] => {
  if (kind !== 'loaded' && kind !== 'idle' && kind !== 'no-compressor') return null
  const bytes = agents.reduce((sum, agent) => sum + agent.bytes, 0)
  return {
    version: '0.1.0', driver: kind === 'no-compressor' ? 'none' : 'zstd-scomp', warmAfterMs: 300_000, contentBytes: agents.length === 0 ? 0 : bytes - 150 * MB,
    totals: { agents: agents.length, units: agents.reduce((sum, agent) => sum + agent.units, 0), bytes, hotBytes: agents.length === 0 ? 0 : 166 * MB, warmBytes: agents.length === 0 ? 0 : 37 * MB, coldBytes: 0, ownBytes: 0 },
  }
}

/** The broker as a fake app shows it. */
export const createUnits = (scenario: Scenario, changed: () => void) => {
  let settings = settingsAtStart
  const agents = scenario.units === 'running' ? Array.from({ length: 6 }, (_, at) => agentAt(at)) : []
  const kernel = scenario.module === 'loaded' || scenario.module === 'no-compressor' ? [inModule(0), inModule(1)] : []
  const view = (): UnitsView => ({
    module: moduleOf(scenario.module, kernel),
    broker: scenario.units === 'not-installed' ? 'not-installed' : !settings.enabled ? 'off' : scenario.units === 'running' ? 'running' : 'not-running',
    problem: scenario.units === 'not-installed' ? 'agentmem-broker is not built: run "npm run build" in the project folder.' : scenario.unitsProblem,
    totals: agents.length === 0 ? null : {
      agents: agents.length, units: agents.reduce((sum, agent) => sum + agent.units, 0), bytes: agents.reduce((sum, agent) => sum + agent.bytes, 0),
      hotBytes: 182 * MB, warmBytes: agents.reduce((sum, agent) => sum + agent.warmBytes, 0) / 4.6, coldBytes: agents.reduce((sum, agent) => sum + agent.coldBytes, 0) / 4.6, ownBytes: 3.1 * MB,
    },
    agents: [...agents, ...kernel], settings, settingsPath: '/home/dev/.config/agentmem/broker.conf', storePath: '/home/dev/.local/state/agentmem/store',
  })
  return {
    'units.get': (): Answer<'units.get'> => ok(view()),
    'units.list': ({ agent, backend = 'broker' }: Request<'units.list'>): Answer<'units.list'> => {
      const found = [...agents, ...kernel].find((one) => one.number === agent && one.backend === backend)
      return found === undefined ? fail('process-gone', 'This agent holds no units any more.') : ok({ units: unitsOf(found), more: false })
    },
    'units.set': ({ settings: next }: Request<'units.set'>): Answer<'units.set'> => {
      if (scenario.unitsFail !== null) return { ok: false, error: scenario.unitsFail }
      settings = next
      changed()
      return ok(settings)
    },
  }
}
