import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { basename, join } from 'node:path'
import { appPaths } from '../app/paths.ts'
import { EXIT } from './exit-codes.ts'
import { enterOwnScope } from './own-scope.ts'
import { note } from './print.ts'

/** The launcher as built here, or as installed. */
const launcher = (): string | undefined =>
  [join(appPaths().projectDir, 'build', 'native', 'agentmem-run'), '/usr/lib/agentmem/agentmem-run'].find((path) => existsSync(path))

/**
 * Starts a command through native/user/run, which opts its tree into page
 * merging, and with `share` into sharing what it reads (docs/shim.md); answers with the command's own exit code. Where the user's systemd
 * can give it a scope of its own, all its memory is charged there from the
 * start, and this process becomes the command.
 */
export const run = async (command: readonly string[], { share }: { share: boolean }): Promise<number> => {
  const program = launcher()
  if (program === undefined) {
    note('agentmemctl: agentmem-run is not built. Build it with: npm run build')
    return EXIT.failed
  }
  // `--` keeps the launcher from reading the command's own options.
  const words = [...(share ? ['--share'] : []), '--', ...command]
  if (process.execve !== undefined && (await enterOwnScope(basename(command[0] ?? '')))) process.execve(program, [program, ...words], process.env)
  return new Promise((resolve) => {
    const child = spawn(program, words, { stdio: 'inherit' })
    // The terminal sends its signals to both; the command decides what they mean.
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => { if (signal === 'SIGTERM' || signal === 'SIGHUP') child.kill(signal) })
    child.on('error', (error) => {
      note(`agentmemctl: ${program} could not be started: ${error.message}`)
      resolve(EXIT.failed)
    })
    child.on('exit', (code, signal) => { resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])) })
  })
}
