import { closeSync, openSync, readFile, readlinkSync, readSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { known, missing } from '../contract/known.ts'
import type { Missing, MissingReason, Reading } from '../contract/reading.ts'

/** No kernel file we read is larger; one that is gets reported, not swallowed. */
const LIMIT_BYTES = 8 * 1024 * 1024

// One buffer for every read: a look at 1,000 processes makes thousands of
// small reads, and all of them are synchronous, so nobody else can hold it.
let buffer = Buffer.allocUnsafe(64 * 1024)

const reasonOf = (code: string, ifAbsent: MissingReason): MissingReason => {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return ifAbsent
    case 'ESRCH':
      return 'vanished'
    case 'EACCES':
    case 'EPERM':
      return 'not-permitted'
    case 'EISDIR':
    case 'ELOOP':
      return 'malformed'
    default:
      return 'not-supported'
  }
}

/** Turns an error of a file call into the reason why the figure is missing. */
export const missingFrom = (error: unknown, path: string, ifAbsent: MissingReason): Missing => {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (code === undefined) throw error // not a file error: a bug
  return missing(reasonOf(code, ifAbsent), `${path}: ${code}`)
}

const readInto = (fd: number, path: string): Reading => {
  let length = 0
  for (;;) {
    if (length === buffer.length) {
      if (length >= LIMIT_BYTES) return missing('malformed', `${path}: expected at most ${LIMIT_BYTES} bytes`)
      const larger = Buffer.allocUnsafe(buffer.length * 2)
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
    const got = readSync(fd, buffer, length, buffer.length - length, null)
    if (got === 0) return known(length)
    length += got
  }
}

/**
 * The whole text of a kernel file. `ifAbsent` says what absence means: for a
 * file of the machine the kernel lacks the feature, for one of a process the
 * process has gone.
 */
export const readText = (path: string, ifAbsent: MissingReason = 'not-supported'): Reading<string> => {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    return missingFrom(error, path, ifAbsent)
  }
  try {
    const length = readInto(fd, path)
    return length.value === null ? length : known(buffer.toString('utf8', 0, length.value))
  } catch (error) {
    return missingFrom(error, path, ifAbsent)
  } finally {
    closeSync(fd)
  }
}

// Not by node:fs/promises, which loads a megabyte of Node for it.
const readAside = promisify(readFile)

/** The same as `readText` beside other work: for the few files whose reading takes the kernel milliseconds. */
export const readTextAside = async (path: string, ifAbsent: MissingReason = 'not-supported'): Promise<Reading<string>> => {
  try {
    return known(await readAside(path, 'utf8'))
  } catch (error) {
    return missingFrom(error, path, ifAbsent)
  }
}

/**
 * The target of a link. A captured tree holds links as small text files, since
 * real ones would lead out of it; `orText` false refuses those.
 */
export const readLink = (path: string, ifAbsent: MissingReason = 'not-supported', orText = true): Reading<string> => {
  try {
    return known(readlinkSync(path))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINVAL' && orText) {
      const text = readText(path, ifAbsent)
      return text.value === null ? text : known(text.value.trimEnd())
    }
    return missingFrom(error, path, ifAbsent)
  }
}

/** Names in a folder. */
export const listNames = (path: string, ifAbsent: MissingReason = 'not-supported'): Reading<string[]> => {
  try {
    return known(readdirSync(path))
  } catch (error) {
    return missingFrom(error, path, ifAbsent)
  }
}

/** A path of the machine under the root folder that is looked at. */
export const under = (root: string, path: string): string => (root === '/' ? path : join(root, path))

/** A decimal integer, exactly; null for anything else, so that text never becomes NaN or 0. */
export const integer = (text: string | undefined): number | null => {
  if (text === undefined || !/^-?\d{1,20}$/u.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** A file that holds one integer. */
export const readInteger = (path: string): Reading => {
  const text = readText(path)
  if (text.value === null) return text
  const value = integer(text.value.trim())
  return value === null ? missing('malformed', `${path}: expected an integer, got "${text.value.trim().slice(0, 40)}"`) : known(value)
}

/** A reading passed on through `parse`; null from `parse` means malformed. */
export const mapReading = <A, B>(reading: Reading<A>, parse: (value: A) => B | null, what: string): Reading<B> => {
  if (reading.value === null) return reading as Missing
  const value = parse(reading.value)
  return value === null ? missing('malformed', `${what}: text not as expected`) : known(value)
}

/** What a file with a choice holds: `none [scan-time]` gives all words and the chosen one. */
export const parseChoice = (text: string): { chosen: string | null; all: string[] } => {
  const words = text.trim().split(/\s+/u).filter((word) => word !== '')
  const marked = words.find((word) => word.startsWith('[') && word.endsWith(']'))
  return {
    chosen: marked === undefined ? null : marked.slice(1, -1),
    all: words.map((word) => (word === marked ? word.slice(1, -1) : word)),
  }
}

/** Kernel paths in /proc/swaps and /proc/mounts escape space, tab, newline and backslash as octal. */
export const unescapeOctal = (text: string): string => {
  if (!text.includes('\\')) return text
  const bytes: number[] = []
  const raw = Buffer.from(text, 'utf8')
  for (let i = 0; i < raw.length; i += 1) {
    const digits = raw.toString('latin1', i + 1, i + 4)
    if (raw[i] === 0x5c && /^[0-3][0-7]{2}$/u.test(digits)) {
      bytes.push(Number.parseInt(digits, 8))
      i += 3
    } else bytes.push(raw[i] ?? 0)
  }
  return Buffer.from(bytes).toString('utf8')
}
