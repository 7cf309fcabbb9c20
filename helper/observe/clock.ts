/** A clock that nobody sets, in ms since boot. Node's `performance` is the same one since the program began, and half a megabyte to load. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
