import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'

export const SYSTEMCTL = '/usr/bin/systemctl'
/** Units of assets/system. */
const UNITS = '/usr/lib/systemd/system'
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
/** Longer than any unit of ours may take to start or to stop. */
const LIMIT_MS = 330_000

export interface Ran {
  code: number
  out: string
  /** The last line of the standard error. */
  text: string
}

/** A program with fixed arguments and environment, without a shell; never throws. */
export const runProgram = (program: string, args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(program, args, { env: ENVIRONMENT, cwd: '/', maxBuffer: 64 * 1024, timeout: LIMIT_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 127, out: stdout, text: stderr.trim().split('\n').at(-1) ?? '' })
    })
  })

/** Whether systemd runs here and has this unit of ours. */
export const isInstalledUnit = (name: string): boolean => existsSync('/run/systemd/system') && existsSync(`${UNITS}/${name}`)
