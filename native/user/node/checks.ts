import { isUint8Array } from 'node:util/types'
import { wrongType, wrongValue } from './errors.ts'

const numberBits = 64

/** A whole number from `least` on that a number of JavaScript holds exactly. */
export const wholeNumber = (what: string, value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): number => {
  if (typeof value !== 'number') throw wrongType(what, 'a number', value)
  if (!Number.isSafeInteger(value) || value < least || value > most) throw wrongValue(what, `a whole number from ${least} to ${most}`, value)
  return value
}

/** Number of a unit or an agent. */
export const bigNumber = (what: string, value: unknown): bigint => {
  if (typeof value !== 'bigint') throw wrongType(what, 'a bigint', value)
  if (BigInt.asUintN(numberBits, value) !== value) throw wrongValue(what, 'a number of 64 bits without sign', value)
  return value
}

/** Number of a name in its list, counted from 1. */
export const numberOf = (what: string, list: readonly string[], value: unknown): number => {
  const at = list.findIndex((name) => name === value)
  if (at === -1) throw typeof value === 'string' ? wrongValue(what, `one of ${list.join(', ')}`, value) : wrongType(what, `one of ${list.join(', ')}`, value)
  return at + 1
}

/** A text without a zero in it, of at most so many bytes. */
export const textOf = (what: string, value: unknown, mostBytes: number): string | undefined => {
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw wrongType(what, 'a string', value)
  if (value.includes('\0')) throw wrongValue(what, 'a text without zero bytes', JSON.stringify(value))
  if (Buffer.byteLength(value) > mostBytes) throw wrongValue(what, `at most ${mostBytes} bytes`, `${Buffer.byteLength(value)}`)
  return value
}

/** Bytes that keep their place while another thread reads them: what can be resized is copied. */
export const bytesOf = (what: string, value: unknown): Uint8Array => {
  if (typeof value === 'string') return new TextEncoder().encode(value)
  if (!isUint8Array(value)) throw wrongType(what, 'a Uint8Array or a string', value)
  return value.buffer instanceof ArrayBuffer && value.buffer.resizable ? new Uint8Array(value) : value
}

/** Bytes of a fixed length. */
export const fixedBytes = (what: string, value: unknown, bytes: number): Uint8Array => {
  if (!isUint8Array(value)) throw wrongType(what, 'a Uint8Array', value)
  if (value.length !== bytes) throw wrongValue(what, `${bytes} bytes`, value.length)
  return value
}
