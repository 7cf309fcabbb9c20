import type { KernelFiles } from '../../change/write.ts'
import type { JournalHeader } from '../../change/journal.ts'
import type { ProcessRef, SignaturesFile } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import type { LifecycleCause, Resumed, Suspension } from '../../contract/lifecycle.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import type { GuardClient } from '../../guard/client.ts'
import type { AddressRange } from '../../guard/protocol.ts'
import type { Placer } from '../cgroups/place.ts'

/** How long things take; tests shorten them. */
export interface LifecyclePace {
  /** Until a cgroup must be frozen: a process that cannot stop holds it up. */
  freezeLimitMs: number
  freezePollMs: number
  /** An agent runs for so long after a first paging out: what comes back is what it needs while idle. 0: no rehearsal. */
  rehearseMs: number
  /** After a wake, until what came back is taken for the next time. */
  learnAfterMs: number
  /** Between two looks at the machine's pressure while paging out. */
  pressureLookMs: number
}

export const defaultLifecyclePace: LifecyclePace = { freezeLimitMs: 2000, freezePollMs: 5, rehearseMs: 0, learnAfterMs: 100, pressureLookMs: 500 }

/** The guard as the lifecycle needs it; tests give one of their own. */
export type Guard = Pick<GuardClient, 'hold' | 'frozen' | 'release' | 'wake' | 'armRun' | 'doneRun' | 'holder' | 'status' | 'leave' | 'onWord' | 'onWoke' | 'onClosed'>

/** What either role gives; everything in which they differ is here. */
export interface LifecycleDeps {
  /** "/" or a captured tree. */
  root: string
  role: JournalHeader['role']
  /** Journals go to journal/agents below it, records to agents. */
  stateDir: string
  kernel: KernelFiles
  bootId: () => string
  signatures: () => SignaturesFile
  /** Connects, and starts the guard where it does not run unless `onlyRunning`. */
  connectGuard: (onlyRunning: boolean) => Promise<Result<Guard>>
  /** Where the guard leaves its words; read while it does not run. */
  wordsPath: string
  /** null: this machine has no cgroup to freeze in; the text says what is missing. */
  placer: Placer | { missing: string }
  /** Path of agentmem-reclaim; null where this role may not run it. */
  reclaimProgram: string | null
  /** Whether there is swap to go to; tests without any say so themselves. */
  swapRoom?: () => Result<{ freeBytes: number }>
  now?: () => number
  sleep?: (ms: number) => Promise<void>
  pace?: Partial<LifecyclePace>
  /** Called after each step that changes something: tests end the program there. */
  checkpoint?: (name: string) => void
  log: (text: string) => void
  /** A suspended agent runs again, for whatever reason. */
  onResumed?: (resumed: Resumed, suspension: Suspension) => void
}

/** Whoever asks: its process is the holder of what it suspends. */
export interface Asker {
  uid: number
  /** null: nobody whose end should thaw. */
  process: ProcessRef | null
}

/** A suspended agent as it is kept on disk. */
export interface HeldRecord {
  version: 1
  suspension: Suspension
  journalId: string
  freezePath: string
}

export interface WorkingSet {
  pid: number
  ranges: AddressRange[]
}

export interface SuspendRequest {
  agent: AgentTarget
  cause: LifecycleCause
}
