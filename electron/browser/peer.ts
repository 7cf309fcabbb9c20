import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

/** State of a connection both ends of which are open, in /proc/net/tcp. */
const ESTABLISHED = '01'
const LOOPBACK = '0100007F'

const field = (port: number): string => `${LOOPBACK}:${port.toString(16).toUpperCase().padStart(4, '0')}`

/**
 * Who owns the other end of a connection over 127.0.0.1, by the text of
 * /proc/net/tcp; null where it does not stand there as open. A closed one is
 * shown as root's, so only open ones count.
 */
export const ownerOfPeer = (table: string, peerPort: number, ownPort: number): number | null => {
  for (const line of table.split('\n')) {
    const [, local, remote, state, , , , uid] = line.trim().split(/\s+/u)
    if (local === field(peerPort) && remote === field(ownPort) && state === ESTABLISHED && uid !== undefined && /^\d+$/u.test(uid)) return Number(uid)
  }
  return null
}

/**
 * Whether a connection is of this user, or of root. Browsers send a cookie of
 * 127.0.0.1 to every port of it, another user's server included: a cookie that
 * was caught that way is worth nothing over a connection of somebody else.
 * `ssh -L` and browsers connect as the user. Where the kernel shows no table
 * (no /proc), the cookie alone decides.
 */
export const isOwnPeer = (socket: Pick<Socket, 'remotePort' | 'localPort'>, uid: number, read: () => string = () => readFileSync('/proc/net/tcp', 'latin1')): boolean => {
  let table: string
  try {
    table = read()
  } catch {
    return true
  }
  if (socket.remotePort === undefined || socket.localPort === undefined) return false
  const owner = ownerOfPeer(table, socket.remotePort, socket.localPort)
  return owner === uid || owner === 0
}
