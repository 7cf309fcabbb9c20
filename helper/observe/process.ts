import type { ProcessMemory } from '../contract/agents.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { integer, listNames, mapReading, readLink, readText, readTextAside, under } from './files.ts'

/** /proc/<pid>/stat, as far as anybody here needs it. Ticks are hundredths of a second. */
export interface ProcessStat {
  readonly pid: number
  readonly comm: string
  readonly kernelState: string
  readonly parentPid: number
  readonly processGroup: number
  readonly session: number
  /** Device number of the controlling terminal; 0 without one. */
  readonly terminal: number
  readonly kernelThread: boolean
  /** Page faults that needed the disk, or swap. */
  readonly majorFaults: number
  /** User and system time of its own. */
  readonly cpuTicks: number
  /** The same of its children that ended and were waited for. */
  readonly endedChildrenTicks: number
  readonly startTimeTicks: number
  /** Where the arguments begin: random for each exec, so a change of program shows; "0" where not permitted. */
  readonly argumentsAt: string
}

const PF_KTHREAD = 0x00200000

/**
 * Control characters and invalid bytes of a name become "?", so that a list or log stays one line a process.
 * Nearly every name is plain; the tables of Unicode that tell the others are a megabyte.
 */
export const printable = (text: string): string => (/^[ -~]*$/u.test(text) ? text : text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu, '?'))

/**
 * The name may hold spaces, brackets and newlines, so everything is counted
 * from the last closing bracket: the fields behind it never hold one.
 */
export const parseStat = (text: string): ProcessStat | null => {
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  if (open < 2 || close < open) return null
  const fields = text.slice(close + 2).split(' ')
  const at = (field: number): number => integer(fields[field - 3]) ?? Number.NaN
  const stat: ProcessStat = {
    pid: integer(text.slice(0, open - 1)) ?? Number.NaN,
    comm: text.slice(open + 1, close),
    kernelState: fields[0] ?? '',
    parentPid: at(4),
    processGroup: at(5),
    session: at(6),
    terminal: at(7),
    kernelThread: (at(9) & PF_KTHREAD) !== 0,
    majorFaults: at(12),
    cpuTicks: at(14) + at(15),
    endedChildrenTicks: at(16) + at(17),
    startTimeTicks: at(22),
    argumentsAt: fields[48 - 3] ?? '0',
  }
  const complete = Number.isSafeInteger(stat.pid + stat.parentPid + stat.processGroup + stat.session + stat.terminal + stat.majorFaults + stat.cpuTicks + stat.endedChildrenTicks + stat.startTimeTicks)
  return complete && /^[A-Za-z]$/u.test(stat.kernelState) ? stat : null
}

const processFile = (root: string, pid: number, leaf: string): string => under(root, `/proc/${pid}/${leaf}`)

export const readStat = (root: string, pid: number): Reading<ProcessStat> =>
  mapReading(readText(processFile(root, pid, 'stat'), 'vanished'), parseStat, `/proc/${pid}/stat`)

/** Real user id and process state from /proc/<pid>/status; the folder's owner would be root for programs that may not be dumped. */
export interface ProcessStatus {
  readonly uid: number
  readonly threads: number | null
  readonly swapBytes: number | null
}

export const parseStatus = (text: string): ProcessStatus | null => {
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(\\d+)`, 'mu').exec(text)?.[1]
  const uid = integer(field('Uid'))
  const swapKib = integer(field('VmSwap'))
  return uid === null ? null : { uid, threads: integer(field('Threads')), swapBytes: swapKib === null ? null : swapKib * 1024 }
}

export const readStatus = (root: string, pid: number): Reading<ProcessStatus> =>
  mapReading(readText(processFile(root, pid, 'status'), 'vanished'), parseStatus, `/proc/${pid}/status`)

/** Arguments; empty for kernel threads and zombies. A program may overwrite them: one word with spaces is taken apart. */
export const parseCommandLine = (text: string): string[] => {
  const words = text.replace(/\0+$/u, '').split('\0')
  if (words.length === 1 && words[0] === '') return []
  const only = words.length === 1 ? words[0] : undefined
  return only !== undefined && only.includes(' ') ? only.split(/\s+/u).filter((word) => word !== '') : words
}

export const readCommandLine = (root: string, pid: number): Reading<string[]> =>
  mapReading(readText(processFile(root, pid, 'cmdline'), 'vanished'), parseCommandLine, `/proc/${pid}/cmdline`)

/** Path of the running program; a program replaced by an update keeps its path without the kernel's mark. */
export const readExecutable = (root: string, pid: number): Reading<string> =>
  mapReading(readLink(processFile(root, pid, 'exe'), 'vanished'), (path) => path.replace(/ \(deleted\)$/u, ''), `/proc/${pid}/exe`)

export const readWorkingFolder = (root: string, pid: number): Reading<string> =>
  readLink(processFile(root, pid, 'cwd'), 'vanished')

/** One variable of the environment a process was started with; nothing else of it leaves this function. */
export const readEnvironmentVariable = (root: string, pid: number, name: string): Reading<string> =>
  mapReading(readText(processFile(root, pid, 'environ'), 'vanished'), (text) => {
    const entry = text.split('\0').find((line) => line.startsWith(`${name}=`))
    return entry === undefined ? '' : entry.slice(name.length + 1)
  }, `/proc/${pid}/environ`)

const SMAPS_LINE = /^(Rss|Pss|Pss_Anon|Pss_File|Pss_Shmem|Private_Clean|Private_Dirty|SwapPss): +(\d+) kB$/gmu

/**
 * smaps_rollup, or the sum over smaps, which has the same lines once a mapping.
 * A process without memory of its own (kernel thread, zombie) has no lines.
 */
export const parseSmaps = (text: string): ProcessMemory | null => {
  const sums = new Map<string, number>()
  for (const match of text.matchAll(SMAPS_LINE)) {
    const name = match[1] ?? ''
    sums.set(name, (sums.get(name) ?? 0) + Number(match[2]) * 1024)
  }
  const pssBytes = sums.get('Pss')
  const rssBytes = sums.get('Rss')
  if (pssBytes === undefined || rssBytes === undefined) return null
  const since56 = (name: string): Reading => {
    const value = sums.get(name)
    return value === undefined ? missing('not-supported', `smaps_rollup has no ${name}: needs Linux 5.3`) : known(value)
  }
  return {
    pssBytes,
    rssBytes,
    pssAnonBytes: since56('Pss_Anon'),
    pssFileBytes: since56('Pss_File'),
    pssShmemBytes: since56('Pss_Shmem'),
    swapPssBytes: sums.get('SwapPss') ?? 0,
    ussBytes: (sums.get('Private_Clean') ?? 0) + (sums.get('Private_Dirty') ?? 0),
  }
}

/** Whether this kernel has smaps_rollup (4.14+): its absence for one process alone would mean that the process went. */
const hasRollup = new Map<string, boolean>()

const rollupKnown = (root: string): boolean => {
  const cached = hasRollup.get(root)
  if (cached !== undefined) return cached
  const own = readText(under(root, '/proc/self/smaps_rollup'))
  const found = root !== '/' || own.value !== null
  hasRollup.set(root, found)
  return found
}

/**
 * Memory of one process. Reading it walks all its page tables, milliseconds for
 * a large one, so only agents are read, and several at once: the walks go on
 * in other threads, and both sides of a comparison are looked at in less time.
 */
export const readProcessMemory = async (root: string, pid: number): Promise<Reading<ProcessMemory>> => {
  const leaf = rollupKnown(root) ? 'smaps_rollup' : 'smaps'
  const path = `/proc/${pid}/${leaf}`
  const text = await readTextAside(processFile(root, pid, leaf), 'vanished')
  if (text.value === null) return text
  // An empty file is what a zombie or a process that is just ending shows.
  if (text.value === '') return missing('vanished', `${path}: empty, the process is ending`)
  return mapReading(text, parseSmaps, path)
}

/** Whether the kernel merges pages of this process: ksm_merge_any of ksm_stat (6.4+ has the prctl, newer kernels show it). */
export const parseKsmStat = (text: string): boolean | null => {
  const match = /^ksm_merge_any: (yes|no)$/mu.exec(text)
  return match === null ? null : match[1] === 'yes'
}

export const readMergeable = (root: string, pid: number): Reading<boolean> => {
  const text = readText(processFile(root, pid, 'ksm_stat'), 'not-supported')
  if (text.value === null) return text
  const any = parseKsmStat(text.value)
  return any === null ? missing('not-supported', `/proc/${pid}/ksm_stat has no ksm_merge_any`) : known(any)
}

export interface ProcessTable {
  /** Processes that are no kernel threads, by pid. */
  readonly processes: ReadonlyMap<number, ProcessStat>
  readonly seen: number
  readonly kernelThreads: number
  readonly vanished: number
  readonly unreadable: number
}

/** Every process of the machine by one read each; memory is not touched. */
export const readProcessTable = (root: string): ProcessTable => {
  const names = listNames(under(root, '/proc'))
  const processes = new Map<number, ProcessStat>()
  const counts = { seen: 0, kernelThreads: 0, vanished: 0, unreadable: 0 }
  for (const name of names.value ?? []) {
    const first = name.codePointAt(0) ?? 0
    if (first < 0x31 || first > 0x39) continue
    const pid = integer(name)
    if (pid === null) continue
    counts.seen += 1
    const stat = readStat(root, pid)
    if (stat.value === null) counts[stat.reason === 'vanished' ? 'vanished' : 'unreadable'] += 1
    else if (stat.value.kernelThread) counts.kernelThreads += 1
    else processes.set(pid, stat.value)
  }
  return { processes, ...counts }
}
