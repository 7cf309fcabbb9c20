import type { Agent } from '../../../helper/contract/agents.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import type { ProcessCounts, Snapshot } from '../../../helper/contract/snapshot.ts'
import { readMachine } from '../../../helper/observe/machine.ts'
import type { HelperState, Live } from '../../contract/views.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { History } from '../history/types.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { withSuspended } from '../lifecycle/states.ts'
import { agentSamples, arrivals, machineSample } from './history-feed.ts'
import { makeLive } from './live.ts'
import { createProcessSampling } from './process-samples.ts'

export interface SamplerDeps {
  readonly root: string
  readonly session: Pick<SessionClient, 'call'>
  readonly history: History
  /** Looked at with every look at the agents. */
  readonly lifecycle: Pick<Lifecycle, 'look' | 'registry'>
  readonly idleAfterMs: () => number
  readonly keepControl: () => boolean
  readonly helper: () => HelperState
  readonly progress: () => Progress | null
  /** True while a window is looking: then memory is read more often. */
  readonly watched: () => boolean
  readonly onLive: (live: Live) => void
  /** A bug in a timer must be told, not end the app. */
  readonly onProblem: (text: string) => void
  readonly now: () => number
}

export interface Sampler {
  start(): void
  live(): Promise<Live>
  /** Agents with memory figures not older than `maxAgeMs`. */
  agents(maxAgeMs: number): Promise<Result<readonly Agent[]>>
  snapshot(commandLines: boolean): Promise<Result<Snapshot>>
  /** Look again soon: a window opened, a run ended, an agent was suspended. */
  hurry(): void
  close(): void
}

const MACHINE_MS = { watched: 1_000, alone: 5_000 }
const LOOK_MS = { watched: 2_000, alone: 10_000 }
const SNAPSHOT_MS = { watched: 10_000, alone: 60_000 }
/** Upper share of one core for each of the two readers of /proc; together they stay below 2 %. */
const LOOK_SHARE = 0.008
const SNAPSHOT_SHARE = 0.01
const NO_COUNTS: ProcessCounts = { seen: 0, kernelThreads: 0, vanished: 0, unreadable: 0, ofAgents: 0 }

/** The wait after a look that cost `costMs` of CPU, so that looking stays below `share` of a core. */
export const nextWaitMs = (leastMs: number, costMs: number, share: number): number => Math.max(leastMs, Math.ceil(costMs / share))

type Look = { agents: readonly Agent[]; counts: ProcessCounts; takenAtMs: number }

/** A timer that plans its next turn only after the last one ended. */
const everySoOften = (turn: () => Promise<number>, onProblem: (text: string) => void) => {
  let timer: NodeJS.Timeout | null = null
  let running = false
  let again = false
  let ended = false
  const go = async (): Promise<void> => {
    if (running) {
      again = true
      return
    }
    running = true
    let waitMs = 5_000
    try {
      waitMs = await turn()
    } catch (error) {
      onProblem(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
    running = false
    if (ended) return
    timer = setTimeout(() => void go(), again ? 0 : waitMs)
    again = false
  }
  return {
    kick() {
      if (timer !== null) clearTimeout(timer)
      if (!ended) void go()
    },
    close() {
      ended = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}

const notMeasured = (processes: number): Agent['cost'] => ({
  costBytes: 0, pssBytes: 0, anonBytes: { value: null, reason: 'not-measured' }, fileBytes: { value: null, reason: 'not-measured' },
  swapPssBytes: 0, compressedBytes: 0, diskSwapBytes: 0, ussBytes: 0, rssBytes: 0, unmeasured: processes,
})

/** Takes the live figures, each at its own pace, and feeds history with them. */
export const createSampler = (deps: SamplerDeps): Sampler => {
  let look: Look | null = null
  let full: Snapshot | null = null
  let started = false
  let measuredAtMs = 0
  let measureWaitMs = SNAPSHOT_MS.watched
  /** When the next look at the agents may be taken, by the monotonic clock. */
  let agentsDueMs = 0
  let fullPending: Promise<Result<Snapshot>> | null = null

  const processSampling = createProcessSampling(deps.root, process.getuid?.() ?? null, deps.now)

  const pace = (times: { watched: number; alone: number }): number => (deps.watched() ? times.watched : times.alone)

  const take = async (commandLines: boolean): Promise<Result<Snapshot>> => {
    const answer = await deps.session.call('Snapshot', { commandLines })
    if (answer.ok) {
      // A window that waits for the first figures gets them now, not with the next tick.
      if (full === null && started) setImmediate(() => { machineTimer.kick() })
      full = answer.value
      measuredAtMs = answer.value.takenAtMs
      note({ agents: answer.value.agents, counts: answer.value.counts, takenAtMs: answer.value.takenAtMs })
      // A full disk is told by history's own trouble(); the figures go on without it.
      const processes = await processSampling.take(answer.value.agents, answer.value.bootId)
      deps.history.writer.addSamples(deps.now(), machineSample(answer.value.machine, costSum()), agentSamples(answer.value.agents), processes)
    }
    return answer
  }
  const takeFull = (): Promise<Result<Snapshot>> => {
    fullPending ??= take(false).finally(() => { fullPending = null })
    return fullPending
  }

  const note = (next: Look): void => {
    const { appeared, gone } = arrivals(look === null ? null : look.agents, next.agents)
    look = next
    const writer = deps.history.writer
    for (const agent of appeared) writer.addEvent({ atMs: deps.now(), kind: 'agent-appeared', text: `${agent.title} appeared in ${agent.name}`, runId: null, agentId: agent.id })
    for (const agent of gone) writer.addEvent({ atMs: deps.now(), kind: 'agent-gone', text: `${agent.title} in ${agent.name} has ended`, runId: null, agentId: agent.id })
  }

  const costSum = (): number | null => {
    if (look === null || full === null || deps.now() - measuredAtMs > 1.5 * measureWaitMs) return null
    return look.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0)
  }

  const compute = (): Live =>
    makeLive({
      atMs: deps.now(),
      machine: readMachine(deps.root),
      agents: look?.agents ?? [],
      counts: look?.counts ?? NO_COUNTS,
      agentsMeasuredAtMs: measuredAtMs,
      compressed: full?.compressed ?? null,
      registry: deps.lifecycle.registry(),
      idleAfterMs: deps.idleAfterMs(),
      keepControl: deps.keepControl(),
      helper: deps.helper(),
      progress: deps.progress(),
    })

  const machineTimer = everySoOften(async () => {
    const live = compute()
    deps.history.writer.addSamples(live.atMs, machineSample(live.machine, costSum()), [])
    deps.onLive(live)
    return pace(MACHINE_MS)
  }, deps.onProblem)

  const lookAtAgents = async (): Promise<void> => {
    const from = performance.now()
    const answer = await deps.session.call('Agents', {})
    if (!answer.ok) return
    const old = new Map((look?.agents ?? []).map((agent) => [agent.id, agent.cost]))
    const agents = answer.value.agents.map((agent): Agent => ({ ...agent, cost: agent.cost ?? old.get(agent.id) ?? notMeasured(agent.processes.length) }))
    // Somebody new has no figures yet: measure now rather than show nothing for ten seconds.
    if (answer.value.agents.some((agent) => agent.cost === null && !old.has(agent.id)) && look !== null) snapshotTimer.kick()
    note({ agents, counts: answer.value.counts, takenAtMs: answer.value.takenAtMs })
    agentsDueMs = from + nextWaitMs(pace(LOOK_MS), performance.now() - from, LOOK_SHARE)
  }

  // One timer, two paces: the registry is there to be read, a look at the agents walks /proc and may have to wait.
  const lookTimer = everySoOften(async () => {
    if (performance.now() >= agentsDueMs) await lookAtAgents()
    await deps.lifecycle.look()
    return pace(LOOK_MS)
  }, deps.onProblem)

  const snapshotTimer = everySoOften(async () => {
    const answer = await takeFull()
    if (!answer.ok) return 3_000
    measureWaitMs = nextWaitMs(pace(SNAPSHOT_MS), answer.value.cpuMs, SNAPSHOT_SHARE)
    return measureWaitMs
  }, deps.onProblem)

  return {
    start() {
      started = true
      snapshotTimer.kick()
      lookTimer.kick()
      machineTimer.kick()
    },
    async live() {
      return compute()
    },
    async agents(maxAgeMs) {
      if (full === null || deps.now() - measuredAtMs > maxAgeMs) {
        const answer = await takeFull()
        if (!answer.ok) return answer
      }
      return { ok: true, value: withSuspended(look?.agents ?? [], deps.lifecycle.registry()) }
    },
    snapshot(commandLines) {
      return commandLines ? take(true) : takeFull()
    },
    hurry() {
      // Without timers everything is read when it is asked for.
      if (!started) return
      agentsDueMs = 0
      lookTimer.kick()
      snapshotTimer.kick()
      machineTimer.kick()
    },
    close() {
      for (const timer of [machineTimer, lookTimer, snapshotTimer]) timer.close()
    },
  }
}
