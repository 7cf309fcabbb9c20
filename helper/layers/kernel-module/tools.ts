import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { Failure, Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { MODULE_NAME, type ModuleCompressor } from '../../contract/kernel-module.ts'
import { pressureProgramPath } from '../../places.ts'
import { backingTools, endBackingUnits, settleBacking, type BackingTools } from './backing-tools.ts'
import { isInstalledUnit, runProgram, SYSTEMCTL } from './run-program.ts'

/** Loading and unloading: what the helper's own sandbox forbids it. */
export interface ModuleTools extends BackingTools {
  load(compressor: ModuleCompressor): Promise<Result<null>>
  /** Waits for a loading, or a giving of a backing file, that was under way when a helper was killed, or ends it. */
  settle(): Promise<void>
  /** Refused by the kernel while anybody uses it. */
  unload(): Promise<Result<null>>
}

/**
 * Units of assets/system: modprobe with fixed arguments, in a sandbox of its
 * own, so that the helper needs no right to load modules (docs/decisions/journal-verb-rmmod.md).
 */
const loadUnit = (compressor: string): string => `agentmem-module@${compressor}.service`
const UNLOAD_UNIT = 'agentmem-module-unload.service'
/** Where the units leave what modprobe said. */
const SAID = '/run/agentmem/modprobe.err'

const MODPROBE = '/sbin/modprobe'

const underSystemd = (): boolean => isInstalledUnit('agentmem-module@.service')

const said = (): string => {
  try {
    return readFileSync(SAID, 'utf8').trim().split('\n').at(-1) ?? ''
  } catch {
    return '' // it said nothing
  }
}

/** Words of modprobe, and what each means for who reads it. */
const MEANINGS: readonly { words: RegExp; message: string; advice: string }[] = [
  { words: /Key was rejected|Required key not available|Loading of (?:unsigned )?module is rejected/iu, message: 'The kernel does not trust the key that the module is signed with.', advice: 'Secure Boot: sudo mokutil --import /var/lib/dkms/mok.pub, then restart (docs/kernel-module.md).' },
  { words: /Exec format error|Invalid module format|disagrees about version/iu, message: 'The module was made for another kernel.', advice: 'sudo dkms install --force agentmem for this kernel.' },
  { words: /not found|No such file/iu, message: 'There is no such module for this kernel.', advice: 'Look at the layer: it says what is missing.' },
  { words: /Operation not permitted/iu, message: 'The kernel refused to load the module.', advice: 'Secure Boot, lockdown or kernel.modules_disabled forbid it; "sudo dmesg" says which.' },
  { words: /Unknown symbol/iu, message: 'This kernel lacks something that the module needs.', advice: '"sudo dmesg" names it; a kernel of a distribution has it.' },
]

/** What went wrong, for a person. */
export const moduleFailure = (text: string, what: 'load' | 'unload'): { ok: false; error: Failure } => {
  if (what === 'unload' && /in use|Resource temporarily unavailable/iu.test(text)) return fail('write-refused', 'The module is in use: it stays loaded.', { about: `${MODULE_NAME}.ko`, got: text, advice: 'End the programs that use it, then try again.' })
  const meaning = MEANINGS.find(({ words }) => words.test(text))
  return fail(meaning === undefined ? 'write-refused' : 'not-supported', meaning?.message ?? `The module could not be ${what}ed.`, { about: `${MODULE_NAME}.ko`, got: text === '' ? 'modprobe said nothing' : text, ...(meaning === undefined ? {} : { advice: meaning.advice }) })
}

/** Tells the module of pressure; ends by itself when the module is gone. Under systemd the unit is started by that of the module. */
const startPressure = (): void => {
  if (!existsSync(pressureProgramPath)) return
  const child = spawn(pressureProgramPath, [], { detached: true, stdio: 'ignore', cwd: '/', env: {} })
  // Without it the module goes by age alone.
  child.once('error', () => undefined)
  child.unref()
}

export const moduleTools: ModuleTools = {
  ...backingTools,
  load: async (compressor) => {
    if (underSystemd()) {
      const { code, text } = await runProgram(SYSTEMCTL, ['start', loadUnit(compressor)])
      return code === 0 ? ok(null) : moduleFailure(said() || text, 'load')
    }
    const { code, text } = await runProgram(MODPROBE, [MODULE_NAME, `compressor=${compressor}`])
    if (code !== 0) return moduleFailure(text, 'load')
    startPressure()
    return ok(null)
  },
  settle: async () => {
    if (underSystemd()) await runProgram(SYSTEMCTL, ['stop', loadUnit('*')])
    await settleBacking()
  },
  unload: async () => {
    if (underSystemd()) {
      const { code, text } = await runProgram(SYSTEMCTL, ['start', UNLOAD_UNIT])
      if (code !== 0) return moduleFailure(said() || text, 'unload')
      await endBackingUnits()
      return ok(null)
    }
    const { code, text } = await runProgram(MODPROBE, ['--remove', MODULE_NAME])
    return code === 0 ? ok(null) : moduleFailure(text, 'unload')
  },
}
