import type { Answer, CallName, EventName, Payload, Request } from '../../electron/contract/channels.ts'

/** One handler for each of these calls of the schema: a renamed channel no longer compiles. */
export type HandlersOf<Names extends CallName> = { [K in Names]: (request: Request<K>) => Answer<K> | Promise<Answer<K>> }

/** Tells the window; what is told is checked against the schema. */
export type Emit = <K extends EventName>(name: K, payload: Payload<K>) => void
