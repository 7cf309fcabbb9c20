import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'

/** Whose page it is may make looking at it wait for ever (a FUSE server that does not answer); others wait behind it. */
const MOST_MS = 5 * 60_000

export interface ProgramRun {
  program: string
  args: readonly string[]
  uid: number
  processes: readonly ProcessRef[]
  signal?: AbortSignal
}

/** agentmem-reclaim with its lines of JSON; a process that is gone is a line with an error, not a failure. */
export const runReclaim = ({ program, args, uid, processes, signal }: ProgramRun): Promise<Result<unknown[]>> =>
  new Promise((resolve) => {
    const lines: unknown[] = []
    let lastError = ''
    const child = spawn(program, [...args, '--uid', String(uid), ...processes.map((ref) => `${ref.pid}:${ref.startTimeTicks}`)], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: MOST_MS,
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
    })
    child.stderr.on('data', (chunk: Buffer) => {
      lastError = chunk.toString('utf8').trim().slice(0, 500)
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      try {
        lines.push(JSON.parse(line))
      } catch {
        // Cut short by the end of the program: the exit code tells.
      }
    })
    child.on('error', (error) => {
      resolve(
        error.name === 'AbortError'
          ? fail('cancelled', 'Paging out was stopped.')
          : fail('not-supported', 'The program that pages out processes could not be started.', { about: program, got: error.message, advice: 'Install the helper again.' }),
      )
    })
    child.on('close', (code) => {
      if (code === 0 || code === 1) resolve(ok(lines))
      else resolve(fail('internal', `${program} ended with ${code ?? 'a signal'}: ${lastError}`, { about: program, got: lastError }))
    })
  })
