import type { z } from 'zod'

/** A question of the window and its answer's value. */
export const call = <Q extends z.ZodType, S extends z.ZodType>(request: Q, response: S) => ({ kind: 'call' as const, request, response })
/** What the app tells the window unasked. */
export const event = <P extends z.ZodType>(payload: P) => ({ kind: 'event' as const, payload })
