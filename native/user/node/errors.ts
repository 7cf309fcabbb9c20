import { constants } from 'node:os'

/** A call that libagentmem could not do. */
export class AgentMemoryError extends Error {
  override readonly name = 'AgentMemoryError'
  /** Name of the error, such as `ENOENT`; agentmem.h says which call gives which. `ERR_AGENTMEM_ADDON` where the addon itself is missing. */
  readonly code: string
  /** Its number, negative as Node's own are; 0 where the system has none for it. */
  readonly errno: number
  /** Name of the method. */
  readonly call: string

  constructor(call: string, code: string, errno: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.call = call
    this.code = code
    this.errno = errno
  }
}

/** EBADF: of a handle that is closed; nothing here takes descriptors. */
export const closedErrno = -9

/** Of two names for one number the usual one. */
const names = new Map(Object.entries(constants.errno).filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP').map(([name, number]) => [number, name]))

/**
 * @param errno negative, as the library gives it
 * @param text what the library says of it
 */
export const errorOf = (call: string, errno: number, text: string) => {
  const code = names.get(-errno) ?? 'EUNKNOWN'
  return new AgentMemoryError(call, code, errno, `${code}: ${text} (${call})`)
}

/** @returns a TypeError as Node's own functions throw it */
export const wrongType = (what: string, expected: string, value: unknown) =>
  Object.assign(new TypeError(`${what}: expected ${expected}, got ${value === null ? 'null' : typeof value}`), { code: 'ERR_INVALID_ARG_TYPE' })

/** @returns a RangeError as Node's own functions throw it */
export const wrongValue = (what: string, expected: string, value: unknown) =>
  Object.assign(new RangeError(`${what}: expected ${expected}, got ${String(value)}`), { code: 'ERR_OUT_OF_RANGE' })
