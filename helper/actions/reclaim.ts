import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { ProcessRef } from '../contract/agents.ts'
import { known, missing } from '../contract/known.ts'
import type { SystemResponse } from '../contract/requests.ts'

export type Advice = 'cold' | 'pageout' | 'willneed'
export type Reclaimed = SystemResponse<'Reclaim'>['processes'][number]

/** One line of `agentmem-reclaim`. */
const lineSchema = z.object({
  pid: z.int(),
  rssBeforeBytes: z.int().nullable(),
  rssAfterBytes: z.int().nullable(),
  advisedBytes: z.int().min(0),
  error: z.string().nullable(),
})

export interface ReclaimOptions {
  /** Absolute path of the C program. */
  program: string
  /** Whose processes they must be; the program checks each through its pidfd. */
  uid: number
  processes: readonly ProcessRef[]
  advice: Advice
  signal?: AbortSignal
}

const reading = (value: number | null) => (value === null ? missing('vanished') : known(value))

/**
 * Advises the kernel on processes, through the small C program that holds
 * their pidfds. The result is what was won, read from smaps_rollup before and
 * after, not what was asked for.
 */
export const reclaim = ({ program, uid, processes, advice, signal }: ReclaimOptions): Promise<Result<SystemResponse<'Reclaim'>>> =>
  new Promise((resolve) => {
    const startedMs = performance.now()
    const found: Reclaimed[] = []
    const child = spawn(program, ['--advice', advice, '--uid', String(uid), ...processes.map((ref) => `${ref.pid}:${ref.startTimeTicks}`)], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    })
    let lastError = ''
    child.stderr.on('data', (chunk: Buffer) => {
      lastError = chunk.toString('utf8').trim().slice(0, 500)
    })
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      let json: unknown
      try {
        json = JSON.parse(line)
      } catch {
        return
      }
      const parsed = lineSchema.safeParse(json)
      if (!parsed.success) return
      const { pid, rssBeforeBytes, rssAfterBytes, advisedBytes, error } = parsed.data
      found.push({ pid, rssBeforeBytes: reading(rssBeforeBytes), rssAfterBytes: reading(rssAfterBytes), advisedBytes, error })
    })
    child.on('error', (error) => {
      resolve(
        error.name === 'AbortError'
          ? fail('cancelled', 'Paging out was stopped.')
          : fail('not-supported', 'The program that pages out processes could not be started.', { about: program, got: error.message, advice: 'Install the helper again.' }),
      )
    })
    child.on('close', (code) => {
      // 0: all went; 1: some did not, each says why; anything else is a wrong call or a crash.
      if ((code === 0 || code === 1) && (found.length > 0 || processes.length === 0)) resolve(ok({ processes: found, tookMs: performance.now() - startedMs }))
      else resolve(fail('internal', `${program} ended with ${code ?? 'a signal'}: ${lastError}`, { about: program, expected: 'one line of JSON for each process', got: lastError }))
    })
  })

/** Resident bytes that went away; processes that cannot be measured count nothing. */
export const wonBytes = (processes: readonly Reclaimed[]): number =>
  Math.round(processes.reduce((sum, process) => sum + (process.rssBeforeBytes.value === null || process.rssAfterBytes.value === null ? 0 : process.rssBeforeBytes.value - process.rssAfterBytes.value), 0))
