import type { MachineAccess, StepContext } from '../../change/context.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { MODULE_NAME, moduleBackingBytesSchema } from '../../contract/kernel-module.ts'
import { sizeText } from '../../plan/present.ts'
import { backingOf, readModule } from './state.ts'

const ABOUT = 'backing file of agentmem.ko'

/** Takes away what is there, gives one of `sizeBytes` (0: none), and sees that the module says so. */
const put = async (access: MachineAccess, sizeBytes: number): Promise<Result<null>> => {
  if (backingOf(readModule(access.root)) > 0) {
    const taken = await access.tools.module.takeBacking()
    access.checkpoint('take backing file')
    if (!taken.ok) return taken
  }
  if (sizeBytes > 0) {
    const given = await access.tools.module.giveBacking(sizeBytes)
    access.checkpoint('give backing file')
    if (!given.ok) return given
  }
  const holds = backingOf(readModule(access.root))
  access.checkpoint('read back backing file')
  return holds === sizeBytes ? ok(null) : fail('read-back-differs', `The module was given a backing file of ${sizeText(sizeBytes)} and says ${sizeText(holds)}.`, { about: ABOUT, expected: String(sizeBytes), got: String(holds) })
}

/** module-backing; its line (`backing`) holds both sizes in bytes. Where the new one is refused the old one comes back. */
export const setBacking = async (context: StepContext, sizeBytes: number): Promise<Result<string>> => {
  const now = readModule(context.root)
  if (!now.loaded) return fail('plan-changed', 'The module is not loaded any more.', { about: `${MODULE_NAME}.ko` })
  const had = backingOf(now)
  const line = context.journal.append({ undoClass: 'when-it-fits', verb: 'backing', target: MODULE_NAME, old: String(had), new: String(sizeBytes) })
  if (!line.ok) return line
  context.checkpoint('journal backing file')
  context.say(sizeBytes === 0 ? 'Bringing back what is on the backing file' : 'Giving the module its backing file')
  const set = await put(context, sizeBytes)
  if (set.ok) return ok(sizeBytes === 0 ? 'none' : `up to ${sizeText(sizeBytes)}`)
  if (had > 0 && backingOf(readModule(context.root)) === 0) await put(context, had)
  return set
}

/** Undo of it, and of unloading a module that had one. */
export const setBackingAgain = async (access: MachineAccess, sizeBytes: number): Promise<Result<null>> =>
  sizeBytes === 0 || moduleBackingBytesSchema.safeParse(sizeBytes).success ? put(access, sizeBytes) : fail('journal-unusable', 'The journal does not say what backing file the module had.', { about: ABOUT, got: String(sizeBytes) })
