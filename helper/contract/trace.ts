import { z } from 'zod'
import { processRefSchema } from './agents.ts'

/** One of the built-in lines (helper/plan/trace-lines.ts), and numbers: never text of the caller's. */
export const traceRequestSchema = z.strictObject({
  id: z.string().regex(/^(?:perf|ftrace|bpftrace)\.[a-z][a-z-]{1,40}$/u, 'expected the id of a built-in line, such as "perf.page-faults"'),
  /** The caller's own; null for the whole machine, of which only sums are shown. */
  process: processRefSchema.nullable(),
  seconds: z.int().min(1).max(60),
})
export type TraceRequest = z.infer<typeof traceRequestSchema>

/** What was seen. */
export const traceResultSchema = z.object({
  id: z.string(),
  /** For how long it really looked. */
  seconds: z.number(),
  text: z.string(),
  /** True where more was seen than is shown. */
  truncated: z.boolean(),
  table: z.object({ columns: z.array(z.string()), rows: z.array(z.array(z.string())) }).nullable(),
})
export type TraceResult = z.infer<typeof traceResultSchema>
