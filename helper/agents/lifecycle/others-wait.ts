import { integer, listNames, readLink, readText, under } from '../../observe/files.ts'

interface HeldLock { readonly id: string; readonly pid: number; readonly file: string; readonly waits: boolean }

/** Lines of /proc/locks: a waiter has the number of the lock it waits for, and an arrow. Open-file locks have no pid (-1). */
export const parseLocks = (text: string): HeldLock[] =>
  text.split('\n').flatMap((line): HeldLock[] => {
    const match = /^(?<id>\d+): (?<arrow>(?:-> )*)\S+\s+\S+\s+\S+\s+(?<pid>-?\d+) (?<file>\S+) /u.exec(line)
    const pid = Number(match?.groups?.['pid'])
    return match?.groups === undefined || !Number.isSafeInteger(pid) ? [] : [{ id: match.groups['id'] ?? '', pid, file: match.groups['file'] ?? '', waits: match.groups['arrow'] !== '' }]
  })

/** Files ("fd:01:123") that a process holds locks of, whoever took them: a lock outlives its taker where the file was inherited. */
const lockedFiles = (root: string, pid: number): string[] =>
  (listNames(under(root, `/proc/${pid}/fdinfo`), 'vanished').value ?? []).flatMap((name) =>
    [...(readText(under(root, `/proc/${pid}/fdinfo/${name}`), 'vanished').value ?? '').matchAll(/^lock:\s+(?<line>.*)$/gmu)].flatMap((found) => parseLocks(`${found.groups?.['line'] ?? ''} `).map((lock) => lock.file)))

/** Somebody outside of the tree waits for a file lock of a process in it: pid of the holder, else null. */
export const lockOthersWaitFor = (root: string, pids: ReadonlySet<number>): number | null => {
  const locks = parseLocks(readText(under(root, '/proc/locks')).value ?? '')
  const wanted = locks.filter((lock) => lock.waits && !pids.has(lock.pid))
  if (wanted.length === 0) return null
  const taken = locks.find((lock) => !lock.waits && pids.has(lock.pid) && wanted.some((waiter) => waiter.id === lock.id))
  if (taken !== undefined) return taken.pid
  const files = new Set(wanted.map((waiter) => waiter.file))
  return [...pids].find((pid) => lockedFiles(root, pid).some((file) => files.has(file))) ?? null
}

const openFiles = (root: string, pid: number): string[] =>
  (listNames(under(root, `/proc/${pid}/fd`), 'vanished').value ?? []).flatMap((name) => readLink(under(root, `/proc/${pid}/fd/${name}`), 'vanished').value ?? [])

interface Connection { readonly local: string; readonly remote: string; readonly listens: boolean; readonly established: boolean; readonly inode: string }

/** /proc/PID/net/tcp and tcp6: addresses in hexadecimal, state 0A listens, 01 is established. */
export const parseTcp = (text: string): Connection[] =>
  text.split('\n').slice(1).flatMap((line): Connection[] => {
    const fields = line.trim().split(/\s+/u)
    const [, local, remote, state] = fields
    const inode = fields[9]
    if (local === undefined || remote === undefined || inode === undefined || integer(inode) === null) return []
    return [{ local, remote, listens: state === '0A', established: state === '01', inode }]
  })

const portOf = (address: string): string => address.slice(address.lastIndexOf(':') + 1)

/** The IPv4 address inside one of IPv6, so that both ends of a connection compare. */
const plain = (address: string): string => address.replace(/^0000000000000000FFFF0000/u, '')

/**
 * A process of the tree serves somebody outside of it over TCP: another
 * session that shares its MCP server would hang. Connections between two
 * processes of the tree do not count, nor those the tree itself opened.
 */
export const servesOthers = (root: string, processes: readonly { pid: number; files: readonly string[] }[]): number | null => {
  const inodes = new Map(processes.flatMap(({ pid, files }) => files.flatMap((file) => {
    const inode = /^socket:\[(\d+)\]$/u.exec(file)?.[1]
    return inode === undefined ? [] : [[inode, pid] as const]
  })))
  if (inodes.size === 0) return null
  const [first] = processes
  // One network namespace for a tree is what is seen; a tool that made its own is a tool.
  const table = ['tcp', 'tcp6'].flatMap((leaf) => parseTcp(readText(under(root, `/proc/${first?.pid}/net/${leaf}`), 'vanished').value ?? ''))
  const ports = new Set(table.filter((row) => row.listens && inodes.has(row.inode)).map((row) => portOf(row.local)))
  const served = table.find((row) => {
    if (!row.established || !inodes.has(row.inode) || !ports.has(portOf(row.local))) return false
    const other = table.find((peer) => plain(peer.local) === plain(row.remote) && plain(peer.remote) === plain(row.local))
    return other === undefined || !inodes.has(other.inode)
  })
  return served === undefined ? null : (inodes.get(served.inode) ?? null)
}

export interface Waited {
  readonly pid: number
  readonly what: 'lock' | 'fuse' | 'serves'
}

/** Who of the tree others wait for, or would as soon as it is frozen. */
export const othersWaitFor = (root: string, pids: ReadonlySet<number>): Waited | null => {
  const lock = lockOthersWaitFor(root, pids)
  if (lock !== null) return { pid: lock, what: 'lock' }
  const processes = [...pids].map((pid) => ({ pid, files: openFiles(root, pid) }))
  const fuse = processes.find(({ files }) => files.includes('/dev/fuse'))
  if (fuse !== undefined) return { pid: fuse.pid, what: 'fuse' }
  const serves = servesOthers(root, processes)
  return serves === null ? null : { pid: serves, what: 'serves' }
}
