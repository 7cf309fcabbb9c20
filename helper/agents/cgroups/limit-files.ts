import type { Result } from '../../contract/errors.ts'
import type { KernelFiles } from '../../change/write.ts'
import type { JournalRecord } from '../../change/journal.ts'
import { readText, under } from '../../observe/files.ts'
import { LIMIT_FILES, type LimitField } from './files.ts'
import { isFolder } from './folders.ts'
import { amountText, parseAmount, type Amount } from './limit-order.ts'
import type { MemoryProperty, Systemd } from './systemd.ts'

const PROPERTIES: Readonly<Record<LimitField, MemoryProperty>> = { lowBytes: 'MemoryLow', highBytes: 'MemoryHigh', maxBytes: 'MemoryMax', swapMaxBytes: 'MemorySwapMax', zswapMaxBytes: 'MemoryZSwapMax' }
/** Fields by the name of their file. */
export const FIELDS = new Map<string, LimitField>(Object.entries(LIMIT_FILES).map(([field, file]) => [file, field as LimitField]))

export interface LimitFiles {
  /** What stands in a file; undefined where there is none or it cannot be read. */
  readonly amountOf: (path: string) => Amount | undefined
  /** The limits of a cgroup as they are, without those that this kernel does not know. */
  readonly present: (folder: string) => Partial<Record<LimitField, Amount>>
  /** By systemd where the unit is its own, so that it knows what it has to keep; else the file. */
  readonly put: (unit: string | null, path: string, bytes: Amount) => Promise<Result<null>>
  /** The unit that a file of a limit belongs to: the group's own, or for protection one above it; a leaf has none. */
  readonly unitOfPath: (entryUnit: string | null, entryFolder: string, path: string) => string | null
  /** Undoes a journal of limits, last line first; answers with what could not be. */
  readonly takeBack: (records: readonly JournalRecord[], unit: string | null, folder: string) => Promise<string[]>
}

/** Limits as files of cgroups, or as properties of systemd's units. `systemd` null: files alone. */
export const createLimitFiles = (root: string, kernel: KernelFiles, systemd: Systemd | null): LimitFiles => {
  const amountOf = (path: string): Amount | undefined => {
    const text = readText(under(root, path), 'vanished').value
    return text === null ? undefined : parseAmount(text.trim())
  }
  const present = (folder: string): Partial<Record<LimitField, Amount>> =>
    Object.fromEntries([...FIELDS].flatMap(([file, field]): [LimitField, Amount][] => {
      const found = amountOf(`${folder}/${file}`)
      return found === undefined ? [] : [[field, found]]
    }))

  const put = async (unit: string | null, path: string, bytes: Amount): Promise<Result<null>> => {
    const file = path.slice(path.lastIndexOf('/') + 1)
    const field = FIELDS.get(file)
    if (unit === null || systemd === null || field === undefined) return kernel.write(path, amountText(bytes))
    const set = await systemd.setMemory(unit, { [PROPERTIES[field]]: bytes })
    return set
  }

  const unitOfPath = (entryUnit: string | null, entryFolder: string, path: string): string | null => {
    const folder = path.slice(0, path.lastIndexOf('/'))
    if (entryUnit === null || folder.startsWith(`${entryFolder}/`)) return null
    return folder.slice(folder.lastIndexOf('/') + 1)
  }

  const takeBack = async (records: readonly JournalRecord[], unit: string | null, folder: string): Promise<string[]> => {
    const problems: string[] = []
    for (const record of records.toReversed()) {
      if (record.verb === 'thaw' && isFolder(root, record.target.slice(0, record.target.lastIndexOf('/')))) {
        const thawed = await kernel.write(record.target, '0')
        if (!thawed.ok) problems.push(thawed.error.message)
      }
      if (record.verb !== 'write') continue
      const now = amountOf(record.target)
      const old = parseAmount(record.old ?? '')
      // Gone, or changed by somebody else since: theirs.
      if (now === undefined || old === undefined || (amountText(now) !== record.new && now !== old)) continue
      const ofUnit = unitOfPath(unit, folder, record.target)
      // Where the guard was here before, systemd still has to hear of it, or it sets the limit again.
      if (now === old && ofUnit === null) continue
      const back = await put(ofUnit, record.target, old)
      if (!back.ok) problems.push(back.error.message)
    }
    return problems
  }

  return { amountOf, present, put, unitOfPath, takeBack }
}
