import { existsSync } from 'node:fs'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { readAgentStats } from '../../../helper/observe/agent-stats.ts'
import { readText, under } from '../../../helper/observe/files.ts'
import { MODULE_FOLDER } from '../../../helper/observe/kernel-module.ts'
import { AgentMemory, AgentMemoryError } from '../../../native/user/node/index.ts'
import type { ModuleView, Unit, UnitAgent } from '../../contract/units.ts'
import { messageOf } from '../files.ts'

/** What the module says of this user's agents; agents without what only the app knows. */
export interface ModuleLook {
  readonly module: ModuleView
  readonly agents: readonly Omit<UnitAgent, 'agentId'>[]
}

/** The way to agentmem.ko, by files alone: an open device would keep it from being unloaded. */
export interface ModuleLink {
  /** Null: it is not loaded. */
  readonly look: () => ModuleLook | null
  /** Of one agent, or of all; at most `most`. Opens the device for that moment. */
  readonly units: (agent: string | null, most: number) => Promise<Result<Unit[]>>
}

const parameter = (root: string, name: string): number | null => {
  const text = readText(under(root, `${MODULE_FOLDER}/parameters/${name}`)).value?.trim() ?? ''
  return /^\d{1,16}$/u.test(text) ? Number(text) : null
}

/** `root` is "/" or a captured tree. */
export const moduleLink = (root: string): ModuleLink => ({
  look: () => {
    if (!existsSync(under(root, `${MODULE_FOLDER}/refcnt`))) return null
    const stats = readAgentStats(root).value
    const totals = stats?.totals ?? null
    return {
      module: {
        version: readText(under(root, `${MODULE_FOLDER}/version`)).value?.trim() ?? null,
        driver: totals?.driver ?? null,
        warmAfterMs: parameter(root, 'warm_after_ms'),
        contentBytes: totals?.contentBytes ?? null,
        totals: totals === null ? null : { agents: totals.agents, units: totals.units, bytes: totals.bytes, hotBytes: totals.hotBytes, warmBytes: totals.warmBytes, coldBytes: totals.coldBytes, ownBytes: 0 },
      },
      agents: (stats?.agents ?? [])
        .filter(({ state, units }) => state !== 'gone' || units > 0)
        .map(({ number, pid, state, importance, units, bytes, sharedBytes, hotBytes, warmBytes, coldBytes, idleMs, name, domain }) => ({
          backend: 'module' as const, number, pid, state, importance, units, bytes, sharedBytes, hotBytes, warmBytes, coldBytes, idleMs, name, domain,
          // The file tells of the first one alone.
          processes: pid === null ? 0 : 1,
        })),
    }
  },
  units: async (agent, most) => {
    try {
      const memory = await AgentMemory.open({ backend: 'module', observer: true, noStart: true })
      try {
        const lines = await memory.units(agent === null ? 0n : BigInt(agent))
        return ok(lines.slice(0, most).map(({ unit, agent: owner, ...line }) => ({ ...line, number: String(unit), agent: String(owner) })))
      } finally {
        await memory.close()
      }
    } catch (error) {
      if (error instanceof AgentMemoryError && (error.code === 'ENODEV' || error.code === 'ENOENT')) return ok([])
      return fail('internal', `The kernel module did not answer: ${messageOf(error)}`, { advice: 'Look again in a moment.' })
    }
  },
})
