import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { UndoClass } from '../contract/plan.ts'
import type { SystemTools } from '../layers/compressed-swap/system-tools.ts'
import type { Journal } from './journal.ts'
import type { KernelFiles } from './write.ts'

/** What doing and undoing share. */
export interface MachineAccess {
  /** "/" or a captured tree. */
  root: string
  kernel: KernelFiles
  tools: SystemTools
  /** Called after each line, write and reading back: tests end the program there. */
  checkpoint: (name: string) => void
  /** One sentence on what is going on, for the progress line. */
  say: (text: string) => void
}

/** What a step needs beside that. */
export interface StepContext extends MachineAccess {
  uid: number
  journal: Journal
  signal: AbortSignal
  reclaimProgram: string
  /** Node of the zram device this run made ("/dev/zram3"), for steps that name it "zram:new". */
  zramNode: string | null
}

/** Read, journal, write, read back: the only way a step changes a kernel file. Answers with the value read back. */
export const change = async (context: StepContext, path: string, value: string, undoClass: UndoClass = 'now', undoTo?: string): Promise<Result<string>> => {
  const { kernel, journal, checkpoint } = context
  const before = kernel.read(path)
  if (before.value === null) {
    return fail(before.reason === 'not-supported' ? 'not-supported' : 'write-refused', `${path} cannot be read, so it is not changed.`, { about: path, got: before.detail ?? before.reason })
  }
  const old = undoTo ?? before.value
  const line = journal.append({ undoClass, verb: 'write', target: path, old, new: value })
  if (!line.ok) return line
  checkpoint(`journal ${path}`)
  const written = await kernel.write(path, value)
  if (!written.ok) return written
  checkpoint(`write ${path}`)
  const after = kernel.read(path)
  checkpoint(`read back ${path}`)
  if (after.value === value) return ok(value)
  return fail('read-back-differs', `The kernel took ${value} for ${path} and holds ${after.value ?? 'nothing readable'}.`, { about: path, expected: value, got: after.value ?? after.reason })
}
