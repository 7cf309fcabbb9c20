import type { Result } from '../../contract/errors.ts'
import { fail } from '../../contract/result.ts'
import type { MachineAccess } from '../../change/context.ts'
import type { JournalRecord } from '../../change/journal.ts'
import type { UndoLine } from '../../contract/runs.ts'
import { readMeminfo } from '../../observe/meminfo.ts'
import { ratioOf, vmPath } from '../../plan/tunable-paths.ts'
import { fitsInMemory } from '../fits.ts'

type Outcome = Pick<UndoLine, 'found' | 'outcome' | 'reason'>

/** The ratio that held before, of a line that wrote bytes over it; null for any other line. */
export const ratioBefore = (record: JournalRecord): { path: string; percent: string } | null => {
  const path = ratioOf(record.target)
  const percent = /^(?<percent>[1-9]\d{0,2})%$/u.exec(record.old ?? '')?.groups?.['percent']
  return record.verb === 'write' && path !== null && percent !== undefined ? { path, percent } : null
}

/** Bytes go by writing the ratio back, where they are still ours. */
export const undoBytes = async ({ kernel, checkpoint }: MachineAccess, record: JournalRecord, { path, percent }: { path: string; percent: string }): Promise<Outcome> => {
  const now = kernel.read(record.target)
  const ratio = kernel.read(path)
  if (now.value === null || ratio.value === null) return { found: null, outcome: 'left-alone', reason: `The file cannot be read any more (${record.target}, ${path}).` }
  if (now.value === '0' && ratio.value === percent) return { found: now.value, outcome: 'already-so', reason: 'The ratio holds again.' }
  if (now.value !== record.new) return { found: now.value, outcome: 'left-alone', reason: `Somebody else changed it since: it should hold ${record.new}, and holds ${now.value === '0' ? `a ratio of ${ratio.value} %` : now.value}.` }
  const written = await kernel.write(path, percent)
  if (!written.ok) return { found: now.value, outcome: 'failed', reason: written.error.message }
  checkpoint(`undo ${record.target}`)
  return kernel.read(path).value === percent && kernel.read(record.target).value === '0'
    ? { found: now.value, outcome: 'restored', reason: 'The ratio holds again.' }
    : { found: now.value, outcome: 'failed', reason: `The kernel took ${percent} for ${path} and holds something else.` }
}

/** Setting huge pages aside again takes that much memory. */
export const reservationFits = (root: string, record: JournalRecord): Result<null> | null => {
  if (record.target !== vmPath('nr_hugepages')) return null
  const size = readMeminfo(root).value?.get('Hugepagesize')
  return size === undefined ? fail('does-not-fit', 'It cannot be told how large a huge page is.', { about: '/proc/meminfo' }) : fitsInMemory(root, (Number(record.old) - Number(record.new)) * size, 'Setting huge pages aside again')
}
