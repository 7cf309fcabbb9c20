import { ok } from '../../../helper/contract/result.ts'
import type { Answer, Request } from '../../contract/channels.ts'
import type { traceChannels } from '../../contract/diagnosis-channels.ts'
import { listTraceLines } from '../diagnose/trace-lines.ts'
import type { SystemClient } from '../helper-client/system-client.ts'

type Name = keyof typeof traceChannels

/** Looking deeper: what could be run, and running it through the helper, which asks for its own permission. */
export const traceHandlers = ({ root, system }: { readonly root: string; readonly system: Pick<SystemClient, 'call'> }): { readonly [K in Name]: (request: Request<K>) => Promise<Answer<K>> } => ({
  'trace.list': async ({ pid }) => ok({ lines: listTraceLines(root, pid ?? null) }),
  'trace.run': async (request) => system.call('TraceRun', request),
})
