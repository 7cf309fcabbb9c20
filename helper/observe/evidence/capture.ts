import { listNames, under } from '../files.ts'
import { readPageBytes } from '../kernel.ts'
import { readMounts } from '../mounts.ts'
import { readCaptured, type Captured } from './captured.ts'
import { readMemoryFiles, readMemoryFileSystems } from './memory-files.ts'
import { readKernelMessages } from './messages.ts'
import { rivalMarks } from './rivals.ts'
import { mmFiles, SYSCTL_FILES } from './settings.ts'

const FILES = [
  '/proc/vmstat', '/proc/zoneinfo', '/proc/buddyinfo', '/proc/slabinfo', '/sys/devices/system/cpu/online', '/sys/devices/system/node/online', '/sys/devices/system/node/has_cpu',
  '/sys/kernel/security/lockdown', '/sys/kernel/debug/extfrag/extfrag_index',
]

const inFolder = (root: string, folder: string, names: (name: string) => readonly string[]): string[] =>
  (listNames(under(root, folder)).value ?? []).flatMap((name) => names(name).map((leaf) => `${folder}/${leaf}`))

/** Files of the machine, none of a process, that a look reads beside those of the probe; each is copied as it is. */
export const evidenceFiles = (root: string): string[] => [
  ...FILES,
  ...SYSCTL_FILES,
  ...mmFiles(root),
  ...inFolder(root, '/sys/kernel/debug/zswap', (name) => [name]),
  ...inFolder(root, '/sys/devices/system/node', (name) => (/^node\d+$/u.test(name) ? [`${name}/meminfo`, `${name}/numastat`] : [])),
  ...rivalMarks,
]

/** Messages in the form of /dev/kmsg, of which only what the reader tells is kept; null where they may not be read. */
export const keepMessages = (root: string): string | null => {
  const messages = readKernelMessages(root).value
  if (messages === null) return null
  const lines = { 'oom-kill': 'Out of memory: Killed process 1 (x) anon-rss:0kB', 'cgroup-oom-kill': 'Memory cgroup out of memory: Killed process 1 (x) anon-rss:0kB', 'allocation-failure': 'x: page allocation failure: order:0', 'swap-error': 'Read-error on swap-device', 'hung-task': 'INFO: task x:1 blocked for more than 120 seconds' }
  return messages.map(({ atS, kind }, i) => `4,${i},${atS * 1e6},-;${lines[kind]}\n`).join('')
}

/** What no file of the kernel holds: clocks, sizes of memory file systems, memory files of the processes kept. */
export const captureFacts = (root: string, pids: readonly number[], folderOf: (folder: string) => string): Captured => {
  const before = readCaptured(root)
  const fileSystems = readMemoryFileSystems(readMounts(root), before).flatMap(({ folder, usedBytes, sizeBytes }): [string, Captured['fileSystems'][string]][] =>
    usedBytes.value === null || sizeBytes.value === null ? [] : [[folderOf(folder), { usedBytes: usedBytes.value, sizeBytes: sizeBytes.value }]])
  return {
    version: 1,
    takenAtMs: before?.takenAtMs ?? Date.now(),
    monotonicMs: before?.monotonicMs ?? Math.round(Number(process.hrtime.bigint()) / 1e6),
    pageBytes: before?.pageBytes ?? readPageBytes(root),
    privileged: before?.privileged ?? process.getuid?.() === 0,
    fileSystems: Object.fromEntries(fileSystems),
    memoryFiles: Object.fromEntries(pids.flatMap((pid): [string, number][] => {
      const bytes = readMemoryFiles(root, pid, before).value
      return bytes === null || bytes === 0 ? [] : [[String(pid), bytes]]
    })),
  }
}
