import { statSync } from 'node:fs'
import { agentIdOf, type SignaturesFile } from '../../contract/agents.ts'
import { integer, listNames, readLink, readText, under } from '../../observe/files.ts'
import { readBootId, readUptimeMs, TICK_MS } from '../../observe/kernel.ts'
import { printable, readProcessTable, readStatus } from '../../observe/process.ts'
import { createIdentityCache, discoverAgents, type AgentTree, type TreeMember } from '../discover.ts'
import { createTerminalModes, type TerminalModes } from './line-mode.ts'
import { readLocks, type LockLine } from './locks.ts'
import type { Sample, SampleConnection, SampleProcess, StdioKind } from './sample.ts'
import { createSs, ESTABLISHED, isLoopback, LISTENING, networkName, parseSs, readNetwork, stateOf, type Network } from './tcp.ts'
import { parsePeers, readAccepted } from './unix.ts'

export interface SamplerOptions {
  /** "/" or a captured tree. */
  readonly root: string
  readonly signatures: SignaturesFile
  /** Only this user's agents; null: everybody's. */
  readonly uid: number | null
  /** CLOCK_MONOTONIC in ms; tests set it. */
  readonly nowMs?: () => number
  /** Runs `ss` in the network namespace of a process; null leaves out what only it can tell. */
  readonly ss?: ((pid: number, listed: readonly string[]) => Promise<string | null>) | null
}

export interface Sampler {
  /** Raw evidence of every agent now, by one pass over /proc; about 1 ms an agent. */
  readonly sample: () => Promise<Sample[]>
  /** The same for trees that the caller has just discovered. */
  readonly sampleTrees: (trees: readonly AgentTree[]) => Promise<Sample[]>
  readonly setSignatures: (signatures: SignaturesFile) => void
}

const kindOfFile = (target: string | undefined): StdioKind => {
  if (target === undefined) return 'none'
  if (/^\/dev\/(?:pts\/\d+|tty\w*|console)$/u.test(target)) return 'terminal'
  if (target.startsWith('pipe:')) return 'pipe'
  if (target.startsWith('socket:')) return 'socket'
  if (target === '/dev/null') return 'null'
  return target.startsWith('/') ? 'file' : 'other'
}

interface Files { readonly byNumber: ReadonlyMap<number, string>; readonly sockets: readonly number[] }

/** Open files by number; null where they may not be seen (programs that may not be dumped). */
const readFiles = (root: string, pid: number): Files | null => {
  const names = listNames(under(root, `/proc/${pid}/fd`), 'vanished')
  if (names.value === null) return null
  const byNumber = new Map<number, string>()
  const sockets: number[] = []
  for (const name of names.value) {
    const target = readLink(under(root, `/proc/${pid}/fd/${name}`), 'vanished').value
    const number = integer(name)
    if (target === null || number === null) continue
    byNumber.set(number, target)
    const inode = integer(/^socket:\[(\d+)\]$/u.exec(target)?.[1])
    if (inode !== null) sockets.push(inode)
  }
  return { byNumber, sockets }
}

const fieldsOf = (text: string | null): ((name: string) => number | null) => (name) =>
  text === null ? null : integer(new RegExp(`^${name}:\\s+(\\d+)`, 'mu').exec(text)?.[1])

const runsCommand = (member: TreeMember): boolean => member.role === 'shell' && (member.identity?.argv.slice(1).some((word) => /^-[a-z]*c[a-z]*$/u.test(word) || !/^[-+]/u.test(word)) ?? false)

/** Device of the terminal that controls a process: /dev/pts/N has the numbers 136 to 143, a million minors each. */
const terminalDevice = (device: number): string | null => {
  const major = (device >>> 8) & 0xfff
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  if (major >= 136 && major <= 143) return `/dev/pts/${(major - 136) * 1_048_576 + minor}`
  return major === 4 && minor > 0 && minor < 64 ? `/dev/tty${minor}` : null
}

const times = (path: string): { inputAtMs: number; outputAtMs: number } | null => {
  try {
    const { atimeMs, mtimeMs } = statSync(path)
    return { inputAtMs: atimeMs, outputAtMs: mtimeMs }
  } catch {
    return null
  }
}

/** Looked at through the process's own file where that may be seen: in a container the same number is another terminal. */
const terminalOf = async (root: string, tree: AgentTree, files: Files | null, modes: TerminalModes | null, nowMs: number): Promise<Sample['terminal']> => {
  const { pid, startTimeTicks, terminal } = tree.top
  const device = terminalDevice(terminal)
  if (device === null) return null
  const own = [0, 1, 2].find((number) => files?.byNumber.get(number) === device)
  const path = own !== undefined && root === '/' ? `/proc/${pid}/fd/${own}` : under(root, device)
  const found = times(path)
  return found === null ? null : { device, ...found, ...(modes === null ? {} : { raw: await modes.isRaw(`${pid} ${startTimeTicks}`, path, nowMs) }) }
}

const processOf = (root: string, member: TreeMember, files: Files | null): SampleProcess => {
  const { stat } = member
  const io = fieldsOf(readText(under(root, `/proc/${stat.pid}/io`), 'vanished').value)
  const status = fieldsOf(readText(under(root, `/proc/${stat.pid}/status`), 'vanished').value)
  return {
    pid: stat.pid,
    startTimeTicks: stat.startTimeTicks,
    parentPid: stat.parentPid,
    role: member.role,
    label: printable(member.label),
    comm: printable(stat.comm),
    kernelState: stat.kernelState,
    cpuTicks: stat.cpuTicks,
    endedChildrenTicks: stat.endedChildrenTicks,
    majorFaults: stat.majorFaults,
    readChars: io('rchar'),
    writtenChars: io('wchar'),
    reads: io('syscr'),
    writes: io('syscw'),
    voluntarySwitches: status('voluntary_ctxt_switches'),
    tracerPid: status('TracerPid'),
    stdio: files === null ? null : [kindOfFile(files.byNumber.get(0)), kindOfFile(files.byNumber.get(1)), kindOfFile(files.byNumber.get(2))],
    command: runsCommand(member),
    fuse: files !== null && [...files.byNumber.values()].includes('/dev/fuse'),
  }
}

interface Shared {
  readonly network: (pid: number) => Network
  /** Unix sockets that servers accepted. */
  readonly accepted: (pid: number) => ReadonlySet<number>
  readonly listed: (pid: number, what: 'tcp' | 'unix') => Promise<string | null>
  readonly locks: () => readonly LockLine[] | null
}

const SS_OPTIONS = { tcp: ['-tinHOe'], unix: ['-xnH'] } as const

/** Once a key: what several trees have in common is read once a look. */
const once = <T>(make: (pid: number, key: string) => T): ((pid: number, key: string) => T) => {
  const made = new Map<string, T>()
  return (pid, key) => {
    const found = made.get(key) ?? make(pid, key)
    made.set(key, found)
    return found
  }
}

const createShared = (root: string, ss: NonNullable<SamplerOptions['ss']> | null): Shared => {
  const network = once((pid) => readNetwork(root, pid))
  const accepted = once((pid) => readAccepted(root, pid))
  const listed = { tcp: once(async (pid) => ss?.(pid, SS_OPTIONS.tcp) ?? null), unix: once(async (pid) => ss?.(pid, SS_OPTIONS.unix) ?? null) }
  let locks: readonly LockLine[] | null | undefined
  return {
    network: (pid) => network(pid, networkName(root, pid)),
    accepted: (pid) => accepted(pid, networkName(root, pid)),
    listed: (pid, what) => listed[what](pid, networkName(root, pid)),
    locks: () => {
      locks ??= readLocks(root)
      return locks
    },
  }
}

type Sockets = Pick<Sample, 'connections' | 'listening' | 'unixInbound' | 'datagrams'>

/** Who of those that connected to a Unix socket of the tree is none of it. */
const unixInboundOf = async (pid: number, owners: ReadonlyMap<number, number>, shared: Shared): Promise<number | null> => {
  const own = [...shared.accepted(pid)].filter((inode) => owners.has(inode))
  if (own.length === 0) return 0
  const text = await shared.listed(pid, 'unix')
  if (text === null) return null
  const peers = parsePeers(text)
  return own.filter((inode) => {
    const peer = peers.get(inode) ?? 0
    return peer !== 0 && !owners.has(peer)
  }).length
}

const NOTHING: Sockets = { connections: [], listening: [], unixInbound: 0, datagrams: 0 }

const socketsOf = async (tree: AgentTree, files: ReadonlyMap<number, Files | null>, shared: Shared): Promise<Sockets> => {
  if (files.get(tree.top.pid) === null) return { connections: null, listening: [], unixInbound: null, datagrams: null }
  const owners = new Map<number, number>()
  for (const [pid, open] of files) for (const inode of open?.sockets ?? []) if (!owners.has(inode)) owners.set(inode, pid)
  if (owners.size === 0) return NOTHING
  const network = shared.network(tree.top.pid)
  const tcp = [...owners].flatMap(([inode, pid]) => {
    const line = network.tcp.get(inode)
    return line === undefined ? [] : [{ line, pid }]
  })
  const listening = new Set(tcp.filter(({ line }) => line.state === LISTENING).map(({ line }) => line.localPort))
  const connections = tcp.filter(({ line }) => line.state !== LISTENING).map(({ line, pid }): SampleConnection => {
    const peer = network.byEnds.get(`${line.remote}:${line.remotePort} ${line.local}:${line.localPort}`)
    const within = peer !== undefined && owners.has(peer)
    return {
      pid, inode: line.inode, state: stateOf(line.state), loopback: isLoopback(line.remote), within,
      inbound: !within && listening.has(line.localPort), remotePort: line.remotePort,
      sendQueueBytes: line.sendQueueBytes, receiveQueueBytes: line.receiveQueueBytes, retransmits: line.retransmits, info: null,
    }
  })
  const asked = connections.some((connection) => connection.state === 'established' && !connection.within)
  const text = asked ? await shared.listed(tree.top.pid, 'tcp') : null
  const info = text === null ? null : parseSs(text)
  const unixInbound = await unixInboundOf(tree.top.pid, owners, shared)
  const datagrams = [...owners.keys()].filter((inode) => {
    const line = network.udp.get(inode)
    return line?.state === ESTABLISHED && line.remotePort !== 53 && !isLoopback(line.remote)
  }).length
  return { connections: connections.map((connection) => ({ ...connection, info: info?.get(connection.inode) ?? null })), listening: [...listening], unixInbound, datagrams }
}

/** Reads raw evidence of agents from /proc. What cannot be seen is null, never 0. */
export const createSampler = (options: SamplerOptions): Sampler => {
  const { root, uid } = options
  const nowMs = options.nowMs ?? (() => performance.now())
  const ss = options.ss === undefined ? (root === '/' ? createSs() : null) : options.ss
  const modes = root === '/' ? createTerminalModes() : null
  const identities = createIdentityCache(root)
  const bootId = readBootId(root)
  let signatures = options.signatures

  const sampleTree = async (tree: AgentTree, shared: Shared, uptimeMs: number): Promise<Sample> => {
    const atMs = Date.now()
    const monotonicMs = nowMs()
    const files = new Map(tree.members.map(({ stat }) => [stat.pid, readFiles(root, stat.pid)]))
    const pids = new Set(files.keys())
    const processes = tree.members.map((member) => processOf(root, member, files.get(member.stat.pid) ?? null))
    return {
      version: 1,
      atMs,
      monotonicMs,
      id: agentIdOf(bootId, tree.top),
      kind: tree.signature.kind,
      ageMs: Math.max(0, Math.round(uptimeMs - tree.top.startTimeTicks * TICK_MS)),
      holdsAgents: tree.holdsAgents,
      processes,
      terminal: await terminalOf(root, tree, files.get(tree.top.pid) ?? null, modes, monotonicMs),
      ...(await socketsOf(tree, files, shared)),
      // Shared locks that nobody waits for, as every open database holds, say nothing.
      locks: shared.locks()?.filter((lock) => pids.has(lock.pid) && (lock.exclusive || lock.waitedFor)) ?? null,
    }
  }

  const sampleTrees: Sampler['sampleTrees'] = (trees) => {
    const shared = createShared(root, ss)
    const uptimeMs = readUptimeMs(root) ?? 0
    modes?.keep(new Set(trees.map(({ top }) => `${top.pid} ${top.startTimeTicks}`)))
    return Promise.all(trees.map((tree) => sampleTree(tree, shared, uptimeMs)))
  }

  return {
    sampleTrees,
    sample: () => {
      const table = readProcessTable(root)
      identities.keep(table.processes)
      const trees = discoverAgents(table, identities.of, signatures)
      return sampleTrees(trees.filter((tree) => uid === null || readStatus(root, tree.top.pid).value?.uid === uid))
    },
    setSignatures: (next) => { signatures = next },
  }
}
