import { fail, ok, type Result } from '../../../helper/contract/errors.ts'
import { snapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { Request, Response } from '../../contract/channels.ts'
import type { History } from '../history/types.ts'
import { makeReport } from './make-report.ts'
import { factsOf, type ReportSubject } from './subject.ts'

export interface Reports {
  make(request: Request<'report.make'>): Promise<Result<Response<'report.make'>>>
}

/** From history to a file: finds the run or the two snapshots and hands them to the report. */
export const createReports = ({ history }: { readonly history: Pick<History, 'reader'> }): Reports => {
  const { reader } = history

  const find = (subject: Request<'report.make'>['subject']): Result<ReportSubject> => {
    if (subject.of === 'run') {
      const run = reader.run(subject.runId)
      if (run === null) return fail('no-such-run', 'This run is no longer in the history.', { about: subject.runId, advice: 'Choose one from the list.' })
      const after = reader.runSnapshot(subject.runId, 'after')
      return ok({ kind: 'run', ...run, facts: after === null ? null : factsOf(after) })
    }
    const [from, to] = [reader.snapshotInfo(subject.fromId), reader.snapshotInfo(subject.toId)]
    const [before, after] = [reader.snapshot(subject.fromId), reader.snapshot(subject.toId)]
    if (from === null || to === null || before === null || after === null) {
      return fail('bad-request', 'One of the two snapshots is no longer in the history.', { about: String(from === null ? subject.fromId : subject.toId), advice: 'Choose two from the list.' })
    }
    return ok({ kind: 'comparison', from, to, delta: snapshotDelta({ before: [before], after, treated: [], control: [] }), facts: factsOf(after) })
  }

  return {
    make: async (request) => {
      const subject = find(request.subject)
      if (!subject.ok) return subject
      const file = await makeReport({ subject: subject.value, format: request.format, private: request.private })
      if (!file.ok) return file
      const { fileName, mediaType, bytes } = file.value
      return ok({ fileName, mediaType, base64: Buffer.from(bytes).toString('base64') })
    },
  }
}
