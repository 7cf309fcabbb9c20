import { z } from 'zod'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { listNames, readLink, readText, under } from '../../observe/files.ts'
import { readCommandLine } from '../../observe/process.ts'
import { parseNet } from '../activity/tcp.ts'

const LISTENING = 10
/** Where Node's inspector listens unless told otherwise. */
const USUAL_PORT = 9229
const PATIENCE_MS = 5_000

/** `--inspect`, `--inspect-brk`, `--inspect-wait`, `--inspect-port`, each with an optional [host:]port. */
const portsIn = (argv: readonly string[]): number[] =>
  argv.flatMap((word) => {
    const match = /^--inspect(?:-brk|-wait|-port)?(?:=(?:.*:)?(\d{1,5}))?$/u.exec(word)
    return match === null ? [] : [match[1] === undefined ? USUAL_PORT : Number(match[1])]
  })

const socketInodes = (root: string, pid: number): Set<number> =>
  new Set(
    (listNames(under(root, `/proc/${pid}/fd`), 'vanished').value ?? []).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/u.exec(readLink(under(root, `/proc/${pid}/fd/${fd}`), 'vanished').value ?? '')?.[1]
      return inode === undefined ? [] : [Number(inode)]
    }),
  )

/**
 * The port of a process's open inspector; null where there is none, or where
 * it listens in another network namespace, which we cannot reach. A port is
 * only taken where the process itself listens on it, on loopback.
 */
export const inspectorPort = (root: string, ref: ProcessRef): number | null => {
  const own = readLink(under(root, '/proc/self/ns/net')).value
  if (own === null || readLink(under(root, `/proc/${ref.pid}/ns/net`), 'vanished').value !== own) return null
  // Also without the flag: a signal may have opened the usual port.
  const wanted = new Set([...portsIn(readCommandLine(root, ref.pid).value ?? []), USUAL_PORT])
  const lines = parseNet(readText(under(root, `/proc/${ref.pid}/net/tcp`), 'vanished').value ?? '')
  const candidates = lines.filter((line) => line.state === LISTENING && line.local.endsWith('7F') && wanted.has(line.localPort))
  if (candidates.length === 0) return null
  const inodes = socketInodes(root, ref.pid)
  return candidates.find((line) => inodes.has(line.inode))?.localPort ?? null
}

const targetsSchema = z.array(z.object({ webSocketDebuggerUrl: z.string().optional() }))

const debuggerUrl = async (port: number): Promise<Result<string>> => {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(1_000), redirect: 'error' })
    const targets = targetsSchema.safeParse(await answer.json())
    const url = targets.success ? targets.data.find((target) => target.webSocketDebuggerUrl !== undefined)?.webSocketDebuggerUrl : undefined
    // It names itself; nobody may send us elsewhere by that.
    if (url === undefined || new URL(url).host !== `127.0.0.1:${port}`) return fail('not-supported', 'Its inspector is in use by somebody else.', { about: `port ${port}` })
    return ok(url)
  } catch (error) {
    return fail('not-supported', 'Its inspector does not answer.', { about: `port ${port}`, got: error instanceof Error ? error.message : String(error) })
  }
}

/** One full collection of V8's garbage, through the inspector. */
export const collectGarbage = async (port: number): Promise<Result<null>> => {
  const url = await debuggerUrl(port)
  if (!url.ok) return url
  return new Promise((resolve) => {
    const socket = new WebSocket(url.value)
    const end = (result: Result<null>): void => {
      clearTimeout(timer)
      socket.close()
      resolve(result)
    }
    const timer = setTimeout(() => end(fail('not-supported', `It did not answer within ${PATIENCE_MS / 1000} s.`, { about: `port ${port}` })), PATIENCE_MS)
    socket.addEventListener('error', () => end(fail('not-supported', 'The connection to its inspector broke.', { about: `port ${port}` })))
    socket.addEventListener('open', () => socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' })))
    socket.addEventListener('message', (message) => {
      const { id, error } = z.object({ id: z.number().optional(), error: z.object({ message: z.string() }).optional() }).catch({}).parse(JSON.parse(String(message.data)))
      if (id === 1) end(error === undefined ? ok(null) : fail('not-supported', error.message, { about: `port ${port}` }))
    })
  })
}
