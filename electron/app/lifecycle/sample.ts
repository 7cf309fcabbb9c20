import type { Agent } from '../../../helper/contract/agents.ts'
import { defaultPolicy, type LifecycleEvent, type RegistryEntry, type Resumed, type Suspension } from '../../../helper/contract/lifecycle.ts'
import { known } from '../../../helper/contract/known.ts'
import type { Registry } from '../../../helper/contract/requests.ts'

/** Made-up but lifelike data for tests of what agents do. Nothing of the shipped program imports it. */
const MIB = 1024 * 1024

export const sampleSuspension = (agent: Agent, changes: Partial<Suspension> = {}): Suspension => {
  const before = { costBytes: agent.cost.pssBytes, residentAnonBytes: 240 * MIB, swapPssBytes: 0, compressedBytes: 0, fileBytes: 40 * MIB }
  const after = { costBytes: Math.round(agent.cost.pssBytes * 0.3), residentAnonBytes: 6 * MIB, swapPssBytes: 234 * MIB, compressedBytes: 70 * MIB, fileBytes: 8 * MIB }
  return {
    agentId: agent.id, title: agent.title, uid: agent.uid, sinceMs: 1_000_000, cause: 'policy', cgroup: '/sys/fs/cgroup/agentmem.slice/u1000/agent', terminal: '/dev/pts/3',
    processes: agent.processes.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })),
    before, after, wonBytes: before.costBytes - after.costBytes, workingSetBytes: 20 * MIB, freezeMs: 12, reclaimMs: 1_400, stoppedBy: null, ...changes,
  }
}

export const sampleResumed = (agent: Agent, changes: Partial<Resumed> = {}): Resumed => ({ agentId: agent.id, cause: 'key', suspendedForMs: 60_000, prefaultedBytes: 20 * MIB, tookMs: 31, ...changes })

export const sampleEntry = (agent: Agent, changes: Partial<RegistryEntry> = {}): RegistryEntry => ({
  id: agent.id, foundBy: 'discovered', sessionId: null, importance: 50, pinned: false, trustDomain: 'default', state: 'idle', stateSinceMs: 900_000, doing: null,
  activity: { idle: true, idleMs: known(300_000), reasons: [], knownBy: 'evidence' },
  transitions: [], suspension: null, trimmedBytes: 0, limit: null, suspendsAtMs: null, problem: null, ...changes,
})

export const sampleRegistry = (entries: readonly RegistryEntry[], changes: Partial<Registry> = {}): Registry => {
  const ability = { how: 'helper' as const, text: 'by the helper' }
  return {
    takenAtMs: 2_000_000, entries: [...entries], policy: defaultPolicy, policyProblem: null, budget: null, suspend: ability, limit: ability, trim: ability,
    guard: { running: true, pid: 77, pssBytes: known(900 * 1024), runs: 0, agents: entries.filter((entry) => entry.state === 'suspended').length, words: [] }, ...changes,
  }
}

export const sampleEvent = (seq: number, agent: Agent | null, changes: Partial<LifecycleEvent> = {}): LifecycleEvent => ({
  seq, agentId: agent?.id ?? null, title: agent?.title ?? '', name: agent?.name ?? '', transition: null, suspension: null, resumed: null, word: null, text: '', atMs: 1_000_000 + seq * 1000, ...changes,
})
