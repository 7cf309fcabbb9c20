import { existsSync, statSync } from 'node:fs'
import type { Probe } from '../contract/probe.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { integer, listNames, mapReading, readInteger, readText, under } from './files.ts'
import { readMounts } from './mounts.ts'
import { parseCounters } from './vmstat.ts'

export interface CgroupLine { readonly hierarchy: number; readonly controllers: readonly string[]; readonly path: string }

/** /proc/<pid>/cgroup: `0::/path` is v2, every other line a v1 hierarchy. A path may hold colons. */
export const parseCgroupLines = (text: string): CgroupLine[] =>
  text.split('\n').flatMap((line): CgroupLine[] => {
    const match = /^(\d+):([^:]*):(\/.*)$/u.exec(line)
    const hierarchy = integer(match?.[1])
    if (match === null || hierarchy === null) return []
    return [{ hierarchy, controllers: (match[2] ?? '').split(',').filter((name) => name !== ''), path: match[3] ?? '/' }]
  })

export interface ProcessCgroup { readonly version: 'v1' | 'v2'; readonly path: string }

/** Where the kernel accounts the memory of a process: the v1 memory hierarchy where there is one, else v2. */
export const readProcessCgroup = (root: string, pid: number): Reading<ProcessCgroup> =>
  mapReading(readText(under(root, `/proc/${pid}/cgroup`), 'vanished'), (text): ProcessCgroup | null => {
    const lines = parseCgroupLines(text)
    const v1 = lines.find((line) => line.controllers.includes('memory'))
    const v2 = lines.find((line) => line.hierarchy === 0)
    if (v1 !== undefined) return { version: 'v1', path: v1.path }
    return v2 === undefined ? null : { version: 'v2', path: v2.path }
  }, `/proc/${pid}/cgroup`)

export interface CgroupLayout extends Readonly<Probe['cgroup']> {
  /** Where the v2 hierarchy and the v1 memory hierarchy are mounted. */
  readonly v2Mount: string | null
  readonly v1MemoryMount: string | null
}

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false // gone, or not ours to look into
  }
}

/** memory.reclaim exists in every cgroup but the root one: look into the first children. */
const anyReclaim = (root: string, mount: string): boolean => {
  const names = listNames(under(root, mount)).value ?? []
  return names.some((name) => !name.includes('.') || /\.(slice|scope|service)$/u.test(name)
    ? existsSync(under(root, `${mount}/${name}/memory.reclaim`))
    : false)
}

export const readCgroupLayout = (root: string): CgroupLayout => {
  const mounts = readMounts(root)
  const v2Mount = mounts.find((mount) => mount.type === 'cgroup2')?.folder ?? null
  const v1 = mounts.filter((mount) => mount.type === 'cgroup')
  const v1MemoryMount = v1.find((mount) => mount.options.includes('memory'))?.folder ?? null
  const controllers = v2Mount === null ? null : readText(under(root, `${v2Mount}/cgroup.controllers`)).value
  return {
    version: v2Mount === null ? (v1.length === 0 ? 'none' : 'v1') : v1.length === 0 ? 'v2' : 'hybrid',
    memoryController: controllers?.trim().split(' ').includes('memory') ?? false,
    memoryReclaim: v2Mount !== null && anyReclaim(root, v2Mount),
    v2Mount,
    v1MemoryMount,
  }
}

export interface CgroupMemory {
  readonly currentBytes: number
  readonly anonBytes: Reading
  readonly fileBytes: Reading
  readonly swapBytes: Reading
  /** Events since the cgroup was made; v2 only. */
  readonly oomKills: Reading
  readonly highEvents: Reading
}

const from = (counters: ReadonlyMap<string, number> | null, names: readonly string[], what: string): Reading => {
  for (const name of names) {
    const value = counters?.get(name)
    if (value !== undefined) return known(value)
  }
  return missing('not-supported', `${what} has no ${names.join(' or ')}`)
}

const counters = (path: string): ReadonlyMap<string, number> | null => {
  const text = readText(path, 'vanished').value
  return text === null ? null : parseCounters(text)
}

/** What one cgroup is charged: memory.current/stat/events of v2, memory.usage_in_bytes/stat of v1. `folder` is its path in the file system. */
export const readCgroupMemory = (root: string, folder: string, version: 'v1' | 'v2'): Reading<CgroupMemory> => {
  const file = (leaf: string): string => under(root, `${folder}/${leaf}`)
  const current = readInteger(file(version === 'v2' ? 'memory.current' : 'memory.usage_in_bytes'))
  if (current.value === null) return current
  const stat = counters(file('memory.stat'))
  if (version === 'v1') {
    const none = missing('not-supported', 'cgroup v1 has no memory.events')
    return known({
      currentBytes: current.value,
      anonBytes: from(stat, ['total_rss', 'rss'], 'memory.stat'),
      fileBytes: from(stat, ['total_cache', 'cache'], 'memory.stat'),
      swapBytes: from(stat, ['total_swap', 'swap'], 'memory.stat'),
      oomKills: from(counters(file('memory.oom_control')), ['oom_kill'], 'memory.oom_control'),
      highEvents: none,
    })
  }
  const events = counters(file('memory.events'))
  return known({
    currentBytes: current.value,
    anonBytes: from(stat, ['anon'], 'memory.stat'),
    fileBytes: from(stat, ['file'], 'memory.stat'),
    swapBytes: readInteger(file('memory.swap.current')),
    oomKills: from(events, ['oom_kill'], 'memory.events'),
    highEvents: from(events, ['high'], 'memory.events'),
  })
}

/** Deeper and wider than any agent's own cgroup; a larger one is not an agent's. */
const MOST_CGROUPS = 64

/** Pids in a v2 cgroup and everything under it; null where it cannot be read whole. */
export const readCgroupPids = (root: string, folder: string): Set<number> | null => {
  const pids = new Set<number>()
  const todo = [folder]
  for (let looked = 0; todo.length > 0; looked += 1) {
    const at = todo.pop()
    if (at === undefined || looked >= MOST_CGROUPS) return null
    const text = readText(under(root, `${at}/cgroup.procs`))
    if (text.value === null) return null
    for (const line of text.value.split('\n')) {
      const pid = integer(line)
      if (pid !== null) pids.add(pid)
    }
    const names = listNames(under(root, at)).value ?? []
    // Kernel files all hold a dot behind a controller's name; folders are found by asking.
    for (const name of names) {
      if (/^(cgroup|memory|cpu|cpuset|io|pids|hugetlb|rdma|misc|irq|dmem)\./u.test(name)) continue
      if (isFolder(under(root, `${at}/${name}`))) todo.push(`${at}/${name}`)
    }
  }
  return pids
}

/** Whether a v2 cgroup offers memory.reclaim. */
export const hasReclaim = (root: string, folder: string): boolean => existsSync(under(root, `${folder}/memory.reclaim`))
