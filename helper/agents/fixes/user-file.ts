import { chmodSync, closeSync, constants, fstatSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, realpathSync, renameSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

/** Far above any settings file; a larger one is not what it seems. */
const MOST_BYTES = 1024 * 1024

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '')

/** Text of one of the user's files; null where there is none. */
export const readUserFile = (path: string): Result<string | null> => {
  try {
    // Without O_NONBLOCK a named pipe in its place would hold us up.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const { size } = fstatSync(fd)
      if (!fstatSync(fd).isFile()) return fail('not-supported', `${path} is no plain file, so it is left alone.`, { about: path })
      if (size > MOST_BYTES) return fail('not-supported', `${path} is too large for a settings file, so it is left alone.`, { about: path, expected: `at most ${MOST_BYTES} bytes`, got: `${size} bytes` })
      const bytes = readFileSync(fd)
      const text = bytes.toString('utf8')
      if (!Buffer.from(text, 'utf8').equals(bytes)) return fail('not-supported', `${path} is not UTF-8 text, so it is left alone.`, { about: path })
      return ok(text)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok(null)
    return fail('not-supported', `${path} cannot be read: ${messageOf(error)}`, { about: path, advice: 'Make it readable for yourself, then try again.' })
  }
}

/**
 * Writes one of the user's files whole, keeping its mode. A link, as dotfile
 * managers make them, stays a link: what it names is replaced. null removes.
 */
export const writeUserFile = (path: string, text: string | null): Result<null> => {
  try {
    if (text === null) {
      rmSync(path, { force: true })
      return ok(null)
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const target = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? realpathSync(path) : path
    const mode = (lstatSync(target, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777
    const fresh = join(dirname(target), `.agentmem-${process.pid}.new`)
    // Made here and by nobody else: one that lies there already may be another user's, who could write to it later.
    rmSync(fresh, { force: true })
    const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode)
    try {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    chmodSync(fresh, mode)
    renameSync(fresh, target)
    return ok(null)
  } catch (error) {
    const full = codeOf(error) === 'ENOSPC'
    return fail(full ? 'disk-full' : 'write-refused', `${path} could not be written: ${messageOf(error)}`, { about: path })
  }
}

/** Folders that writing the file would make, innermost first. */
export const missingFolders = (path: string): string[] => {
  const missing: string[] = []
  for (let at = dirname(path); lstatSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at)
  return missing
}

/** Removes those that are empty, innermost first; in any other somebody has put something meanwhile. */
export const removeEmptyFolders = (folders: readonly string[]): void => {
  for (const folder of folders.toSorted((a, b) => b.length - a.length)) {
    try {
      rmdirSync(folder)
    } catch {
      // Not empty, gone, or not ours to remove: it stays as it is.
    }
  }
}
