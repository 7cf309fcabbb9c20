import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { snapshotDelta, type SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { Request, Response } from '../../contract/channels.ts'
import type { History } from '../history/types.ts'
import type { KeptFindings } from '../history/look-store.ts'
import type { ReportFindings } from './findings.ts'
import { makeReport } from './make-report.ts'
import { factsOf, type ReportFacts, type ReportSubject } from './subject.ts'
import { suspendedBetween, type SuspendedFact } from './suspended.ts'

export interface Reports {
  make(request: Request<'report.make'>): Promise<Result<Response<'report.make'>>>
}

export interface ReportsDeps {
  readonly history: Pick<History, 'reader'>
  /** A rule's own words; see findings.ts. */
  readonly ruleTitle?: (rule: string) => string | null
}

/** Looks are taken at least every ten minutes while the app runs. */
const AROUND_MS = 15 * 60_000

/** From history to a file: finds the run or the two snapshots and hands them to the report. */
export const createReports = ({ history, ruleTitle = () => null }: ReportsDeps): Reports => {
  const { reader } = history

  const factsOfRun = (runId: string): ReportFacts | null => {
    const snapshot = reader.runSnapshot(runId, 'after')
    return snapshot === null ? null : factsOf(snapshot)
  }

  const suspendedIn = (delta: SnapshotDelta | null): SuspendedFact[] =>
    delta === null ? [] : suspendedBetween(reader, Math.min(delta.fromMs, delta.toMs), Math.max(delta.fromMs, delta.toMs))

  const withTitles = (kept: KeptFindings | null): ReportFindings | null => (kept === null ? null : { ...kept, titleOf: ruleTitle })
  const findingsAt = (atMs: number): ReportFindings | null => withTitles(reader.findingsBetween(atMs - AROUND_MS, atMs + AROUND_MS))

  const subjectOf = (wanted: Request<'report.make'>['subject']): Result<ReportSubject> => {
    if (wanted.of === 'run') {
      const detail = reader.run(wanted.runId)
      if (detail === null) return fail('no-such-run', 'This run is not in the history.', { about: wanted.runId })
      return ok({ kind: 'run', record: detail.record, delta: detail.delta, facts: factsOfRun(wanted.runId), suspended: suspendedIn(detail.delta), findings: withTitles(reader.findingsOfRun(wanted.runId)) ?? findingsAt(detail.record.startedAtMs) })
    }
    const [from, to] = [reader.snapshotInfo(wanted.fromId), reader.snapshotInfo(wanted.toId)]
    const [before, after] = [reader.snapshot(wanted.fromId), reader.snapshot(wanted.toId)]
    if (from === null || to === null || before === null || after === null) {
      return fail('bad-request', 'One of the two snapshots is no longer in the history.', { about: String(from === null ? wanted.fromId : wanted.toId), advice: 'Choose two from the list.' })
    }
    const delta = snapshotDelta({ before: [before], after, treated: [], control: [] })
    return ok({ kind: 'comparison', from, to, delta, facts: factsOf(after), suspended: suspendedIn(delta), findings: findingsAt(to.takenAtMs) })
  }

  return {
    async make(request) {
      const subject = subjectOf(request.subject)
      if (!subject.ok) return subject
      const file = await makeReport({ subject: subject.value, format: request.format, private: request.private })
      if (!file.ok) return file
      return ok({ fileName: file.value.fileName, mediaType: file.value.mediaType, base64: Buffer.from(file.value.bytes).toString('base64') })
    },
  }
}
