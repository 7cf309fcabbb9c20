import { fail, type Result } from '../../../helper/contract/errors.ts'
import type { Request, Response } from '../../contract/channels.ts'
import type { History } from '../history/types.ts'

export interface Reports {
  make(request: Request<'report.make'>): Promise<Result<Response<'report.make'>>>
}

/** From history to a file: finds the run or the two snapshots and hands them to the report. */
export const createReports = (_deps: { readonly history: History }): Reports => ({
  make: async () => fail('not-supported', 'Reports are not built yet.'),
})
