import { integer, listNames, readLink, readText, under } from '../../observe/files.ts'
import { ESTABLISHED, LISTENING, readNetwork, type Network } from '../activity/tcp.ts'
import { readAccepted } from '../activity/unix.ts'
import { parseLonelySockets } from './ends.ts'

/** Inodes of the sockets that a process has open. */
export const socketsOf = (root: string, pid: number): number[] =>
  (listNames(under(root, `/proc/${pid}/fd`), 'vanished').value ?? []).flatMap((file) => {
    const inode = integer(/^socket:\[(\d+)\]$/u.exec(readLink(under(root, `/proc/${pid}/fd/${file}`), 'vanished').value ?? '')?.[1])
    return inode === null ? [] : [inode]
  })

const overTcp = (network: Network, own: ReadonlySet<number>): boolean => {
  const lines = [...own].flatMap((inode) => network.tcp.get(inode) ?? [])
  const ports = new Set(lines.filter(({ state }) => state === LISTENING).map(({ localPort }) => localPort))
  return lines.some((line) => {
    if (line.state !== ESTABLISHED || !ports.has(line.localPort)) return false
    const peer = network.byEnds.get(`${line.remote}:${line.remotePort} ${line.local}:${line.localPort}`)
    return peer === undefined || !own.has(peer)
  })
}

/**
 * Whether somebody is connected to a server of this tree. Over Unix sockets
 * any connection it accepted counts: whose it is, only `ss` could tell.
 */
export const isServing = (root: string, pids: readonly number[]): boolean => {
  const [top] = pids
  const own = new Set(pids.flatMap((pid) => socketsOf(root, pid)))
  if (top === undefined || own.size === 0) return false
  const accepted = readAccepted(root, top)
  const lonely = parseLonelySockets(readText(under(root, `/proc/${top}/net/unix`), 'vanished').value ?? '')
  return [...own].some((inode) => accepted.has(inode) && !lonely.has(inode)) || overTcp(readNetwork(root, top), own)
}
