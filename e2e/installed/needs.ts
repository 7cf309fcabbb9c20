import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const found = (program: string): boolean =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** Why the suite cannot run here, or null: skipping is a result with a reason. */
export const whyNot = (programs: readonly string[]): string | null => {
  if (process.getuid?.() !== 0) return 'needs root: users, namespaces and kernel settings'
  const missing = programs.filter((program) => !found(program))
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`
}

export const fleetPrograms = ['tmux', 'unshare', 'ip', 'setpriv', 'git', 'useradd', 'bash'] as const
