import type { Agent } from '../../../helper/contract/agents.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Unit, UnitAgent, UnitBackend, UnitSettings, UnitsView, UnitTotals } from '../../contract/units.ts'
import type { ModuleLink } from './module-link.ts'
import type { UnitSettingsStore } from './settings.ts'

/** What the broker says of itself; agents without what only the app knows. */
export interface BrokerLook {
  readonly totals: UnitTotals
  readonly agents: readonly Omit<UnitAgent, 'agentId'>[]
}

/** The way to the user's broker; it never starts one. */
export interface UnitsLink {
  /** Null: none runs. */
  readonly look: () => Promise<Result<BrokerLook | null>>
  /** Of one agent, or of all; at most `most`. */
  readonly units: (agent: string | null, most: number) => Promise<Result<Unit[]>>
  /** Has a running broker read its settings again. */
  readonly reload: () => Promise<Result<null>>
}

export interface UnitsDeps {
  readonly link: UnitsLink
  readonly module: ModuleLink
  readonly settings: UnitSettingsStore
  readonly storePath: string
  /** Whether the broker's program is there; a sentence with what to do where it is not. */
  readonly programProblem: () => string | null
  /** The agents of the last look. */
  readonly agents: () => Promise<Result<readonly Agent[]>>
}

export interface Units {
  readonly view: () => Promise<UnitsView>
  readonly list: (agent: string | null, backend?: UnitBackend) => Promise<Result<{ units: Unit[]; more: boolean }>>
  readonly set: (settings: UnitSettings) => Promise<Result<UnitSettings>>
}

const MOST_UNITS = 2000

/** One of its processes is the one the broker talks to. */
const ownerOf = (agents: readonly Agent[], pid: number | null): Agent['id'] | null =>
  pid === null ? null : agents.find((agent) => agent.pid === pid || agent.processes.some((process) => process.pid === pid))?.id ?? null

/** Rows stay where they are while figures change: by name, who has gone last. */
const inOrder = (a: UnitAgent, b: UnitAgent): number =>
  Number(a.state === 'gone') - Number(b.state === 'gone') || a.name.localeCompare(b.name) || Number(BigInt(a.number) - BigInt(b.number))

export const createUnits = (deps: UnitsDeps): Units => ({
  view: async () => {
    const { settings, problem } = deps.settings.get()
    const kernel = deps.module.look()
    const agents = await deps.agents()
    const known = agents.ok ? agents.value : []
    const owned = (all: readonly Omit<UnitAgent, 'agentId'>[]): UnitAgent[] => all.map((agent) => ({ ...agent, agentId: ownerOf(known, agent.pid) })).toSorted(inOrder)
    const base = { module: kernel?.module ?? null, totals: null, agents: owned(kernel?.agents ?? []), settings, settingsPath: deps.settings.path, storePath: deps.storePath }
    const missing = deps.programProblem()
    if (missing !== null) return { ...base, broker: 'not-installed', problem: missing }
    const look = await deps.link.look()
    if (!look.ok) return { ...base, broker: 'not-running', problem: [problem, look.error.message, look.error.advice].filter((text) => text !== null && text !== undefined).join(' ') }
    if (look.value === null) return { ...base, broker: settings.enabled ? 'not-running' : 'off', problem }
    return { ...base, problem, totals: look.value.totals, broker: settings.enabled ? 'running' : 'off', agents: owned([...look.value.agents, ...(kernel?.agents ?? [])]) }
  },

  list: async (agent, backend = 'broker') => {
    const units = await (backend === 'module' ? deps.module : deps.link).units(agent, MOST_UNITS + 1)
    return units.ok ? ok({ units: units.value.slice(0, MOST_UNITS), more: units.value.length > MOST_UNITS }) : units
  },

  set: async (settings) => {
    if (settings.warmAfterMs > settings.coldAfterMs) {
      return fail('bad-request', 'Units cannot go to disk before they are compressed.', { expected: 'the age for the disk at or above the age for compressing', got: `${settings.coldAfterMs} ms and ${settings.warmAfterMs} ms`, advice: 'Raise the age for the disk.' })
    }
    const written = deps.settings.set(settings)
    if (!written.ok) return written
    const told = await deps.link.reload()
    return told.ok ? written : told
  },
})
