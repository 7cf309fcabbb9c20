import { chmodSync, mkdirSync, readlinkSync, rmSync } from 'node:fs'
import { createServer, connect, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { processStartTicks } from '../../actions/process-check.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { readProcessTable } from '../../observe/process.ts'

export const hookEvents = ['session-start', 'turn-start', 'tool-start', 'tool-end', 'asking', 'turn-end', 'session-end'] as const
export type HookEventName = (typeof hookEvents)[number]

/** What a hook said, about the tree it was run in. */
export interface HookWord {
  readonly kind: string
  readonly event: HookEventName
  readonly sessionId: string | null
  /** The hook's parents, nearest first: the agent is one of them. */
  readonly above: readonly ProcessRef[]
  readonly atMs: number
}

export interface HookServerOptions {
  readonly socketPath: string
  /** Only this very program is believed: its place in the process tree is the evidence. */
  readonly hookProgram: string
  readonly onWord: (word: HookWord) => void
  readonly root?: string
}

/** Longer than any line of agentmem-hook. */
const MOST_BYTES = 512
const MOST_CONNECTIONS = 64
const LINE = /^1 (\d{1,7}) ([a-z0-9-]{1,64}) ([a-z0-9-]{1,64}) (-|[A-Za-z0-9_-]{1,64})\n$/u
const DEEPEST = 32

const isEvent = (text: string): text is HookEventName => hookEvents.some((event) => event === text)

/** Processes above `pid`, nearest first; empty when it is gone. */
const parentsOf = (root: string, pid: number): ProcessRef[] => {
  const { processes } = readProcessTable(root)
  const above: ProcessRef[] = []
  let at = processes.get(pid)?.parentPid
  while (at !== undefined && at > 1 && above.length < DEEPEST) {
    const parent = processes.get(at)
    if (parent === undefined) break
    above.push({ pid: parent.pid, startTimeTicks: parent.startTimeTicks })
    at = parent.parentPid
  }
  return above
}

/**
 * Whether `pid` runs our hook program now. The line alone proves nothing:
 * anybody of this user can write one. Who really runs that program is a child
 * of whoever started it, and speaks for that tree only.
 */
const runsHook = (root: string, pid: number, hookProgram: string): boolean => {
  try {
    return readlinkSync(`${root === '/' ? '' : root}/proc/${pid}/exe`) === hookProgram && processStartTicks(root, pid) !== null
  } catch {
    return false
  }
}

export interface HookServer {
  close(): void
}

/** Is somebody answering there? A socket file alone may be left over. */
const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })

/** Listens for `agentmem-hook`; every line is answered by closing, so that the hook waits no longer than it must. */
export const startHookServer = async ({ socketPath, hookProgram, onWord, root = '/' }: HookServerOptions): Promise<Result<HookServer>> => {
  const hear = (line: string): void => {
    const match = LINE.exec(line)
    if (match === null) return
    const [, pidText = '', kind = '', event = '', session = '-'] = match
    const pid = Number(pidText)
    if (!isEvent(event) || !runsHook(root, pid, hookProgram)) return
    const above = parentsOf(root, pid)
    // Looked at again: the number must not have changed hands meanwhile.
    if (above.length === 0 || !runsHook(root, pid, hookProgram)) return
    onWord({ kind, event, sessionId: session === '-' ? null : session, above, atMs: Date.now() })
  }
  const serve = (socket: Socket): void => {
    let text = ''
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.length > MOST_BYTES) socket.destroy()
      else if (text.endsWith('\n')) {
        hear(text)
        socket.destroy()
      }
    })
  }
  try {
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 })
    if (await isAnswered(socketPath)) return fail('busy', 'Another program of yours listens for hooks already.', { about: socketPath })
    rmSync(socketPath, { force: true })
    const server: Server = createServer(serve)
    server.maxConnections = MOST_CONNECTIONS
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, resolve)
    })
    chmodSync(socketPath, 0o600)
    // Hooks alone are no reason to stay.
    server.unref()
    return ok({ close: () => server.close() })
  } catch (error) {
    return fail('not-supported', `Hooks cannot be heard: ${error instanceof Error ? error.message : String(error)}`, { about: socketPath })
  }
}
