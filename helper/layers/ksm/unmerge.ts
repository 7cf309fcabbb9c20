import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { change, type StepContext } from '../../change/context.ts'
import { readMachine } from '../../observe/machine.ts'
import { ksmPath } from '../../plan/paths.ts'
import { unmergeFits } from '../fits.ts'

/**
 * Writes 2 (the kernel takes everything apart before the write returns), then
 * 0. Both lines name the value from before as the one to go back to, so a
 * reader of the journal that stops anywhere still ends there.
 */
export const unmerge = async (context: StepContext): Promise<Result<string>> => {
  const ksm = readMachine(context.root).ksm
  const before = context.kernel.read(ksmPath('run'))
  if (ksm.value === null || before.value === null) return fail('not-supported', 'This kernel has no KSM.', { about: ksmPath('run') })
  const fits = unmergeFits(context.root, ksm.value.pagesSharing)
  if (!fits.ok) return fits
  context.say('Taking merged pages apart')
  const apart = await change(context, ksmPath('run'), '2', 'now', before.value)
  if (!apart.ok) return apart
  const stopped = await change(context, ksmPath('run'), '0', 'now', before.value)
  return stopped.ok ? ok('0') : stopped
}
