import type { Agent } from '../../../helper/contract/agents.ts'
import { missing } from '../../../helper/contract/known.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import type { Machine, ProcessCounts, Snapshot } from '../../../helper/contract/snapshot.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import type { Registry } from '../../../helper/contract/requests.ts'
import type { HelperState, Live } from '../../contract/views.ts'
import { amount } from '../amounts.ts'
import { suspendedWon, withRegistry } from '../lifecycle/states.ts'
import { chooseAgents } from '../runs/choose-agents.ts'

/** Share of an idle agent's anonymous memory that page-out leaves resident: 0.4 of 6.8 GB measured, docs/measuring.md. */
const STAYS_SHARE = 0.06
/**
 * Pool bytes per stored byte while this machine's pool holds nothing to tell
 * by: measured 0.27 to 0.47 with lz4 and lzo on agents, most on fresh ones;
 * 0.45 is near the worst, so that the estimate is rather beaten than missed.
 */
const DEFAULT_POOL_PER_STORED = 0.45
/** A pool this small says nothing about how agents compress. */
const TELLING_STORED_BYTES = 64 * 1024 * 1024

export interface LiveInput {
  atMs: number
  machine: Machine
  agents: readonly Agent[]
  counts: ProcessCounts
  agentsMeasuredAtMs: number
  compressed: Snapshot['compressed'] | null
  /** What the session role knows of each agent; null while it cannot be read. */
  registry: Registry | null
  idleAfterMs: number
  /** One agent of each kind is left alone to compare with. */
  keepControl: boolean
  helper: HelperState
  progress: Progress | null
}

/** A suspended one is not idle: what it could give back, it gave. */
const isIdle = (agent: Agent, idleAfterMs: number): boolean => agent.state !== 'gone' && agent.state !== 'suspended' && agent.idleMs.value !== null && agent.idleMs.value >= idleAfterMs

/**
 * States as the user set them: "idle" is an agent idle for at least
 * `idleAfterMs`, in every figure, list and bar alike. Suspended stays.
 */
export const withIdleAfter = (agents: readonly Agent[], idleAfterMs: number): Agent[] =>
  agents.map((agent) => (agent.state === 'active' || agent.state === 'idle' ? { ...agent, state: isIdle(agent, idleAfterMs) ? 'idle' : 'active' } : agent))

const isMeasured = (agent: Agent): boolean => agent.cost.unmeasured < agent.processes.length

const median = (values: readonly number[]): number | null => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return null
  const high = sorted[Math.floor(middle)] ?? 0
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? 0) + high) / 2
}

/** What reclaiming the idle agents would free, and how that was worked out, in words. */
export const estimateGain = (agents: readonly Agent[], { idleAfterMs, keepControl, compressed }: Pick<LiveInput, 'idleAfterMs' | 'keepControl' | 'compressed'>): { bytes: Reading; basis: string } => {
  const idle = agents.filter((agent) => isIdle(agent, idleAfterMs))
  const minutes = Math.round(idleAfterMs / 6000) / 10
  if (agents.length === 0) return { bytes: missing('not-measured'), basis: 'No agents were found yet.' }
  if (!agents.some(isMeasured)) return { bytes: missing('not-measured', 'The first measurement is under way.'), basis: 'The first measurement is under way.' }
  if (idle.length === 0) return { bytes: { value: 0 }, basis: `No agent has been idle for ${minutes} min or longer.` }
  const { treated, control } = chooseAgents(agents, { reclaim: { minIdleMs: idleAfterMs } }, { keepControl, agentIds: null })
  const known = treated.filter((agent) => agent.cost.anonBytes.value !== null)
  if (known.length === 0) return { bytes: missing('not-supported', 'anonymous memory needs Linux 5.3'), basis: 'This kernel does not tell the anonymous memory of a process (needs Linux 5.3).' }
  const anonBytes = known.reduce((sum, agent) => sum + (agent.cost.anonBytes.value ?? 0), 0)
  const own = compressed !== null && compressed.storedBytes >= TELLING_STORED_BYTES ? compressed.poolPerStored.value : null
  const poolPerStored = own ?? DEFAULT_POOL_PER_STORED
  const moved = anonBytes * (1 - STAYS_SHARE)
  const source = own === null ? 'as expected from measurements on other machines' : 'as the pool of this machine does now'
  return {
    bytes: { value: Math.max(0, Math.round(moved * (1 - poolPerStored))) },
    basis: `${known.length} idle agents hold ${amount(anonBytes)} of anonymous memory; ${amount(moved)} of it can be paged out and takes ${Math.round(poolPerStored * 100)} % compressed, ${source}. Agents at work take some of it back.${control.length === 0 ? '' : ` ${control.length} more ${control.length === 1 ? 'is' : 'are'} left alone to compare with.`}`,
  }
}

/** One live state from the newest of everything; pure. */
export const makeLive = (input: LiveInput): Live => {
  const agents = withIdleAfter(withRegistry(input.agents.filter((agent) => agent.state !== 'gone'), input.registry), input.idleAfterMs)
  // An agent of which nothing could be measured has no cost: it must not pull the median to zero.
  const costs = agents.filter(isMeasured).map((agent) => agent.cost.costBytes)
  // A new agent comes unpacked: what the present ones have in compressed swap counts in full.
  const typical = median(agents.filter(isMeasured).map((agent) => agent.cost.pssBytes + agent.cost.swapPssBytes))
  const availableBytes = input.machine.memory.availableBytes
  const gain = estimateGain(agents, input)
  const room = (bytes: number): Reading => (typical === null || typical === 0 ? missing('not-measured') : { value: Math.floor(bytes / typical) })
  return {
    atMs: input.atMs,
    machine: input.machine,
    agents,
    counts: input.counts,
    agentsMeasuredAtMs: input.agentsMeasuredAtMs,
    totals: {
      agentsCostBytes: costs.reduce((sum, cost) => sum + cost, 0),
      agentsCount: agents.length,
      idleCount: agents.filter((agent) => isIdle(agent, input.idleAfterMs)).length,
      compressedBytes: agents.reduce((sum, agent) => sum + agent.cost.compressedBytes, 0),
      availableBytes,
      couldGetBackBytes: gain.bytes,
      couldGetBackBasis: gain.basis,
      roomFor: room(availableBytes),
      roomForAfter: gain.bytes.value === null ? missing('not-measured') : room(availableBytes + gain.bytes.value),
      suspendedCount: agents.filter((agent) => agent.state === 'suspended').length,
      suspendedWonBytes: suspendedWon(agents, input.registry, input.agentsMeasuredAtMs),
    },
    helper: input.helper,
    progress: input.progress,
  }
}
