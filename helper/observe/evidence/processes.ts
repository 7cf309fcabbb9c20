import type { Agent } from '../../contract/agents.ts'
import type { Evidence, ProcessEvidence } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { integer, listNames, readInteger, readText, under } from '../files.ts'
import { TICK_MS } from '../kernel.ts'
import { parseCommandLine, parseStat, printable, type ProcessStat } from '../process.ts'
import type { Captured } from './captured.ts'
import { readMemoryFiles } from './memory-files.ts'
import { readRollup } from './rollup.ts'
import { titleOf } from './titles.ts'

export interface ProcessOptions {
  /** Only this user's processes; null: everybody's that may be read. */
  readonly uid: number | null
  readonly agents: readonly Agent[]
  /** Of how many, the largest, smaps_rollup is read: a walk over page tables, milliseconds for each GB. */
  readonly rollups: number
  readonly memoryFiles: boolean
  readonly nodes: number
  readonly captured: Captured | null
}

const THREADS = { kswapd: /^kswapd\d+$/u, ksmd: /^ksmd$/u, kcompactd: /^kcompactd\d+$/u, khugepaged: /^khugepaged$/u } as const
type Threads = Evidence['kernelThreadsCpuMs']

const threadsCpu = (threads: readonly ProcessStat[]): Threads => {
  const of = (pattern: RegExp): Reading => {
    const found = threads.filter((stat) => pattern.test(stat.comm))
    return found.length === 0 ? missing('not-supported', 'no such kernel thread is to be seen') : known(found.reduce((sum, stat) => sum + stat.cpuTicks * TICK_MS, 0))
  }
  return { kswapd: of(THREADS.kswapd), ksmd: of(THREADS.ksmd), kcompactd: of(THREADS.kcompactd), khugepaged: of(THREADS.khugepaged) }
}

const STATUS_FIELD = /^(Uid|VmRSS|RssAnon|RssFile|RssShmem|VmSwap|VmSize|VmData|VmStk|VmLck|VmPin|HugetlbPages):\s+(\d+)( kB)?/gmu

/** What is asked of a status file, in bytes where it says kB; the rest of its lines would only cost memory here. */
export const parseStatusFields = (text: string): Map<string, number> => {
  const fields = new Map<string, number>()
  for (const [, name = '', digits, unit] of text.matchAll(STATUS_FIELD)) {
    const value = integer(digits)
    if (value !== null) fields.set(name, unit === undefined ? value : value * 1024)
  }
  return fields
}

const field = (fields: ReadonlyMap<string, number>, ...names: readonly string[]): Reading => {
  const there = names.flatMap((name) => fields.get(name) ?? [])
  return there.length === 0 ? missing('not-supported', `status has no ${names[0] ?? ''}`) : known(there.reduce((sum, value) => sum + value, 0))
}

const NOT_OURS = missing('not-permitted', 'belongs to another user')
const NOT_ASKED = missing('not-measured', 'smaps_rollup was read of the largest processes alone')
const ONE_NODE = missing('not-supported', 'one node')

/** Page tables and descriptors are shown to the owner and to root; of a captured tree, to everybody. */
const mayWalk = (root: string): ((uid: number) => boolean) => {
  const reader = root === '/' ? process.getuid?.() : 0
  return (uid) => reader === 0 || reader === uid
}

interface OfAgent { readonly agentId: string; readonly pssBytes: Reading }

const agentsByPid = (agents: readonly Agent[]): Map<string, OfAgent> =>
  new Map(agents.flatMap((agent) => agent.processes.map((process): [string, OfAgent] => [
    `${process.pid} ${process.startTimeTicks}`,
    { agentId: agent.id, pssBytes: process.memory.value === null ? process.memory : known(process.memory.value.pssBytes) },
  ])))

interface Stat extends ProcessStat { readonly minorFaults: number }

/** Field 10 is of use here alone; like all fields it is counted from the name's last bracket. */
const readStat = (root: string, pid: number): Stat[] => {
  const text = readText(under(root, `/proc/${pid}/stat`), 'vanished').value ?? ''
  const stat = parseStat(text)
  return stat === null ? [] : [{ ...stat, minorFaults: integer(text.slice(text.lastIndexOf(')') + 2).split(' ')[10 - 3]) ?? 0 }]
}

const readOne = (root: string, stat: Stat, options: ProcessOptions, ofAgent: OfAgent | undefined, may: (uid: number) => boolean): ProcessEvidence | null => {
  const { pid } = stat
  const status = readText(under(root, `/proc/${pid}/status`), 'vanished')
  const fields = parseStatusFields(status.value ?? '')
  const uid = fields.get('Uid')
  if (uid === undefined || (options.uid !== null && uid !== options.uid)) return null
  const of = (...names: string[]): Reading => field(fields, ...names)
  const unread = may(uid) ? NOT_ASKED : NOT_OURS
  return {
    ref: { pid, startTimeTicks: stat.startTimeTicks },
    parentPid: stat.parentPid,
    uid,
    name: printable(stat.comm),
    title: titleOf(stat.comm, parseCommandLine(readText(under(root, `/proc/${pid}/cmdline`), 'vanished').value ?? '')),
    agentId: ofAgent?.agentId ?? null,
    rssBytes: of('VmRSS'),
    pssBytes: ofAgent?.pssBytes ?? unread,
    anonBytes: of('RssAnon'),
    fileBytes: of('RssFile'),
    shmemBytes: of('RssShmem'),
    swapBytes: of('VmSwap'),
    virtualBytes: of('VmSize'),
    heapBytes: of('VmData'),
    stackBytes: of('VmStk'),
    lockedBytes: of('VmLck', 'VmPin'),
    hugetlbBytes: of('HugetlbPages'),
    anonHugeBytes: unread,
    minorFaults: known(stat.minorFaults),
    majorFaults: known(stat.majorFaults),
    memfdBytes: options.memoryFiles ? readMemoryFiles(root, pid, options.captured) : missing('not-measured', 'too little shared memory on the whole machine to matter'),
    oomScoreAdj: readInteger(under(root, `/proc/${pid}/oom_score_adj`)),
    numaBytes: options.nodes > 1 ? unread : ONE_NODE,
  }
}

export interface ProcessesRead {
  readonly processes: ProcessEvidence[]
  readonly zombies: number
  readonly threads: Threads
  /** Kernel names of everything that runs, kernel threads too. */
  readonly names: ReadonlySet<string>
}

/**
 * Every process once: stat, status, command line. What costs a walk over page
 * tables is read of the largest alone, several at a time in other threads.
 */
export const readProcesses = async (root: string, options: ProcessOptions): Promise<ProcessesRead> => {
  const pids = (listNames(under(root, '/proc')).value ?? []).flatMap((name) => (/^[1-9]\d{0,6}$/u.test(name) ? [Number(name)] : [])).toSorted((a, b) => a - b)
  const stats = pids.flatMap((pid) => readStat(root, pid))
  const ofAgents = agentsByPid(options.agents)
  const users = stats.filter((stat) => !stat.kernelThread)
  const may = mayWalk(root)
  const processes = users.flatMap((stat) => (stat.kernelState === 'Z' ? [] : (readOne(root, stat, options, ofAgents.get(`${stat.pid} ${stat.startTimeTicks}`), may) ?? [])))
  const largest = processes.filter(({ uid }) => may(uid)).toSorted((a, b) => (b.rssBytes.value ?? 0) - (a.rssBytes.value ?? 0) || a.ref.pid - b.ref.pid).slice(0, options.rollups)
  const rollups = new Map(await Promise.all(largest.map(async ({ ref }): Promise<[number, Pick<ProcessEvidence, 'pssBytes' | 'anonHugeBytes' | 'numaBytes'>]> => {
    const { pssBytes, anonHugeBytes, numaBytes } = await readRollup(root, ref.pid, options.nodes)
    return [ref.pid, { pssBytes, anonHugeBytes, numaBytes }]
  })))
  return {
    processes: processes.map((each) => {
      const rollup = rollups.get(each.ref.pid)
      // An agent's own figure belongs to its snapshot, and stays equal to what is shown there.
      return rollup === undefined ? each : { ...each, ...rollup, pssBytes: each.pssBytes.value === null ? rollup.pssBytes : each.pssBytes }
    }),
    zombies: users.filter((stat) => stat.kernelState === 'Z').length,
    threads: threadsCpu(stats.filter((stat) => stat.kernelThread)),
    names: new Set(stats.map((stat) => stat.comm)),
  }
}
