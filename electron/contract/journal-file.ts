import { z } from 'zod'
import { journalEntrySchema } from './diagnosis.ts'

const words = (most: number) => z.string().max(most)

/** An entry as it travels: known by its uuid; `id` is of one database only, and so stays there. */
export const journalFileEntrySchema = z.strictObject({
  uuid: z.uuid(),
  atMs: z.int().min(0).max(8_640_000_000_000_000),
  kind: journalEntrySchema.shape.kind,
  rule: words(100).nullable(),
  subject: words(1000),
  solution: words(100).nullable(),
  presetId: words(48).nullable(),
  runId: words(64).nullable(),
  title: words(1000),
  text: words(50_000),
  note: words(10_000),
  outcome: journalEntrySchema.shape.outcome,
  gainBytes: z.int().nullable(),
  kernelRelease: words(200),
})
export type JournalFileEntry = z.infer<typeof journalFileEntrySchema>

/** What "Export" writes and "Import" takes. */
export const journalFileSchema = z.strictObject({
  version: z.literal(1),
  what: z.literal('agentmem-journal'),
  exportedAtMs: z.number(),
  entries: z.array(journalFileEntrySchema).max(100_000),
})
