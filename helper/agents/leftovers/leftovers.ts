import type { ProcessRef, SignaturesFile } from '../../contract/agents.ts'
import type { Duplicate, Orphan } from '../../contract/lifecycle.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import type { SessionResponse } from '../../contract/requests.ts'
import { readBootId, readUptimeMs, TICK_MS } from '../../observe/kernel.ts'
import { compressedSwap, readMachine } from '../../observe/machine.ts'
import { readProcessMemory, type ProcessStat } from '../../observe/process.ts'
import type { Sample } from '../activity/sample.ts'
import { LISTENING, networkName, readNetwork } from '../activity/tcp.ts'
import { agentCost } from '../cost.ts'
import type { AgentTree } from '../discover.ts'
import { findDuplicates, type FoundDuplicate } from './duplicates.ts'
import { lookAtProcesses, type Processes } from './look.ts'
import { findOrphans, type FoundOrphan, type Remembered } from './orphans.ts'
import { endTrees, type ReapDeps } from './reap.ts'
import { socketsOf } from './served.ts'

export interface LeftoversOptions {
  /** "/" or a captured tree. */
  readonly root: string
  readonly signatures: SignaturesFile
  /** Only this user's; null: everybody's. */
  readonly uid: number | null
  readonly kill?: ReapDeps['kill']
  readonly graceMs?: number
}

export interface Leftovers {
  /**
   * Takes note of who belongs to which agent, from the samples of one look: a
   * tool that outlives its agent cannot be told by itself. Costs no reading.
   */
  readonly note: (samples: readonly Sample[]) => void
  /** Reads /proc, and the memory of what it finds: for a question of the user, not for every second. */
  readonly look: () => Promise<{ orphans: Orphan[]; duplicates: Duplicate[] }>
  /** Ends orphans with what is below them. One that is no orphan at this moment is left alone, and the answer says why. */
  readonly reap: (processes: readonly ProcessRef[]) => Promise<SessionResponse<'Reap'>>
  readonly setSignatures: (signatures: SignaturesFile) => void
}

/** A few hundred agents' worth; the oldest go first. */
const REMEMBERED_MOST = 4_000

const refOf = ({ pid, startTimeTicks }: ProcessRef): ProcessRef => ({ pid, startTimeTicks })
const keyOf = ({ pid, startTimeTicks }: ProcessRef): string => `${pid} ${startTimeTicks}`

const listensOnTcp = (root: string, pids: readonly number[]): boolean => {
  const networks = new Map<string, ReadonlySet<number>>()
  return pids.some((pid) => {
    const name = networkName(root, pid)
    const listening = networks.get(name) ?? new Set([...readNetwork(root, pid).tcp.values()].filter(({ state }) => state === LISTENING).map(({ inode }) => inode))
    networks.set(name, listening)
    return socketsOf(root, pid).some((inode) => listening.has(inode))
  })
}

const sum = (readings: readonly Reading[]): Reading => {
  const lost = readings.find((reading) => reading.value === null)
  return lost ?? known(readings.reduce((total, reading) => total + (reading.value ?? 0), 0))
}

/** What sessions left behind, and what they run more than once. */
export const createLeftovers = (options: LeftoversOptions): Leftovers => {
  const { root, uid } = options
  const bootId = readBootId(root)
  const remembered = new Map<string, Remembered>()
  let signatures = options.signatures

  const costOf = async (stats: readonly ProcessStat[]): Promise<Reading> => {
    const memories = await Promise.all(stats.map(({ pid }) => readProcessMemory(root, pid)))
    const unknown = memories.find((memory) => memory.value === null && memory.reason !== 'vanished')
    if (unknown !== undefined) return missing('not-permitted', 'memory of one of its processes cannot be read')
    return known(agentCost(memories, compressedSwap(readMachine(root))).costBytes)
  }

  const orphansIn = (processes: Processes): FoundOrphan[] =>
    findOrphans(processes, { signatures, bootId, uid, remembered, uptimeMs: readUptimeMs(root) ?? 0, nowMs: Date.now() })

  const orphanOf = async (found: FoundOrphan, uptimeMs: number): Promise<Orphan> => ({
    ...refOf(found.stat),
    role: found.role,
    label: found.label,
    costBytes: await costOf([found.stat, ...found.children]),
    ageMs: Math.max(0, Math.round(uptimeMs - found.stat.startTimeTicks * TICK_MS)),
    why: found.why,
    children: found.children.map(refOf),
  })

  const duplicateOf = async (found: FoundDuplicate): Promise<Duplicate> => {
    const processes = await Promise.all(found.servers.map(async ({ stat, agentId, tree }) => ({ ...refOf(stat), agentId, costBytes: await costOf(tree) })))
    const costBytes = sum(processes.map((process) => process.costBytes))
    const largest = Math.max(...processes.map((process) => process.costBytes.value ?? 0))
    const couldSaveBytes = !found.share.possible ? missing('not-supported', found.share.text) : costBytes.value === null ? costBytes : known(costBytes.value - largest)
    return { label: found.label, role: found.role, processes, costBytes, couldSaveBytes, share: found.share }
  }

  const ownTrees = (processes: Processes): AgentTree[] => processes.trees.filter((tree) => uid === null || processes.uidOf(tree.top.pid) === uid)

  return {
    note: (samples) => {
      const seenAtMs = Date.now()
      for (const sample of samples) {
        for (const process of sample.processes) {
          const key = keyOf(process)
          remembered.delete(key)
          remembered.set(key, { agentId: sample.id, role: process.role, label: process.label, seenAtMs })
        }
      }
      for (const key of remembered.keys()) {
        if (remembered.size <= REMEMBERED_MOST) break
        remembered.delete(key)
      }
    },
    look: async () => {
      const processes = lookAtProcesses(root, signatures)
      const living = new Set([...processes.table.values()].map(keyOf))
      for (const key of remembered.keys()) if (!living.has(key)) remembered.delete(key)
      const uptimeMs = readUptimeMs(root) ?? 0
      const duplicates = findDuplicates(processes, ownTrees(processes), bootId, (pids) => listensOnTcp(root, pids))
      return {
        orphans: await Promise.all(orphansIn(processes).map((found) => orphanOf(found, uptimeMs))),
        duplicates: await Promise.all(duplicates.map(duplicateOf)),
      }
    },
    reap: async (asked) => {
      const orphans = new Map(orphansIn(lookAtProcesses(root, signatures)).map((found) => [keyOf(found.stat), found]))
      const chosen = asked.flatMap((ref) => orphans.get(keyOf(ref)) ?? [])
      const refs = new Map(chosen.flatMap(({ stat, children }) => [stat, ...children]).map((stat) => [keyOf(stat), refOf(stat)]))
      const stayed = new Set((await endTrees({ root, uid, kill: options.kill ?? ((pid, name) => process.kill(pid, name)), ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }) }, [...refs.values()])).map(keyOf))
      const refused = asked.filter((ref) => !refs.has(keyOf(ref))).map((ref) => ({ ...refOf(ref), reason: 'It is no orphan any more, or has ended by itself.' }))
      const stubborn = [...refs].filter(([key]) => stayed.has(key)).map(([, ref]) => ({ ...ref, reason: 'It could not be ended: the kernel holds it, or it belongs to somebody else.' }))
      return { ended: [...refs].filter(([key]) => !stayed.has(key)).map(([, ref]) => ref), left: [...refused, ...stubborn] }
    },
    setSignatures: (next) => { signatures = next },
  }
}
