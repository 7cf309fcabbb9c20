import { closeSync, constants, fchmodSync, fsyncSync, lstatSync, mkdirSync, openSync, rmSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { MachineAccess, StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { under } from '../../observe/files.ts'
import { readSwaps } from '../../observe/swaps.ts'
import { SWAP_FOLDER } from '../../plan/paths.ts'
import { sizeText } from '../../plan/present.ts'

/** Stays free beside a swap file of ours. */
const DISK_RESERVE_BYTES = 1024 ** 3

/** Swap files of ours have these names and no others; nothing else is ever made or unlinked. */
export const isOurSwapFile = (path: string): boolean => /^\/var\/lib\/agentmem\/swap\/agentmem-\d{1,3}\.swap$/u.test(path)

const failed = (path: string, error: unknown): { ok: false; error: import('../../contract/errors.ts').Failure } => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? fail('disk-full', `There is not enough space on the disk for ${path}.`, { about: path, got: code })
    : fail('write-refused', `${path} could not be made: ${error instanceof Error ? error.message : String(error)}`, { about: path, got: code })
}

/** Removes a swap file of ours; the caller saw that it is not in use. Its name is gone for good when this returns. */
export const unlinkSwapFile = (access: MachineAccess, path: string): Result<null> => {
  if (!isOurSwapFile(path)) return fail('write-refused', `${path} is no swap file of this program.`, { about: path })
  if (readSwaps(access.root).some((swap) => swap.path === path)) return fail('does-not-fit', `${path} still holds swapped pages.`, { about: path })
  try {
    rmSync(under(access.root, path), { force: true })
    const folder = openSync(under(access.root, dirname(path)), constants.O_RDONLY | constants.O_DIRECTORY)
    fsyncSync(folder)
    closeSync(folder)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) return failed(path, error)
  }
  access.checkpoint(`unlink ${path}`)
  return ok(null)
}

/** All blocks there, 0600, with a swap signature. A file that could not be finished is removed. */
export const fillSwapFile = async (access: MachineAccess, path: string, sizeBytes: number): Promise<Result<null>> => {
  if (!isOurSwapFile(path)) return fail('write-refused', `${path} is no swap file of this program.`, { about: path })
  const real = under(access.root, path)
  try {
    mkdirSync(under(access.root, SWAP_FOLDER), { recursive: true, mode: 0o700 })
    const folder = statfsSync(under(access.root, SWAP_FOLDER))
    const free = folder.bavail * folder.bsize
    if (free < sizeBytes + DISK_RESERVE_BYTES) {
      return fail('disk-full', `The swap file needs ${sizeText(sizeBytes)} and ${sizeText(DISK_RESERVE_BYTES)} to spare, ${sizeText(free)} is free.`, { about: path, expected: String(sizeBytes + DISK_RESERVE_BYTES), got: String(free), advice: 'Free some disk space or choose a smaller preset.' })
    }
    const fd = openSync(real, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
    fchmodSync(fd, 0o600)
    closeSync(fd)
  } catch (error) {
    return failed(path, error)
  }
  access.checkpoint(`create ${path}`)
  access.say(`Making a swap file of ${sizeText(sizeBytes)}`)
  const filled = await access.tools.fillFile(real, sizeBytes)
  access.checkpoint(`fill ${path}`)
  const made = filled.ok ? await access.tools.makeSwap(real) : filled
  access.checkpoint(`mkswap ${path}`)
  if (!made.ok) rmSync(real, { force: true })
  return made
}

/** make-swap-file; undo (`unlink`) lasts across boots, since a file does. */
export const makeSwapFile = async (context: StepContext, path: string, sizeBytes: number): Promise<Result<string>> => {
  const line = context.journal.append({ undoClass: 'now', verb: 'unlink', target: path, old: null, new: String(sizeBytes) })
  if (!line.ok) return line
  context.checkpoint(`journal ${path}`)
  // A file of ours that is not in use belongs to a run that is over: nobody else can write in this folder.
  if (lstatSync(under(context.root, path), { throwIfNoEntry: false }) !== undefined) {
    const gone = unlinkSwapFile(context, path)
    if (!gone.ok) return gone
  }
  const made = await fillSwapFile(context, path, sizeBytes)
  return made.ok ? ok(`${sizeText(sizeBytes)}, 0600`) : made
}
