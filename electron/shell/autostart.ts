import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../helper/contract/errors.ts'
import { ok } from '../../helper/contract/result.ts'
import { writeAtomic } from '../app/files.ts'

/** Quoting of the Desktop Entry specification: double quotes, with `"`, "`", `$` and `\` escaped, and "%" doubled. */
export const quoteExec = (word: string): string => `"${word.replaceAll(/["`$\\]/gu, String.raw`\$&`).replaceAll('%', '%%')}"`

export const desktopEntry = (command: readonly string[]): string =>
  ['[Desktop Entry]', 'Type=Application', 'Name=Agent Memory Center', 'Comment=Shows what AI agents cost in memory', `Exec=${command.map(quoteExec).join(' ')}`, 'X-GNOME-Autostart-enabled=true', ''].join('\n')

/** Linux has no login items: a file in the user's autostart folder, or none. */
export const setAutostart = (configHome: string, wanted: boolean, command: readonly string[]): Result<void> => {
  const path = join(configHome, 'autostart', 'agentmem.desktop')
  if (wanted) return writeAtomic(path, desktopEntry(command), 0o644)
  rmSync(path, { force: true })
  return ok(undefined)
}
