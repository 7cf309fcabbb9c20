import { existsSync, readFileSync } from 'node:fs'
import type { ErrorCode, Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { backingProgramPath } from '../../places.ts'
import { isInstalledUnit, runProgram, SYSTEMCTL } from './run-program.ts'

/** Giving and taking away the backing file. */
export interface BackingTools {
  /** Makes the file and gives it; there is none now. */
  giveBacking(sizeBytes: number): Promise<Result<null>>
  /** Brings back what is on it. Refused where it does not fit into memory: then all stays. */
  takeBacking(): Promise<Result<null>>
}

/** Its end takes the file away, so that the machine goes down without one. */
const UNIT = 'agentmem-backing@'
const ALL = `${UNIT}*.service`
/** Where the unit leaves what agentmem-backing said. */
const SAID = '/run/agentmem/backing.err'

/** First words of agentmem-backing, and what each means for who reads it. */
const MEANINGS: Readonly<Record<string, { code: ErrorCode; message: string; advice?: string }>> = {
  'no-room': { code: 'disk-full', message: 'There is not enough space on the disk for the backing file.', advice: 'Free some disk space, or choose a smaller one.' },
  'file-system': { code: 'not-supported', message: 'The file system of /var/lib/agentmem cannot hold a backing file.', advice: 'The module works without one. ext4, xfs and btrfs on a disk of this machine can.' },
  memory: { code: 'does-not-fit', message: 'What is on the backing file does not fit into memory now.', advice: 'End programs that need much memory, then try again.' },
  busy: { code: 'write-refused', message: 'The module holds on to the backing file it has.', advice: 'Try again in a moment.' },
}

/** What went wrong, for a person; `text` is the last line of agentmem-backing. */
export const backingFailure = (text: string, what: 'give' | 'take'): ReturnType<typeof fail> => {
  const meaning = MEANINGS[text.split(':')[0] ?? '']
  const got = text === '' ? 'agentmem-backing said nothing' : text
  return meaning === undefined
    ? fail('write-refused', what === 'give' ? 'The module took no backing file.' : 'The backing file could not be taken away.', { about: 'backing file of agentmem.ko', got })
    : fail(meaning.code, meaning.message, { about: 'backing file of agentmem.ko', got, ...(meaning.advice === undefined ? {} : { advice: meaning.advice }) })
}

const underSystemd = (): boolean => isInstalledUnit(`${UNIT}.service`)

const said = (): string => {
  try {
    return readFileSync(SAID, 'utf8').trim().split('\n').at(-1) ?? ''
  } catch {
    return '' // it said nothing
  }
}

/** Units of a file that is gone: what they would take away is not there any more. */
export const endBackingUnits = async (): Promise<void> => {
  if (underSystemd()) await runProgram(SYSTEMCTL, ['stop', ALL])
}

/** Waits for a giving that was under way when a helper was killed. */
export const settleBacking = async (): Promise<void> => {
  for (let again = 0; underSystemd() && again < 300; again += 1) {
    const { out } = await runProgram(SYSTEMCTL, ['show', '--property=ActiveState', '--value', ALL])
    if (!/^(?:de)?activating$/mu.test(out)) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export const backingTools: BackingTools = {
  giveBacking: async (sizeBytes) => {
    if (!existsSync(backingProgramPath)) return fail('not-supported', `${backingProgramPath} is not there.`, { advice: 'Install the helper of this version (Settings, Helper).' })
    // One of a module that was unloaded meanwhile counts as started.
    await endBackingUnits()
    const { code, text } = underSystemd() ? await runProgram(SYSTEMCTL, ['start', `${UNIT}${sizeBytes}.service`]) : await runProgram(backingProgramPath, ['give', String(sizeBytes)])
    return code === 0 ? ok(null) : backingFailure((underSystemd() ? said() : '') || text, 'give')
  },
  takeBacking: async () => {
    // By itself and not by the unit's end: refused, it leaves the unit as it is.
    const { code, text } = await runProgram(backingProgramPath, ['take'])
    if (code !== 0) return backingFailure(text, 'take')
    await endBackingUnits()
    return ok(null)
  },
}
