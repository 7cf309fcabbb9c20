import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { Snapshot } from '../../../helper/contract/snapshot.ts'
import type { RunDetail, SnapshotInfo } from '../../contract/views.ts'

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

export type ReportSubject =
  | { kind: 'run'; record: RunDetail['record']; delta: SnapshotDelta | null; facts?: ReportFacts | null }
  | { kind: 'comparison'; from: SnapshotInfo; to: SnapshotInfo; delta: SnapshotDelta; facts?: ReportFacts | null }
