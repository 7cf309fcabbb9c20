import { createConnection } from 'node:net'
import type { Answer } from '../contract/channels.ts'
import { socketPath } from './socket-path.ts'

/** A machine that is short of everything answers late. */
const TIMEOUT_MS = 30_000

/**
 * Asks the running app, which has looked at this machine for longer and knows
 * rates, agents and the journal; null where none runs, or an older one. The
 * other side is this user's own program in a folder that nobody else can enter:
 * its answer is taken as it is, so that a short command loads no schemas.
 */
export const askDiagnosis = (runtimeDir: string, leaks: boolean): Promise<Answer<'diagnosis.get'> | null> =>
  new Promise((resolve) => {
    const socket = createConnection(socketPath(runtimeDir))
    const parts: string[] = []
    const end = (): void => {
      socket.destroy()
      try {
        resolve(JSON.parse(parts.join('')) as Answer<'diagnosis.get'>)
      } catch {
        resolve(null)
      }
    }
    socket.setEncoding('utf8')
    socket.setTimeout(TIMEOUT_MS, end)
    socket.on('error', end)
    socket.on('end', end)
    socket.on('connect', () => { socket.write(`${JSON.stringify({ do: 'diagnosis', leaks })}\n`) })
    socket.on('data', (part: string) => { parts.push(part) })
  })
