import { z } from 'zod'
import { fail } from './result.ts'

/**
 * Every expected failure of the helper. A code is chosen by what the window
 * must do next, not by which function failed; exceptions are bugs.
 */
export const errorCodeSchema = z.enum([
  'authorization-dismissed', // the user closed the password dialog: say nothing more, stay as we were
  'authorization-obtainable', // a password would do, but asking was not allowed: offer to ask
  'authorization-denied', // policy says no: name the action, point to the administrator
  'bad-request', // the request does not fit the schema: a version mismatch or a bug of the caller
  'plan-changed', // the machine or the agents differ from the plan shown: show the new plan
  'busy', // another run is open: show that run
  'not-supported', // this kernel or machine lacks it: show the requirement
  'does-not-fit', // undoing needs more free memory than there is: say how much
  'write-refused', // the kernel refused the write (EINVAL, EBUSY, EPERM)
  'read-back-differs', // the kernel took the write and kept another value
  'process-gone', // pid and start time no longer name a live process
  'not-yours', // the process or run belongs to another user
  'no-such-run', // unknown or already closed run
  'journal-unusable', // the journal cannot be written or read: nothing is changed without it
  'disk-full', // no space for swap file, journal or history
  'cancelled', // the user cancelled; what had been done was taken back
  'helper-missing', // nobody owns the bus name and nobody can start it
  'helper-gone', // the helper died during the call
  'too-old', // helper and app speak different protocol versions
  'internal', // a bug: shown with the text to report
])
export type ErrorCode = z.infer<typeof errorCodeSchema>

export const failureSchema = z.object({
  code: errorCodeSchema,
  /** One sentence a user understands: what happened. */
  message: z.string(),
  /** What was expected, in the terms of the field or file. */
  expected: z.string().optional(),
  /** What came instead. */
  got: z.string().optional(),
  /** What the user can do now. */
  advice: z.string().optional(),
  /** File, request or process the failure is about. */
  about: z.string().optional(),
  /** For `busy`: the run that is open. */
  runId: z.string().optional(),
})
export type Failure = z.infer<typeof failureSchema>

export type Result<T> = { ok: true; value: T } | { ok: false; error: Failure }

export const resultSchema = <T extends z.ZodType>(value: T) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value }),
    z.object({ ok: z.literal(false), error: failureSchema }),
  ])

/** A zod error as one readable failure: first issue, path first. */
export const badRequest = (about: string, error: z.ZodError): { ok: false; error: Failure } => {
  const issue = error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.join('.')
  return fail('bad-request', `${about}: ${where} is not valid: ${issue?.message ?? 'unknown'}`, {
    about,
    advice: 'Use the same version of the app and of the helper; check the field named above.',
  })
}
