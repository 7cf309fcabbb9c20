import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { Snapshot } from '../../../helper/contract/snapshot.ts'
import type { RunDetail, SnapshotInfo } from '../../contract/views.ts'
import type { ReportFindings } from './findings.ts'
import type { SuspendedFact } from './suspended.ts'

/** The machine, as far as a snapshot of one side tells. */
export interface ReportFacts {
  kernelRelease: string
  totalBytes: number
  swapTotalBytes: number
  privileged: boolean
  tookMs: number
}

export const factsOf = (snapshot: Snapshot): ReportFacts => ({
  kernelRelease: snapshot.kernelRelease,
  totalBytes: snapshot.machine.memory.totalBytes,
  swapTotalBytes: snapshot.machine.memory.swapTotalBytes,
  privileged: snapshot.privileged,
  tookMs: snapshot.tookMs,
})

interface Around {
  facts?: ReportFacts | null
  /** Agents suspended between the two sides. */
  suspended?: readonly SuspendedFact[]
  /** Null where nobody looked at that time. */
  findings?: ReportFindings | null
}
export type ReportSubject = Around & (
  | { kind: 'run'; record: RunDetail['record']; delta: SnapshotDelta | null }
  | { kind: 'comparison'; from: SnapshotInfo; to: SnapshotInfo; delta: SnapshotDelta }
)
