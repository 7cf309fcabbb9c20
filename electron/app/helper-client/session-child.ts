import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * From a checkout the source, else the built file: with the app, or as
 * installed. Under Electron, whose Node may come without type stripping, the
 * built file first.
 */
export const sessionProgram = (projectDir: string, underElectron = 'electron' in process.versions): string => {
  const source = join(projectDir, 'helper', 'session.ts')
  const built = [join(projectDir, 'build', 'helper', 'session.js'), '/usr/lib/agentmem/session.js']
  return (underElectron ? [...built, source] : [source, ...built]).find((path) => existsSync(path)) ?? source
}

export interface SessionChild {
  /** Starts it unless it runs; waits longer after each quick death. */
  ensure(): void
  readonly running: boolean
  close(): void
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000
/** A child that lived this long was fine: the next death starts from the short wait. */
const HEALTHY_MS = 30_000

/** Runs the session role as a child of the app, with back-off, until closed. */
export const createSessionChild = (options: {
  readonly program: string
  readonly busAddress: string
  readonly onLine: (line: string) => void
  readonly execPath?: string
}): SessionChild => {
  let child: ChildProcess | null = null
  let timer: NodeJS.Timeout | null = null
  let waitMs = FIRST_WAIT_MS
  let ended = false

  const start = (): void => {
    timer = null
    if (ended || child !== null) return
    const startedAt = performance.now()
    // In Electron, execPath is Electron itself: this makes it run as plain Node.
    const env = { ...process.env, ELECTRON_RUN_AS_NODE: '1', DBUS_SESSION_BUS_ADDRESS: options.busAddress }
    const made = spawn(options.execPath ?? process.execPath, [options.program, '--bus', options.busAddress], { stdio: ['ignore', 'ignore', 'pipe'], env })
    child = made
    made.stderr.on('data', (chunk: Buffer) => { options.onLine(chunk.toString().trim()) })
    const over = (): void => {
      if (child !== made) return
      child = null
      if (ended) return
      if (performance.now() - startedAt > HEALTHY_MS) waitMs = FIRST_WAIT_MS
      timer = setTimeout(start, waitMs)
      timer.unref()
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    }
    made.once('exit', over)
    made.once('error', over)
  }

  const close = (): void => {
    ended = true
    if (timer !== null) clearTimeout(timer)
    child?.kill('SIGTERM')
    process.off('exit', close)
  }
  process.once('exit', close)

  return {
    ensure() { if (child === null && timer === null && !ended) start() },
    get running() { return child !== null },
    close,
  }
}
