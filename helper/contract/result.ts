import type { ErrorCode, Failure } from './errors.ts'

// Apart from the schemas, as known.ts is: most of what answers with a result checks nothing from outside.

export const ok = <T>(value: T): { ok: true; value: T } => ({ ok: true, value })

export const fail = (
  code: ErrorCode,
  message: string,
  more: Omit<Failure, 'code' | 'message'> = {},
): { ok: false; error: Failure } => ({ ok: false, error: { code, message, ...more } })
