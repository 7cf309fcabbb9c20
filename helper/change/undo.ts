import type { Failure, Result } from '../contract/errors.ts'
import type { UndoLine } from '../contract/runs.ts'
import { lstatSync } from 'node:fs'
import { zramOfNode } from '../layers/compressed-swap/files.ts'
import { unlinkSwapFile } from '../layers/compressed-swap/swap-file.ts'
import { swapOff, swapOnAgain } from '../layers/compressed-swap/swap.ts'
import { zramReset } from '../layers/compressed-swap/zram.ts'
import { unmergeFits } from '../layers/fits.ts'
import { setBackingAgain } from '../layers/kernel-module/backing.ts'
import { loadModuleAgain, MODULE_OUT, unloadModuleAgain } from '../layers/kernel-module/module.ts'
import { backingOf, readModule } from '../layers/kernel-module/state.ts'
import { ratioBefore, reservationFits, undoBytes } from '../layers/tunables/undo.ts'
import { under } from '../observe/files.ts'
import { readMachine } from '../observe/machine.ts'
import { readSwaps } from '../observe/swaps.ts'
import { readZram } from '../observe/zram.ts'
import { ksmPath } from '../plan/paths.ts'
import type { MachineAccess } from './context.ts'
import type { JournalRecord } from './journal.ts'
import { undoMove, undoThaw } from './undo-cgroup.ts'

type Outcome = Pick<UndoLine, 'found' | 'outcome' | 'reason'>

const left = (found: string | null, reason: string): Outcome => ({ found, outcome: 'left-alone', reason })
const already = (found: string | null, reason: string): Outcome => ({ found, outcome: 'already-so', reason })

const ofResult = (found: string | null, result: Result<unknown>, reason: string): Outcome => {
  if (result.ok) return { found, outcome: 'restored', reason }
  return { found, outcome: result.error.code === 'does-not-fit' ? 'waiting-for-memory' : 'failed', reason: failureText(result.error) }
}

const failureText = (error: Failure): string => error.message

const undoWrite = async (access: MachineAccess, record: JournalRecord, earlier: readonly JournalRecord[]): Promise<Outcome> => {
  const { kernel } = access
  const ratio = ratioBefore(record)
  if (ratio !== null) return undoBytes(access, record, ratio)
  const now = kernel.read(record.target)
  if (now.value === null) return left(null, `The file cannot be read any more (${now.detail ?? now.reason}).`)
  if (record.old === null) return left(now.value, 'The journal does not say what stood there before.')
  if (now.value === record.old) return already(now.value, 'It holds the old value.')
  if (now.value !== record.new) {
    // What an earlier line of this run put there: this one was never carried out.
    if (earlier.some((other) => other.verb === 'write' && other.target === record.target && (other.new === now.value || other.old === now.value))) return already(now.value, 'This change was not made.')
    return left(now.value, `Somebody else changed it since: it should hold ${record.new}, and holds ${now.value}.`)
  }
  if (record.target === ksmPath('run') && record.old === '2') {
    const fits = unmergeFits(access.root, readMachine(access.root).ksm.value?.pagesSharing ?? 0)
    if (!fits.ok) return ofResult(now.value, fits, '')
  }
  const room = reservationFits(access.root, record)
  if (room?.ok === false) return ofResult(now.value, room, '')
  const written = await kernel.write(record.target, record.old)
  if (!written.ok) return ofResult(now.value, written, '')
  access.checkpoint(`undo ${record.target}`)
  const after = kernel.read(record.target)
  return after.value === record.old
    ? { found: now.value, outcome: 'restored', reason: 'The old value is back.' }
    : { found: now.value, outcome: 'failed', reason: `The kernel took ${record.old} and holds ${after.value ?? 'nothing readable'}.` }
}

const inUse = (root: string, path: string): boolean => readSwaps(root).some((swap) => swap.path === path)

/** What stands between us and resetting a device: its size tells whether it is still the one we set up. */
const zramState = (root: string, node: string) => readZram(root).find((device) => `/dev/${device.name}` === node)

const undoSwapoff = async (access: MachineAccess, record: JournalRecord, earlier: readonly JournalRecord[]): Promise<Outcome> => {
  if (!inUse(access.root, record.target)) return already('not in use', 'It is not in use as swap.')
  const set = earlier.find((other) => other.verb === 'zram-reset' && other.target === record.target)
  const device = zramState(access.root, record.target)
  if (set !== undefined && device !== undefined && String(device.diskSizeBytes) !== set.new) return left(`${device.diskSizeBytes} bytes`, 'It is another device than the one set up: its size differs.')
  return ofResult('in use', await swapOff(access, record.target), 'It is no longer in use as swap.')
}

const undoZram = async (access: MachineAccess, record: JournalRecord): Promise<Outcome> => {
  const device = zramState(access.root, record.target)
  if (device === undefined) return record.old === null ? already('absent', 'The device is gone.') : left('absent', 'The device is gone; somebody else removed it.')
  const found = `${device.diskSizeBytes} bytes, ${device.algorithm}`
  if (device.diskSizeBytes !== 0 && String(device.diskSizeBytes) !== record.new) return left(found, 'It is another device than the one set up: its size differs.')
  if (device.diskSizeBytes === 0 && device.algorithm === record.old) return already(found, 'The device is unused.')
  if (inUse(access.root, record.target)) return { found, outcome: 'waiting-for-memory', reason: 'It still holds swapped pages.' }
  return ofResult(found, await zramReset(access, record.target, record.old), record.old === null ? 'The device is removed.' : 'The device is unused again.')
}

const undoUnlink = (access: MachineAccess, record: JournalRecord): Outcome => {
  if (lstatSync(under(access.root, record.target), { throwIfNoEntry: false }) === undefined) return already('absent', 'The file is gone.')
  if (inUse(access.root, record.target)) return { found: 'in use', outcome: 'waiting-for-memory', reason: 'It still holds swapped pages.' }
  return ofResult('present', unlinkSwapFile(access, record.target), 'The file is deleted.')
}

const undoSwapon = async (access: MachineAccess, record: JournalRecord): Promise<Outcome> => {
  if (inUse(access.root, record.target)) return already('in use', 'It is in use as swap.')
  if (record.old === null) return left('not in use', 'The journal does not say how it was set up.')
  const device = zramOfNode(record.target) === null ? undefined : zramState(access.root, record.target)
  const size = record.old.split(' ')[1]
  if (device !== undefined && device.diskSizeBytes !== 0 && String(device.diskSizeBytes) !== size) return left(`${device.diskSizeBytes} bytes`, 'Somebody else uses the device now.')
  return ofResult('not in use', await swapOnAgain(access, record.target, record.old), 'It is in use as swap again.')
}

/** `old` null: it was loaded, and goes; else it was unloaded, and comes back as it was. One in use stays, and the run can be undone again. */
const undoModule = async (access: MachineAccess, record: JournalRecord): Promise<Outcome> => {
  await access.tools.module.settle()
  const { loaded } = readModule(access.root)
  const found = loaded ? 'loaded' : 'not loaded'
  if (record.old === null) {
    if (!loaded) return already(found, 'The module is not loaded.')
    const out = await unloadModuleAgain(access)
    return out.ok ? { found, outcome: 'restored', reason: 'The module is unloaded.' } : left(found, `${out.error.message}${out.error.advice === undefined ? '' : ` ${out.error.advice}`}`)
  }
  if (record.new !== MODULE_OUT) return left(found, 'The journal does not say what was done to the module.')
  return ofResult(found, await loadModuleAgain(access, record.old), loaded ? 'The module is loaded as it was.' : 'The module is loaded again.')
}

/** Only where the module still has what this line gave it. */
const undoBacking = async (access: MachineAccess, record: JournalRecord): Promise<Outcome> => {
  await access.tools.module.settle()
  const now = readModule(access.root)
  if (!now.loaded) return already('not loaded', 'The module is not loaded.')
  const found = String(backingOf(now))
  if (found === record.old) return already(found, 'The backing file is as it was.')
  // None: it was on its way from one size to another.
  if (found !== record.new && found !== '0') return left(found, `Somebody else changed it since: it should be of ${record.new} bytes, and is of ${found}.`)
  return ofResult(found, await setBackingAgain(access, Number(record.old)), record.old === '0' ? 'The backing file is gone; what was on it is in memory again.' : 'The module has a backing file of the old size.')
}

/** Takes one line back; never throws for what a machine may do. */
const undoRecord = async (access: MachineAccess, record: JournalRecord, earlier: readonly JournalRecord[], sameBoot: boolean): Promise<Outcome> => {
  if (!sameBoot && record.verb !== 'unlink') return already(null, 'The machine was restarted since: the kernel has its own values again.')
  switch (record.verb) {
    case 'write':
      return undoWrite(access, record, earlier)
    case 'swapoff':
      return undoSwapoff(access, record, earlier)
    case 'zram-reset':
      return undoZram(access, record)
    case 'unlink':
      return undoUnlink(access, record)
    case 'thaw':
      return undoThaw(access, record)
    case 'move':
      return undoMove(access, record, earlier)
    case 'rmmod':
      return undoModule(access, record)
    case 'backing':
      return undoBacking(access, record)
    case 'swapon':
    default:
      return undoSwapon(access, record)
  }
}

export interface UndoOptions {
  /** False when the journal is of an earlier boot. */
  sameBoot: boolean
  /** Heard after every line, with all so far. */
  onLine?: (lines: readonly UndoLine[]) => void
}

/**
 * Takes the records back, last first. Doing it again is harmless: every line
 * looks at what is there now. A line that has to wait for memory does not keep
 * those before it from being undone; what depends on it waits by itself.
 */
export const undoRecords = async (access: MachineAccess, records: readonly JournalRecord[], { sameBoot, onLine }: UndoOptions): Promise<UndoLine[]> => {
  const lines: UndoLine[] = []
  for (let index = records.length - 1; index >= 0; index -= 1) {
    const record = records[index]
    if (record === undefined) continue
    const outcome = await undoRecord(access, record, records.slice(0, index), sameBoot)
    lines.push({ target: record.target, old: record.old, ...outcome })
    access.checkpoint(`undone ${record.seq}`)
    onLine?.(lines)
  }
  return lines
}
