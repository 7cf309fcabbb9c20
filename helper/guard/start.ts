import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'

/** How to start the guard; the socket is named by whoever connects. */
export interface GuardProgram {
  /** The program file. */
  path: string
  role: 'system' | 'session'
  /** Folder of the journals; the undoer's lock lies beside it. */
  journalDir: string
  /** Where it appends what it has to say. */
  wordsPath: string
  /** null: no settings of the administrator's. */
  configPath: string | null
}

/** The unit of assets/system: named here and there alike. */
const UNIT = 'agentmem-guard.service'
const INSTALLED = '/usr/lib/agentmem/agentmem-guard'

export const guardArguments = (program: GuardProgram, socketPath: string): string[] => [
  '--role', program.role,
  '--socket', socketPath,
  '--journal', program.journalDir,
  '--words', program.wordsPath,
  ...(program.configPath === null ? [] : ['--config', program.configPath]),
]

/** Resolves once it is on its way; whether it answers is seen by connecting. */
const launch = async (path: string, args: string[]): Promise<Result<null>> => {
  const child = spawn(path, args, { detached: true, stdio: 'ignore', cwd: '/', env: {} })
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(fail('helper-missing', `The guard could not be started: ${error.message}`, { about: path, advice: 'Install the helper again; in a checkout run "node tools/native.mjs".' })))
    child.once('spawn', () => {
      child.unref()
      resolve(ok(null))
    })
  })
}

const systemctl = async (): Promise<Result<null>> => {
  const child = spawn('/usr/bin/systemctl', ['start', UNIT], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(fail('helper-missing', `The guard could not be started: ${error.message}`, { about: UNIT })))
    child.once('close', (code) =>
      resolve(code === 0 ? ok(null) : fail('helper-missing', 'The guard could not be started by systemd.', { about: UNIT, got: said.trim().slice(0, 400), advice: `Look at "journalctl -u ${UNIT}".` })),
    )
  })
}

/**
 * Starts the guard on its own: it must outlive the helper. Where systemd runs
 * and the program is the installed one, it is a service, so that it is not in
 * the helper's cgroup, which ends with the helper.
 */
export const startGuard = async (program: GuardProgram, socketPath: string): Promise<Result<null>> =>
  program.role === 'system' && program.path === INSTALLED && existsSync('/run/systemd/system') ? systemctl() : launch(program.path, guardArguments(program, socketPath))
