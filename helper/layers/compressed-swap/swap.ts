import { promises as timers } from 'node:timers'
import type { MachineAccess, StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { under } from '../../observe/files.ts'
import { readSwaps } from '../../observe/swaps.ts'
import { readZram } from '../../observe/zram.ts'
import { zswapPath } from '../../plan/paths.ts'
import { sizeText } from '../../plan/present.ts'
import { zramOfNode } from './files.ts'
import { swapFits } from '../fits.ts'
import { fillSwapFile, isOurSwapFile, unlinkSwapFile } from './swap-file.ts'
import { zramAgain, zramReset } from './zram.ts'

const PROGRESS_MS = 500

const active = (root: string, path: string) => readSwaps(root).find((swap) => swap.path === path)

/** What can be ours: a zram device or a file of ours by name. */
const ours = (path: string): boolean => zramOfNode(path) !== null || isOurSwapFile(path)

/** swapon; a file only with zswap before it, never plain disk swap alone. */
export const swapOn = async (context: StepContext, path: string, priority: number): Promise<Result<string>> => {
  if (!ours(path)) return fail('write-refused', `${path} is no swap of this program.`, { about: path })
  if (isOurSwapFile(path) && context.kernel.read(zswapPath('enabled')).value !== 'Y') {
    return fail('read-back-differs', 'zswap is not on, and plain disk swap alone is never added.', { about: zswapPath('enabled'), expected: 'Y', got: context.kernel.read(zswapPath('enabled')).value ?? 'nothing' })
  }
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'swapoff', target: path, old: null, new: 'on' })
  if (!line.ok) return line
  context.checkpoint(`journal swapon ${path}`)
  const result = await context.tools.swapOn(under(context.root, path), priority)
  if (!result.ok) return result
  context.checkpoint(`swapon ${path}`)
  const now = active(context.root, path)
  context.checkpoint(`read back swapon ${path}`)
  if (now === undefined) return fail('read-back-differs', `${path} is not among the swap in use.`, { about: '/proc/swaps', expected: path, got: 'absent' })
  return ok(`in use, priority ${now.priority}`)
}

/** swapoff, when it fits; says how much is left while the kernel brings pages back. */
export const swapOff = async (access: MachineAccess, path: string): Promise<Result<null>> => {
  if (!ours(path)) return fail('write-refused', `${path} is no swap of this program.`, { about: path })
  const before = active(access.root, path)
  if (before === undefined) return ok(null)
  const fits = swapFits(access.root, path)
  if (!fits.ok) return fits
  const over = new AbortController()
  const off = access.tools.swapOff(under(access.root, path)).finally(() => over.abort())
  const watch = async () => {
    while (!over.signal.aborted) {
      const left = active(access.root, path)?.usedBytes
      if (left !== undefined && before.usedBytes > 0) access.say(`Bringing pages back from ${path}: ${sizeText(left)} of ${sizeText(before.usedBytes)} left`)
      await Promise.race([off, timers.setTimeout(PROGRESS_MS)])
    }
  }
  await Promise.all([off, watch()])
  const result = await off
  if (!result.ok) return result
  access.checkpoint(`swapoff ${path}`)
  return active(access.root, path) === undefined ? ok(null) : fail('write-refused', `${path} is still in use as swap.`, { about: path })
}

/** What it takes to make a swap of ours again, as the journal's `old` says it. */
const describe = (root: string, path: string): string | null => {
  const swap = active(root, path)
  if (swap === undefined) return null
  const name = zramOfNode(path)
  if (name === null) {
    // /proc/swaps leaves out the page with the signature.
    return `file ${swap.sizeBytes + 4096} ${swap.priority}`
  }
  const device = readZram(root).find((zram) => zram.name === name)
  return device === undefined ? null : `${device.algorithm} ${device.diskSizeBytes} ${swap.priority}`
}

/** swap-off of what an earlier run added: emptied, then the device reset or the file deleted. One line undoes it all. */
export const swapOffOurs = async (context: StepContext, path: string): Promise<Result<string>> => {
  const old = describe(context.root, path)
  if (old === null) return ok('was not in use')
  const fits = swapFits(context.root, path)
  if (!fits.ok) return fits
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'swapon', target: path, old, new: 'off' })
  if (!line.ok) return line
  context.checkpoint(`journal swapoff ${path}`)
  const off = await swapOff(context, path)
  if (!off.ok) return off
  const name = zramOfNode(path)
  const gone = name === null ? unlinkSwapFile(context, path) : await zramReset(context, path, old.split(' ')[0] ?? '')
  return gone.ok ? ok('removed') : gone
}

/** Undo of the above, from wherever it stopped. */
export const swapOnAgain = async (access: MachineAccess, path: string, old: string): Promise<Result<null>> => {
  const [kind = '', size = '', rank = ''] = old.split(' ')
  if (!/^[a-z0-9_-]+ \d+ -?\d+$/u.test(old) || !ours(path)) return fail('journal-unusable', `The journal does not say how ${path} was set up.`, { about: path, got: old })
  if (active(access.root, path) !== undefined) return ok(null)
  if (zramOfNode(path) === null) {
    if (access.kernel.read(zswapPath('enabled')).value !== 'Y') return fail('write-refused', `zswap is off, so ${path} would be plain disk swap.`, { about: zswapPath('enabled'), expected: 'Y' })
    const gone = unlinkSwapFile(access, path)
    if (!gone.ok) return gone
    const made = await fillSwapFile(access, path, Number(size))
    if (!made.ok) return made
  } else {
    const made = await zramAgain(access, path, kind, Number(size))
    if (!made.ok) return made
  }
  const on = await access.tools.swapOn(under(access.root, path), Number(rank))
  if (!on.ok) return on
  access.checkpoint(`swapon again ${path}`)
  return active(access.root, path) === undefined ? fail('read-back-differs', `${path} is not among the swap in use.`, { about: '/proc/swaps', expected: path, got: 'absent' }) : on
}
