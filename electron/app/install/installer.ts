import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { InstallPlan } from '../../contract/views.ts'
import { messageOf } from '../files.ts'
import { checkedCommand, isPlainPath, runAsRoot, terminalCommand } from './as-root.ts'
import { INSTALLED_DIR, readBundle, type Bundle } from './bundle.ts'
import { alterableByOthers } from './trusted-folder.ts'

export interface Installer {
  plan(): Promise<Result<InstallPlan>>
  /** Installs exactly what was shown: another script or bundle by now is refused. */
  install(scriptSha256: string): Promise<Result<void>>
  uninstall(): Promise<Result<void>>
}

export interface InstallerOptions {
  readonly projectDir: string
  readonly run?: (command: string) => Promise<Result<string>>
  readonly installedDir?: string
}

/** Why nothing of this folder is handed to root; null where nothing speaks against it. */
const problemOf = (folder: string): Failure | null => {
  if (!isPlainPath(folder)) return fail('not-supported', `The folder ${folder} has characters in its name that are not passed to root.`, { advice: 'Move the app to a folder with a plain name.' }).error
  const open = alterableByOthers(folder, process.getuid?.() ?? 0)
  if (open === null) return null
  return fail('not-supported', `Other users of this computer can change ${open}, so nothing of it is installed for root.`, { about: open, advice: `Move the app to a folder of your own, or take the right away: chmod o-w ${open}` }).error
}

/** Whoever cannot be asked in a window (over SSH, say) gets the same command for a terminal. */
const orInTerminal = (result: Result<string>, command: string): Result<void> => {
  if (result.ok) return ok(undefined)
  const { error } = result
  if (error.code === 'authorization-dismissed') return result
  const advice = `${error.advice === undefined ? '' : `${error.advice} `}In a terminal this does the same: ${command}`
  return { ok: false, error: { ...error, advice } }
}

export const createInstaller = (options: InstallerOptions): Installer => {
  const run = options.run ?? runAsRoot
  const installedDir = options.installedDir ?? INSTALLED_DIR
  const isInstalled = (): boolean => existsSync(join(installedDir, 'system.js'))
  let shown: Bundle | null = null

  return {
    async plan() {
      const bundle = await readBundle(options.projectDir)
      if (!bundle.ok) {
        return ok({ installed: isInstalled(), files: [], script: '', scriptSha256: '', command: isInstalled() ? `sudo ${installedDir}/install.sh uninstall` : '', problem: bundle.error })
      }
      shown = bundle.value
      const { folder, script, scriptSha256, manifestSha256, files } = bundle.value
      const problem = problemOf(folder)
      const words = ['install', folder, manifestSha256]
      return ok({ installed: isInstalled(), files, script, scriptSha256, command: problem === null ? terminalCommand(join(folder, 'install.sh'), scriptSha256, words) : '', problem })
    },
    async install(scriptSha256) {
      if (shown === null || shown.scriptSha256 !== scriptSha256) {
        return fail('plan-changed', 'The script that was shown is not the one that is here now.', { expected: scriptSha256, advice: 'Look at what would be installed again.' })
      }
      const problem = problemOf(shown.folder)
      if (problem !== null) return { ok: false, error: problem }
      const what = [join(shown.folder, 'install.sh'), scriptSha256, ['install', shown.folder, shown.manifestSha256]] as const
      return orInTerminal(await run(checkedCommand(...what)), terminalCommand(...what))
    },
    async uninstall() {
      if (!isInstalled()) return fail('not-supported', 'The helper is not installed.')
      const script = join(installedDir, 'install.sh')
      try {
        const sha256 = createHash('sha256').update(readFileSync(script)).digest('hex')
        return orInTerminal(await run(checkedCommand(script, sha256, ['uninstall'])), `sudo ${script} uninstall`)
      } catch (error) {
        return fail('internal', `${script} cannot be read: ${messageOf(error)}`)
      }
    },
  }
}
