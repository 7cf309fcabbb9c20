import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, fsyncSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Failure, Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'

/** The code of a failed system call ("ENOSPC"), or an empty string. */
export const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** One sentence for a file that could not be written, with what to do. */
export const writeFailure = (path: string, error: unknown): { ok: false; error: Failure } => {
  const code = errnoOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return fail('disk-full', `There is no space left to write ${path}.`, { about: path, advice: 'Free some disk space and try again; the old file is unchanged.' })
  }
  return fail('internal', `${path} could not be written: ${messageOf(error)}`, { about: path, advice: 'Check that the folder is yours and writable; the old file is unchanged.' })
}

/**
 * Writes beside the target, syncs, and renames over it: a crash or a full disk
 * leaves the old file whole. `mode` defaults to 0600, as these files are the user's own.
 */
export const writeAtomic = (path: string, text: string, mode = 0o600): Result<void> => {
  const folder = dirname(path)
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const file = openSync(temporary, 'wx', mode)
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    const handle = openSync(folder, 'r')
    try {
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    return ok(undefined)
  } catch (error) {
    try {
      rmSync(temporary, { force: true })
    } catch {
      // Where it could not be made it cannot be removed either; the first error is the one to tell.
    }
    return writeFailure(path, error)
  }
}

/**
 * Makes a 0700 folder of this user, or refuses: in /tmp somebody else may have
 * made it first, or put a link there.
 */
export const privateFolder = (path: string): Result<string> => {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const found = lstatSync(path)
    const uid = process.getuid?.() ?? found.uid
    if (!found.isDirectory() || found.uid !== uid) {
      return fail('internal', `${path} belongs to somebody else or is not a folder.`, { about: path, advice: 'Set XDG_RUNTIME_DIR to a folder of your own.' })
    }
    if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700)
    return ok(path)
  } catch (error) {
    return writeFailure(path, error)
  }
}
