import { spawn } from 'node:child_process'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { trustedProgram } from './programs.ts'

/** Nothing of the caller's is among it: no home, no settings, no path of its own. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: '/nonexistent', PERF_CONFIG: '/dev/null', BPFTRACE_MAX_MAP_KEYS: '4096', BPFTRACE_MAP_KEYS_MAX: '4096' }

export interface Started {
  text: string
  cut: boolean
  status: number | null
}

export interface StartOptions {
  /** Absolute path of a program that only root can change. */
  program: string
  args: readonly string[]
  /** It is killed with everything it started once this is over. */
  limitMs: number
  mostBytes: number
  signal: AbortSignal
}

/** Starts a program in a group of its own, which dies with this one, and gives what it says on both outputs. */
export const start = ({ program, args, limitMs, mostBytes, signal }: StartOptions): Promise<Result<Started>> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve(fail('cancelled', 'It was stopped before it began.'))
      return
    }
    const setpriv = trustedProgram('setpriv')
    const [command, words] = setpriv === null ? [program, [...args]] : [setpriv, ['--pdeathsig', 'KILL', '--', program, ...args]]
    const child = spawn(command, words, { env: ENVIRONMENT, cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const parts: Buffer[] = []
    let bytes = 0
    let cut = false
    let stopped: 'caller' | 'time' | null = null
    const take = (chunk: Buffer): void => {
      const room = mostBytes - bytes
      if (chunk.length > room) cut = true
      if (room > 0) parts.push(chunk.subarray(0, room))
      bytes += Math.min(room, chunk.length)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    const end = (why: 'caller' | 'time') => (): void => {
      stopped ??= why
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    const onAbort = end('caller')
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(end('time'), limitMs)
    const settle = (result: Result<Started>): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      resolve(result)
    }
    child.on('error', (error) => settle(fail('not-supported', `${program} could not be started.`, { about: program, got: error.message })))
    child.on('close', (status) => {
      if (stopped === 'caller') settle(fail('cancelled', 'Looking deeper was stopped.'))
      else if (stopped === 'time') settle(fail('internal', `${program} did not end in time and was killed.`, { about: program, expected: `an end within ${Math.round(limitMs / 1000)} s` }))
      else settle(ok({ text: Buffer.concat(parts).toString('utf8'), cut, status }))
    })
  })
