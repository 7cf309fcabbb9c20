import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '')

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The user's folders for state and settings are made private, as the XDG specification asks for. */
export const makePrivateFolder = (folder: string): Result<null> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return ok(null)
  } catch (error) {
    return fail('disk-full', `The folder ${folder} cannot be made.`, { about: folder, got: textOf(error), advice: 'Check its owner, and the space left on that disk.' })
  }
}

/** Text of a file of the user's own; null where there is none. */
export const readOwnText = (path: string): Result<string | null> => {
  try {
    return ok(readFileSync(path, 'utf8'))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ok(null)
    return fail('internal', `${path} cannot be read.`, { about: path, got: textOf(error), advice: 'Check its owner and permissions.' })
  }
}

/** Written whole, then renamed: a reader or a crash sees the old text or the new one. 0600, since folders and names are private. */
export const writeOwnText = (path: string, text: string): Result<null> => {
  const folder = makePrivateFolder(dirname(path))
  if (!folder.ok) return folder
  // One name: a crash leaves one such file at most, and the next write uses it.
  const beside = `${path}.new`
  try {
    const fd = openSync(beside, 'w', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(beside, path)
    return ok(null)
  } catch (error) {
    rmSync(beside, { force: true })
    return fail('disk-full', `${path} cannot be written.`, { about: path, got: textOf(error), advice: 'Check its owner, and the space left on that disk.' })
  }
}
