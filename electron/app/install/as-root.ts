import { exec as plainExec } from 'node:child_process'
import { exec as sudoExec } from '@vscode/sudo-prompt'
import { fail, ok, type Result } from '../../../helper/contract/errors.ts'

/** Only these may stand in a path that becomes part of a root shell's command. */
const PLAIN_PATH = /^\/[A-Za-z0-9._/@+,-]+$/u
export const isPlainPath = (path: string): boolean => PLAIN_PATH.test(path)

/**
 * The checked way to run the script: root copies it to a folder of its own
 * first, so that what is checked is what runs, whatever happens to the file.
 * Script and words are plain (`isPlainPath`, or of this program).
 */
export const checkedCommand = (script: string, sha256: string, words: readonly string[]): string =>
  [
    't=$(mktemp -d)',
    `cp -- ${script} $t/install.sh`,
    `echo "${sha256}  $t/install.sh" | sha256sum --check --strict --status`,
    `sh $t/install.sh ${words.join(' ')}`,
  ].join(' && ') + '; s=$?; rm -rf "$t"; exit $s'

/** The same for a terminal. No word of it holds a quote: paths are plain, the rest is ours. */
export const terminalCommand = (script: string, sha256: string, words: readonly string[]): string => `sudo sh -c '${checkedCommand(script, sha256, words)}'`

/**
 * sudo-prompt puts the command between double quotes of the user's own shell
 * and escapes only double quotes: anything else would be worked out there,
 * without root.
 */
export const forSudoPrompt = (command: string): string => command.replaceAll(/[\\$`]/gu, String.raw`\$&`)

const ADVICE = 'Use the terminal command instead.'

/** Runs a shell command as root, asking through polkit; as root itself without asking. */
export const runAsRoot = (command: string): Promise<Result<string>> =>
  new Promise((resolve) => {
    const done = (error: Error | null | undefined, stdout: string | Buffer | undefined, stderr: string | Buffer | undefined): void => {
      if (error === null || error === undefined) {
        resolve(ok(String(stdout ?? '')))
        return
      }
      if (/did not grant permission/u.test(error.message)) resolve(fail('authorization-dismissed', 'The password was not given: nothing was changed.'))
      else if (/authentication agent|Unable to find pkexec/u.test(error.message)) resolve(fail('authorization-obtainable', 'Nothing on this machine can ask for the password in a window.', { got: error.message, advice: ADVICE }))
      else resolve(fail('internal', 'The script ended with an error; what it says is below.', { got: `${String(stderr ?? '')}${String(stdout ?? '')}`.trim().slice(-2000) || error.message, advice: ADVICE }))
    }
    if (process.getuid?.() === 0) {
      plainExec(command, { shell: '/bin/sh', encoding: 'utf8' }, done)
      return
    }
    sudoExec(forSudoPrompt(command), { name: 'Agent Memory Center' }, done)
  })
