import { change, type StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { UndoClass } from '../../contract/plan.ts'
import { readText, under } from '../../observe/files.ts'
import { hugePagePath, ratioOf, vmPath } from '../../plan/tunable-paths.ts'

/** The kernel also changes min_free_kbytes with huge pages: what it held goes into the journal behind them, so that it comes back first. */
const writeHugePages = async (context: StepContext, path: string, value: string, undoClass: UndoClass): Promise<Result<string>> => {
  const minFree = vmPath('min_free_kbytes')
  const before = context.kernel.read(minFree)
  const written = await change(context, path, value, undoClass)
  const after = context.kernel.read(minFree)
  if (before.value === null || after.value === null || before.value === after.value) return written
  const line = context.journal.append({ undoClass: 'now', verb: 'write', target: minFree, old: before.value, new: after.value })
  context.checkpoint(`journal ${minFree}`)
  return written.ok && !line.ok ? line : written
}

/** Where the ratio holds, bytes are 0, which cannot be written: the journal says the ratio, as "20%". */
const writeBytes = async (context: StepContext, path: string, ratioPath: string, value: string, undoClass: UndoClass): Promise<Result<string>> => {
  const before = context.kernel.read(path)
  if (before.value !== '0') return change(context, path, value, undoClass)
  const ratio = context.kernel.read(ratioPath)
  if (ratio.value === null || ratio.value === '0') return fail('write-refused', `${path} is not changed: it could not be taken back.`, { about: path, expected: `a ratio in ${ratioPath}`, got: ratio.value ?? ratio.reason })
  return change(context, path, value, undoClass, `${ratio.value}%`)
}

/** Pages that were taken into use meanwhile stay: what the kernel kept is what undoing must find. */
const writeReserved = async (context: StepContext, path: string, value: string, undoClass: UndoClass): Promise<Result<string>> => {
  const before = context.kernel.read(path)
  const written = await change(context, path, value, undoClass)
  if (written.ok || written.error.code !== 'read-back-differs' || before.value === null) return written
  const kept = context.kernel.read(path)
  if (kept.value === null || kept.value === before.value) return written
  const line = context.journal.append({ undoClass, verb: 'write', target: path, old: before.value, new: kept.value })
  return line.ok ? written : line
}

/** One tunable: read, journal, write, read back, with what else the kernel changes with it. */
export const writeTunable = (context: StepContext, path: string, value: string, undoClass: UndoClass): Promise<Result<string>> => {
  const ratioPath = ratioOf(path)
  if (ratioPath !== null) return writeBytes(context, path, ratioPath, value, undoClass)
  if (path === hugePagePath('enabled')) return writeHugePages(context, path, value, undoClass)
  if (path === vmPath('nr_hugepages')) return writeReserved(context, path, value, undoClass)
  return change(context, path, value, undoClass)
}

/** Free memory of /proc/buddyinfo in pieces of 2^order pages: larger ones hold several. */
export const largePieces = (text: string, order: number): number => {
  const zones = text.split('\n').map((line) => /zone\s+\S+\s+(?<counts>[\d\s]+)$/u.exec(line)?.groups?.['counts']?.trim().split(/\s+/u).map(Number) ?? [])
  return zones.flatMap((counts) => counts.map((count, at) => (at < order ? 0 : count * 2 ** (at - order)))).reduce((sum, pieces) => sum + pieces, 0)
}

/** Of 2 MB with pages of 4 KiB: what a huge page needs. */
const HUGE_ORDER = 9

/** Moves pages together; what came of it is how many pieces of 2 MB are free now. */
export const compactMemory = async (context: StepContext): Promise<Result<string>> => {
  const pieces = () => {
    const text = readText(under(context.root, '/proc/buddyinfo'))
    return text.value === null ? null : largePieces(text.value, HUGE_ORDER)
  }
  const before = pieces()
  context.say('Moving pages together')
  const written = await context.kernel.write(vmPath('compact_memory'), '1')
  if (!written.ok) return written
  const after = pieces()
  return ok(before === null || after === null ? 'done' : `${after} free pieces of 2 MB, ${before} before`)
}
