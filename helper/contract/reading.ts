import { z } from 'zod'

/**
 * Why a figure is missing. Missing is never zero: a chart draws a gap, a table
 * a dash, and both can say which of these it was.
 */
export const missingReasonSchema = z.enum([
  'not-supported', // this kernel has no such file or field
  'not-permitted', // the file is there, the reader may not open it
  'vanished', // the process or device went away while it was read
  'malformed', // the file was read, its text was not what the parser expects
  'not-measured', // nobody looked (yet), or two samples are needed
])
export type MissingReason = z.infer<typeof missingReasonSchema>

export const missingSchema = z.object({
  value: z.null(),
  reason: missingReasonSchema,
  /** What was expected and what was found, for the details view. */
  detail: z.string().optional(),
})
export type Missing = z.infer<typeof missingSchema>

/** A figure that is either known or missing for a stated reason. */
export type Reading<T = number> = { value: T } | Missing

export const readingSchema = <T extends z.ZodType>(value: T) =>
  z.union([z.object({ value }), missingSchema])

export const numberReading = readingSchema(z.number())
