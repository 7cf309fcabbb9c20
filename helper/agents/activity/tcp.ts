import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { readLink, readText, under } from '../../observe/files.ts'
import type { SampleConnection, TcpInfo } from './sample.ts'

/** A line of /proc/PID/net/{tcp,udp}[6]; addresses as the kernel writes them, in hexadecimal. */
export interface NetLine {
  readonly local: string
  readonly localPort: number
  readonly remote: string
  readonly remotePort: number
  /** TCP state number of the kernel: 1 established, 10 listening. */
  readonly state: number
  readonly sendQueueBytes: number
  readonly receiveQueueBytes: number
  readonly retransmits: number
  readonly inode: number
}

const LINE = /^\s*\d+: ([0-9A-F]{8,32}):([0-9A-F]{4}) ([0-9A-F]{8,32}):([0-9A-F]{4}) ([0-9A-F]{2}) ([0-9A-F]{8}):([0-9A-F]{8}) [0-9A-F]{2}:[0-9A-F]{8} ([0-9A-F]{8})\s+\d+\s+\d+ (\d+)/gmu

export const parseNet = (text: string): NetLine[] =>
  [...text.matchAll(LINE)].map((match) => {
    const hex = (at: number): number => Number.parseInt(match[at] ?? '0', 16)
    return {
      local: match[1] ?? '', localPort: hex(2), remote: match[3] ?? '', remotePort: hex(4), state: hex(5),
      sendQueueBytes: hex(6), receiveQueueBytes: hex(7), retransmits: hex(8), inode: Number(match[9]),
    }
  })

/** 127.0.0.0/8 in the kernel's byte order, ::1, and 127.0.0.0/8 mapped into IPv6. */
export const isLoopback = (address: string): boolean =>
  address.length === 8 ? address.endsWith('7F') : address === '00000000000000000000000001000000' || (address.startsWith('0000000000000000FFFF0000') && address.endsWith('7F'))

export const ESTABLISHED = 1
export const LISTENING = 10
/** SYN sent, SYN received. */
const CONNECTING = new Set([2, 3])

export const stateOf = (state: number): SampleConnection['state'] =>
  state === ESTABLISHED ? 'established' : CONNECTING.has(state) ? 'connecting' : 'closing'

const readLines = (root: string, pid: number, name: 'tcp' | 'udp'): NetLine[] =>
  [name, `${name}6`].flatMap((leaf) => parseNet(readText(under(root, `/proc/${pid}/net/${leaf}`), 'vanished').value ?? ''))

export interface Network {
  readonly tcp: ReadonlyMap<number, NetLine>
  readonly udp: ReadonlyMap<number, NetLine>
  /** Inode by "local:port remote:port": the other end of a loopback connection is looked up by them exchanged. */
  readonly byEnds: ReadonlyMap<string, number>
}

/** Sockets of the network namespace that a process is in. */
export const readNetwork = (root: string, pid: number): Network => {
  const tcp = readLines(root, pid, 'tcp')
  return {
    // Inode 0 is a connection that no process holds any more.
    tcp: new Map(tcp.filter(({ inode }) => inode !== 0).map((line) => [line.inode, line])),
    udp: new Map(readLines(root, pid, 'udp').map((line) => [line.inode, line])),
    byEnds: new Map(tcp.map((line) => [`${line.local}:${line.localPort} ${line.remote}:${line.remotePort}`, line.inode])),
  }
}

/** Network namespace of a process; "own" where it cannot be told, which is so for programs that may not be dumped. */
export const networkName = (root: string, pid: number): string => readLink(under(root, `/proc/${pid}/ns/net`), 'vanished').value ?? 'own'

/** One line a socket of `ss -tinHOe`; a figure of 0 is left out by it. */
export const parseSs = (text: string): Map<number, TcpInfo> => {
  const found = new Map<number, TcpInfo>()
  for (const line of text.split('\n')) {
    const inode = / ino:(\d+)/u.exec(line)?.[1]
    if (inode === undefined) continue
    const field = (name: string): number => Number(new RegExp(` ${name}:(\\d+)`, 'u').exec(line)?.[1] ?? 0)
    // bytes_sent is newer than Linux 4.19; bytes_acked lacks only what is under way.
    const sentBytes = Math.max(field('bytes_sent'), field('bytes_acked'))
    found.set(Number(inode), { lastSentMs: field('lastsnd'), lastReceivedMs: field('lastrcv'), sentBytes, receivedBytes: field('bytes_received') })
  }
  return found
}

const runnable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const programAt = (name: string): string | undefined => ['/usr/bin', '/bin', '/usr/sbin', '/sbin'].map((folder) => `${folder}/${name}`).find(runnable)

/** Longer than `ss` takes among thousands of connections; it takes 2 ms among few. */
const SS_LIMIT_MS = 3000

const output = (program: string, argv: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    execFile(program, argv, { timeout: SS_LIMIT_MS, maxBuffer: 16 * 1024 * 1024, env: {} }, (error, stdout) => resolve(error === null ? stdout : null))
  })

/**
 * Runs iproute2's `ss` in the network namespace of a process: Node cannot open
 * a netlink socket. Null where there is no `ss`, or where the namespace is
 * another one and may not be entered.
 */
export const createSs = (): ((pid: number, listed: readonly string[]) => Promise<string | null>) => {
  const ss = programAt('ss')
  const enter = programAt('nsenter')
  const own = networkName('/', process.pid)
  return async (pid, listed) => {
    if (ss === undefined) return null
    const network = networkName('/', pid)
    if (network === own || network === 'own') return output(ss, listed)
    return enter === undefined || process.getuid?.() !== 0 ? null : output(enter, [`--net=/proc/${pid}/ns/net`, ss, ...listed])
  }
}
