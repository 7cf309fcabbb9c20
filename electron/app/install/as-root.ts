import { exec as plainExec } from 'node:child_process'
import { exec as sudoExec } from '@vscode/sudo-prompt'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'

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

/** Exit codes of pkexec (its manual page), as long as it did not start the command. */
const DISMISSED = 126

const PKEXEC_ACTION = 'org.freedesktop.policykit.exec'

interface Ended {
  /** As Node gives it: the exit code where the program ended by itself. */
  readonly error: Error & { readonly code?: unknown }
  readonly stdout: string
  readonly stderr: string
}

/**
 * Why the command did not do its work. sudo-prompt tells apart whether root
 * was reached at all; of the ways not to reach it, it calls all but the missing
 * agent "did not grant permission", so pkexec is asked: its exit code, and what
 * it said, which is never translated.
 */
export const whyNot = ({ error, stdout, stderr }: Ended): Failure => {
  const said = stderr.trim().slice(-2000)
  const got = said === '' ? error.message : said
  if (/did not grant permission/u.test(error.message)) {
    if (error.code === DISMISSED) return fail('authorization-dismissed', 'The password was not given: nothing was changed.').error
    if (/Not authorized/u.test(stderr)) {
      return fail('authorization-denied', 'The password was wrong, or you may not become root on this machine. Nothing was changed.', { got, about: PKEXEC_ACTION, advice: 'An administrator of this machine can do it.' }).error
    }
    // No system bus, a pkexec without its rights, a shell it does not know: a password was never asked for.
    return fail('authorization-obtainable', 'The password could not be asked for in a window. Nothing was changed.', { got }).error
  }
  if (/authentication agent|Unable to find pkexec/u.test(error.message)) {
    return fail('authorization-obtainable', 'Nothing here can ask for the password in a window, as over SSH. Nothing was changed.', { got }).error
  }
  return fail('internal', 'The script ended with an error; what it says is below.', { got: `${stderr}${stdout}`.trim().slice(-2000) || error.message }).error
}

/**
 * sudo-prompt asks for the working folder where nobody can catch what that
 * throws: the app would end if the folder it was started in has gone.
 */
const standSomewhere = (): void => {
  try {
    process.cwd()
  } catch {
    process.chdir('/')
  }
}

/** Runs a shell command as root, asking through polkit; as root itself without asking. */
export const runAsRoot = (command: string): Promise<Result<string>> =>
  new Promise((resolve) => {
    const done = (error: Error | null | undefined, stdout: string | Buffer | undefined, stderr: string | Buffer | undefined): void => {
      const said = { stdout: String(stdout ?? ''), stderr: String(stderr ?? '') }
      resolve(error === null || error === undefined ? ok(said.stdout) : { ok: false, error: whyNot({ error, ...said }) })
    }
    if (process.getuid?.() === 0) {
      plainExec(command, { shell: '/bin/sh', encoding: 'utf8' }, done)
      return
    }
    standSomewhere()
    sudoExec(forSudoPrompt(command), { name: 'Agent Memory Center' }, done)
  })
