import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { listNames, readLink, readText, under } from './files.ts'
import { readKernelConfig, readKernelRelease } from './kernel.ts'
import { readMounts } from './mounts.ts'
import { parseCommandLine, readProcessTable } from './process.ts'
import { readCgroupLayout, readProcessCgroup } from './cgroup.ts'
import { captureFacts, evidenceFiles, keepMessages } from './evidence/capture.ts'
import { CAPTURED_FILE } from './evidence/captured.ts'
import { CONFIG_OPTIONS } from './evidence/config.ts'
import { rivalFiles, settingsText } from './evidence/rivals.ts'
import { KSM_FOLDER } from './ksm.ts'
import { ZSWAP_FOLDER } from './zswap.ts'

/** Options that the capability table looks at, beside those of diagnosis. */
const OPTIONS = /^CONFIG_(?:KSM|SWAP|ZSWAP|ZRAM|ZRAM_BACKEND_\w+|PSI|PSI_DEFAULT_DISABLED|ADVISE_SYSCALLS|MEMFD_CREATE|MODULES|PROC_PAGE_MONITOR|CRYPTO_(?:LZ4|LZO|ZSTD|DEFLATE|842|LZ4HC))$/u

const FOLDERS = [KSM_FOLDER, ZSWAP_FOLDER]
const FILES = ['/proc/meminfo', '/proc/swaps', '/proc/uptime', '/proc/pressure/memory', '/proc/pressure/cpu', '/proc/pressure/io', '/proc/sys/kernel/osrelease', '/proc/sys/vm/swappiness']
const CGROUP_FILES = ['cgroup.procs', 'memory.current', 'memory.stat', 'memory.events', 'memory.swap.current', 'memory.reclaim', 'memory.usage_in_bytes', 'memory.oom_control', 'memory.peak', 'memory.high', 'memory.max', 'memory.low', 'memory.swap.max', 'memory.pressure', 'cgroup.stat']
const PROCESS_FILES = ['stat', 'smaps_rollup', 'ksm_stat', 'cgroup', 'oom_score_adj']
const STATUS = /^(?:Name|State|Pid|PPid|Uid|Threads|Vm\w+|Rss\w+|HugetlbPages):/u

/** People, projects and secrets out: homes become /home/user, temporary folders /tmp/x; packages stay, they are what signatures look at. */
export const scrubPath = (path: string): string => {
  const packages = path.search(/\/(?:node_modules|site-packages)\//u)
  if (packages > 0) return `/home/user/.npm-global/lib${path.slice(packages)}`
  if (!/^\/(?:usr|opt|bin|sbin|lib|lib64|home|root|tmp|var\/tmp)(?:\/|$)/u.test(path)) return `/x/${basename(path)}`
  return path.replace(/^\/(?:home\/[^/]+|root)(?=\/|$)/u, '/home/user').replace(/^\/(?:tmp|var\/tmp)\/[^/]+/u, '/tmp/x')
}

/** Of a command line stay its program, script and options' names; every other word is "x", since it may be a prompt or a key. */
export const scrubCommandLine = (words: readonly string[]): string[] =>
  words.map((word, i) => {
    if (i === 0) return word.startsWith('/') ? scrubPath(word) : word
    if (word.startsWith('-')) return word.replace(/=.*$/su, '=x')
    if (word.startsWith('/')) return scrubPath(word)
    return /^[a-z][a-z-]{1,20}$/u.test(word) && i < 4 ? word : 'x'
  })

const MEMORY_TYPES = new Set(['tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs'])

/** Folders of the system stay, and a user's /run/user without the number; any other is told by its last part. */
export const memoryFolder = (path: string): string =>
  path.startsWith('/run/user/') ? '/run/user/1000' : /^\/(?:dev|run|sys)(?:\/[\w.@:-]+){0,3}$|^\/(?:tmp|var\/(?:tmp|run|lock))$/u.test(path) ? path : scrubPath(path)

const save = (out: string, path: string, text: string): void => {
  const target = join(out, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
}

const copy = (root: string, out: string, path: string, change: (text: string) => string = (text) => text): void => {
  const text = readText(under(root, path))
  if (text.value !== null) save(out, path, change(text.value))
}

const captureProcess = (root: string, out: string, pid: number): void => {
  const folder = `/proc/${pid}`
  for (const leaf of PROCESS_FILES) copy(root, out, `${folder}/${leaf}`)
  copy(root, out, `${folder}/status`, (text) => text.split('\n').filter((line) => STATUS.test(line)).join('\n').replace(/^Uid:.*$/mu, 'Uid:\t1000\t1000\t1000\t1000'))
  copy(root, out, `${folder}/cmdline`, (text) => (text === '' ? '' : `${scrubCommandLine(parseCommandLine(text)).join('\0')}\0`))
  // A script started through a link is recognised by where the link leads.
  for (const word of parseCommandLine(readText(under(root, `${folder}/cmdline`)).value ?? '')) {
    const target = word.startsWith('/') ? readLink(under(root, word), 'not-supported', false).value : null
    if (target !== null) save(out, scrubPath(word), scrubPath(target))
  }
  const executable = readLink(under(root, `${folder}/exe`))
  if (executable.value !== null) save(out, `${folder}/exe`, scrubPath(executable.value))
  const cwd = readLink(under(root, `${folder}/cwd`))
  if (cwd.value !== null) save(out, `${folder}/cwd`, cwd.value === '/' ? '/' : '/home/user/project')
}

const captureCgroup = (root: string, out: string, pid: number): void => {
  const layout = readCgroupLayout(root)
  const cgroup = readProcessCgroup(root, pid).value
  if (cgroup === null) return
  const mount = cgroup.version === 'v2' ? layout.v2Mount : layout.v1MemoryMount
  if (mount === null || cgroup.path.includes('..')) return
  for (const leaf of CGROUP_FILES) {
    const path = `${mount}${cgroup.path}/${leaf}`
    // memory.reclaim is write-only: an empty file marks that it is there.
    if (leaf === 'memory.reclaim') {
      if (listNames(under(root, `${mount}${cgroup.path}`)).value?.includes(leaf) === true) save(out, path, '')
    } else copy(root, out, path)
  }
}

const withDescendants = (root: string, pids: readonly number[]): number[] => {
  const { processes } = readProcessTable(root)
  const wanted = new Set(pids)
  for (let before = -1; before !== wanted.size;) {
    before = wanted.size
    for (const stat of processes.values()) if (wanted.has(stat.parentPid)) wanted.add(stat.pid)
  }
  return [...wanted].filter((pid) => processes.has(pid))
}

/** Copies what the readers look at into `out`, scrubbed; of processes only those named and their descendants. */
export const captureMachine = (root: string, out: string, pids: readonly number[]): void => {
  for (const path of FILES) copy(root, out, path)
  for (const folder of FOLDERS) for (const name of listNames(under(root, folder)).value ?? []) copy(root, out, `${folder}/${name}`)
  for (const name of listNames(under(root, '/sys/block')).value ?? []) {
    if (/^zram\d+$/u.test(name)) for (const leaf of ['disksize', 'comp_algorithm', 'mm_stat']) copy(root, out, `/sys/block/${name}/${leaf}`)
  }
  // hot_add makes a device when it is read: its name is all there is to keep.
  if (listNames(under(root, '/sys/class/zram-control')).value?.includes('hot_add') === true) save(out, '/sys/class/zram-control/hot_add', '')
  for (const path of evidenceFiles(root)) copy(root, out, path)
  for (const path of rivalFiles(root)) copy(root, out, path, (text) => `${settingsText(text)}\n`)
  const messages = keepMessages(root)
  if (messages !== null) save(out, '/dev/kmsg', messages)
  copy(root, out, '/proc/cpuinfo', (text) => `${/^flags\s*:.*$/mu.exec(text)?.[0] ?? ''}\n`)
  // Of the command line only what is read of it: the rest names disks and may hold secrets.
  copy(root, out, '/proc/cmdline', (text) => `${text.trim().split(/\s+/u).filter((word) => /^(?:init_on_(?:alloc|free)|stack_guard_gap|psi|zswap\.\w+|transparent_hugepage|cgroup\w*|swapaccount)=/u.test(word)).join(' ')}\n`)
  copy(root, out, '/proc/crypto', (text) => text.split(/\n\s*\n/u).filter((block) => /^type\s*:\s*(?:acomp|scomp|compression)$/mu.test(block)).join('\n\n') + '\n')
  save(out, '/proc/sys/kernel/random/boot_id', '00000000-1111-4222-8333-444444444444\n')
  const mounts = readMounts(root).filter((mount) => mount.folder === '/' || mount.type.startsWith('cgroup') || MEMORY_TYPES.has(mount.type)).map((mount) => ({ ...mount, folder: MEMORY_TYPES.has(mount.type) ? memoryFolder(mount.folder) : mount.folder }))
  save(out, '/proc/mounts', mounts.map((mount) => `x ${mount.folder} ${mount.type} ${mount.options.join(',')} 0 0\n`).join(''))
  const release = readKernelRelease(root)
  const config = readKernelConfig(root, release)
  if (config !== null) save(out, `/boot/config-${release}`, [...config.entries()].filter(([name]) => OPTIONS.test(name) || CONFIG_OPTIONS.includes(name)).map(([name, value]) => `${name}=${value}\n`).join(''))
  const layout = readCgroupLayout(root)
  if (layout.v2Mount !== null) for (const leaf of ['cgroup.controllers', 'cgroup.stat']) copy(root, out, `${layout.v2Mount}/${leaf}`)
  const kept = withDescendants(root, pids)
  save(out, CAPTURED_FILE, `${JSON.stringify(captureFacts(root, kept, memoryFolder), null, 2)}\n`)
  for (const pid of kept) {
    captureProcess(root, out, pid)
    captureCgroup(root, out, pid)
  }
}
