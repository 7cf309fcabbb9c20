import { z } from 'zod'
import { agentIdSchema, processRefSchema } from '../../helper/contract/agents.ts'
import { runIdSchema } from '../../helper/contract/runs.ts'
import { traceRequestSchema, traceResultSchema } from '../../helper/contract/trace.ts'
import { call } from './call.ts'
import { diagnosisSchema, journalEntrySchema, leakThresholdsSchema, leakViewSchema, traceLineSchema } from './diagnosis.ts'
import { processFiguresSchema } from './process-figures.ts'
import { planViewSchema } from './views.ts'

const nothing = z.strictObject({})

export const diagnosisChannels = {
  /** A fresh look and what the rules make of it and of the looks before. */
  'diagnosis.get': call(z.strictObject({ leaks: z.boolean() }), diagnosisSchema),
  /** After a run: which of the five causes explain that memory did not fall. */
  'diagnosis.of-run': call(z.strictObject({ runId: runIdSchema }), diagnosisSchema),
  /** Every figure of one's own processes, the largest first; of one agent, or of all there are. */
  'processes.get': call(z.strictObject({ agentId: agentIdSchema.nullable() }), processFiguresSchema),
  /** Plan of a solution that is tried as a run; run.apply with the preset id it names does it. */
  'diagnosis.try': call(z.strictObject({ rule: z.string(), subject: z.string(), solution: z.string() }), planViewSchema),
} as const

export const leakChannels = {
  'leaks.get': call(z.strictObject({ thresholds: leakThresholdsSchema, fromMs: z.number() }), z.array(leakViewSchema)),
} as const

export const traceChannels = {
  /** Every line to look deeper with; `pid`: as it is typed for this process, where a line looks at one. */
  'trace.list': call(z.strictObject({ pid: processRefSchema.shape.pid.optional() }), z.object({ lines: z.array(traceLineSchema) })),
  'trace.run': call(traceRequestSchema, traceResultSchema),
} as const

export const journalChannels = {
  /** Newest first, or what fits the words best; empty text for all. `beforeId`: those that follow this entry in the same order. */
  'journal.search': call(z.strictObject({ text: z.string().max(400), limit: z.int().min(1).max(1000), beforeId: z.int().nullable(), order: z.enum(['newest', 'best']).optional() }), z.object({ entries: z.array(journalEntrySchema), more: z.boolean() })),
  /** Of the whole journal: entries, runs of which it is known what came of them, and those of them that helped and were kept. */
  'journal.totals': call(nothing, z.object({ entries: z.int().min(0), tried: z.int().min(0), helped: z.int().min(0) })),
  /** A note on an entry; `id` null makes a note of its own. */
  'journal.note': call(z.strictObject({ id: z.int().nullable(), note: z.string().max(10_000) }), journalEntrySchema),
  /** The user did by hand what a finding advised, and this came of it; asked before advice as the outcome of a run is. */
  'journal.did': call(z.strictObject({ rule: z.string().max(100), subject: z.string().max(1000), solution: z.string().max(100), outcome: z.enum(['kept', 'no-gain', 'undone']), note: z.string().max(10_000) }), journalEntrySchema),
  'journal.export': call(nothing, z.object({ fileName: z.string(), text: z.string() })),
  'journal.import': call(z.strictObject({ text: z.string().max(20_000_000) }), z.object({ added: z.int(), known: z.int() })),
} as const
