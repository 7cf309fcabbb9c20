/** Runs tests one after the other in the guest and prints a line for each. Nothing but Node. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Thrown by a test that cannot be done here; the reason is printed. */
export class Skip extends Error {}

export interface Test {
  readonly name: string
  /** For what is known to take long, such as a compiler under emulation. */
  readonly limitMs?: number
  readonly run: () => Promise<void>
}

const oneLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replaceAll(/[\r\n]+/gu, ' / ').slice(0, 1500)

/** Waits are limits for what hangs, not measurements: an emulated machine on a busy host may take minutes for seconds. */
const PATIENCE = 4

/** Longer than any wait inside a test: a test that hangs must not take the rest with it. */
const LIMIT_MS = 120_000 * PATIENCE

export const runTests = async (tests: readonly Test[]): Promise<void> => {
  for (const test of tests) {
    const startedMs = performance.now()
    const limit = new AbortController()
    const limitMs = test.limitMs ?? LIMIT_MS
    try {
      await Promise.race([test.run(), sleep(limitMs, undefined, { signal: limit.signal }).then(() => Promise.reject(new Error(`did not end within ${limitMs / 1000} s`)))])
      console.log(`ok - ${test.name}`)
    } catch (error) {
      console.log(error instanceof Skip ? `ok - ${test.name} # SKIP ${oneLine(error)}` : `not ok - ${test.name} # ${oneLine(error)}`)
    } finally {
      limit.abort()
    }
    console.log(`# ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  }
  console.log(`1..${tests.length}`)
}

export const check = (holds: boolean, text: string): void => {
  if (!holds) throw new Error(text)
}

export const same = (got: unknown, expected: unknown, what: string): void => {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)]
  check(a === b, `${what}: expected ${b}, got ${a}`)
}

export interface Ran {
  readonly status: number
  readonly out: string
}

export const tryRun = (command: string, args: readonly string[], timeoutMs = 60_000): Ran => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: timeoutMs * PATIENCE, maxBuffer: 16 * 1024 * 1024 })
  return { status: status ?? -1, out: `${stdout ?? ''}${stderr ?? ''}${error === undefined ? '' : error.message}` }
}

export const run = (command: string, ...args: string[]): string => {
  const { status, out } = tryRun(command, args)
  check(status === 0, `${command} ${args.join(' ')} ended with ${status}: ${out.slice(-800)}`)
  return out
}

export const start = (command: string, args: readonly string[]): ChildProcess => spawn(command, args, { stdio: 'ignore', detached: true })

/** Looks again until it holds; says what it waited for when it never does. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> => {
  const end = Date.now() + limitMs * PATIENCE
  while (!(await holds())) {
    check(Date.now() < end, `waited ${(limitMs * PATIENCE) / 1000} s for: ${what}`)
    await sleep(100)
  }
}

export const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** "success active". Each by itself: which comes first depends on the version of systemd. */
export const unitState = (unit: string): string => ['Result', 'ActiveState'].map((name) => run('systemctl', 'show', '--property', name, '--value', unit).trim()).join(' ')
