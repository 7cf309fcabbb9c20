import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ok } from '../../contract/result.ts'
import type { SystemTools } from '../../layers/compressed-swap/system-tools.ts'
import { backingFailure } from '../../layers/kernel-module/backing-tools.ts'
import { moduleFailure } from '../../layers/kernel-module/tools.ts'
import { createKernelFiles, type KernelFiles } from '../write.ts'

const KIB = 1024

/** Files of a machine with KSM, zswap and one unused zram device, as a kernel 6.18 shows them. */
export const fakeFiles: Readonly<Record<string, string>> = {
  '/proc/sys/kernel/random/boot_id': '11111111-2222-4333-8444-555555555555\n',
  '/proc/sys/kernel/osrelease': '6.18.0-test\n',
  '/proc/version': 'Linux version 6.18.0-test\n',
  '/proc/meminfo': 'MemTotal:       16384000 kB\nMemFree:         8000000 kB\nMemAvailable:   12000000 kB\nBuffers:          100000 kB\nCached:          2000000 kB\nSwapCached:            0 kB\nAnonPages:       2000000 kB\nShmem:            100000 kB\nDirty:                 0 kB\nSReclaimable:     100000 kB\nSUnreclaim:       100000 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\nZswap:                 0 kB\nZswapped:              0 kB\nHugePages_Total:     512\nHugepagesize:       2048 kB\n',
  '/proc/vmstat': 'pgmajfault 0\npswpin 0\npswpout 0\n',
  '/proc/swaps': 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n',
  '/proc/mounts': '/dev/vda / ext4 rw 0 0\n',
  '/proc/sys/vm/drop_caches': '',
  '/proc/sys/vm/swappiness': '60\n',
  '/proc/sys/vm/watermark_scale_factor': '10\n',
  '/proc/sys/vm/min_free_kbytes': '45056\n',
  '/proc/sys/vm/vfs_cache_pressure': '100\n',
  '/proc/sys/vm/page-cluster': '3\n',
  '/proc/sys/vm/dirty_bytes': '0\n',
  '/proc/sys/vm/dirty_background_bytes': '0\n',
  '/proc/sys/vm/dirty_ratio': '20\n',
  '/proc/sys/vm/dirty_background_ratio': '10\n',
  '/proc/sys/vm/dirty_expire_centisecs': '3000\n',
  '/proc/sys/vm/compaction_proactiveness': '20\n',
  '/proc/sys/vm/overcommit_memory': '0\n',
  '/proc/sys/vm/nr_hugepages': '512\n',
  '/proc/sys/vm/compact_memory': '',
  '/proc/buddyinfo': 'Node 0, zone   Normal      1      1      1      1      1      1      1      1      1      1      2 \n',
  '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages': '500\n',
  '/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages': '100\n',
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always madvise [never]\n',
  '/sys/kernel/mm/transparent_hugepage/defrag': 'always defer defer+madvise [madvise] never\n',
  '/sys/kernel/mm/lru_gen/min_ttl_ms': '0\n',
  '/sys/kernel/mm/ksm/run': '0\n',
  '/sys/kernel/mm/ksm/pages_to_scan': '250\n',
  '/sys/kernel/mm/ksm/sleep_millisecs': '20\n',
  '/sys/kernel/mm/ksm/advisor_mode': '[none] scan-time\n',
  '/sys/kernel/mm/ksm/smart_scan': '0\n',
  '/sys/kernel/mm/ksm/pages_shared': '0\n',
  '/sys/kernel/mm/ksm/pages_sharing': '0\n',
  '/sys/kernel/mm/ksm/pages_scanned': '0\n',
  '/sys/kernel/mm/ksm/full_scans': '0\n',
  '/sys/kernel/mm/ksm/general_profit': '0\n',
  '/sys/module/zswap/parameters/enabled': 'N\n',
  '/sys/module/zswap/parameters/compressor': 'lzo\n',
  '/sys/module/zswap/parameters/max_pool_percent': '20\n',
  '/sys/module/zswap/parameters/shrinker_enabled': 'N\n',
  '/sys/block/zram0/comp_algorithm': '[lzo-rle] lzo lz4 \n',
  '/sys/block/zram0/disksize': '0\n',
  '/sys/block/zram0/initstate': '0\n',
  '/sys/block/zram0/mm_stat': '0 0 0 0 0 0 0 0 0\n',
  '/sys/block/zram0/reset': '',
  '/dev/zram0': '',
}

/** Lays the files out under `root`. */
export const layOut = (root: string, files: Readonly<Record<string, string>> = fakeFiles): void => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** Settings that a run may change, with their present values; what must be equal before and after. */
export const settingsOf = (root: string): Record<string, string> =>
  Object.fromEntries(
    Object.keys(fakeFiles)
      .filter((path) => /\/(ksm\/(run|pages_to_scan|sleep_millisecs|advisor_mode|smart_scan)|parameters\/\w+|zram0\/(comp_algorithm|disksize)|proc\/swaps|sys\/vm\/(?!drop_caches|compact_memory)[\w-]+|transparent_hugepage\/\w+|lru_gen\/min_ttl_ms)$/u.test(path))
      .map((path) => [path, existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8').trim() : 'absent']),
  )

export interface FakeOptions {
  /** zswap compressors this kernel has; another is accepted and silently not kept. */
  zswapCompressors?: readonly string[]
  /** KiB that land in swap with each swapon. */
  usedKib?: number
  /** Compressors this kernel has for the module. */
  moduleDrivers?: readonly string[]
  /** How many of the huge pages set aside are in use by now: no fewer are kept. */
  reservedInUse?: number
  /** What modprobe says instead of loading it. */
  modprobeSays?: string
  /** What agentmem-backing says instead of giving a file of this size, or of taking it away; undefined: it does. */
  backingSays?: (sizeBytes: number) => string | undefined
  takeSays?: () => string | undefined
  onWrite?: (line: string) => void
}

/**
 * Kernel files on a plain tree, with the side effects that real ones have:
 * lists keep their brackets, reset empties a device, changing the advisor
 * resets pages_to_scan, a compressor that is not there is not kept.
 */
export const fakeKernel = (root: string, options: FakeOptions = {}): KernelFiles => {
  const real = createKernelFiles({ root, ...(options.onWrite === undefined ? {} : { onWrite: options.onWrite }) })
  const at = (path: string) => join(root, path)
  const text = (path: string) => readFileSync(at(path), 'utf8')
  const put = (path: string, value: string) => writeFileSync(at(path), `${value}\n`)
  const choose = (list: string, value: string) =>
    list
      .trim()
      .split(/\s+/u)
      .map((word) => word.replace(/^\[(.*)\]$/u, '$1'))
      .map((word) => (word === value ? `[${word}]` : word))
      .join(' ')
  return {
    read: (path) => real.read(path),
    makeGroup: (folder) => real.makeGroup(folder),
    removeGroup: (folder) => real.removeGroup(folder),
    write: async (path, value) => {
      const list = /comp_algorithm$|advisor_mode$|transparent_hugepage\/\w+$/u.test(path) ? text(path) : null
      const compressor = path.endsWith('/compressor') ? text(path) : null
      const result = await real.write(path, value)
      if (!result.ok) return result
      if (list !== null) {
        const all = list.replaceAll(/[[\]]/gu, '').trim().split(/\s+/u)
        put(path, all.includes(value) ? choose(list, value) : list.trim())
        if (path.endsWith('advisor_mode')) put('/sys/kernel/mm/ksm/pages_to_scan', value === 'none' ? '100' : '500')
      }
      if (compressor !== null && !(options.zswapCompressors ?? ['lzo', 'deflate']).includes(value)) put(path, compressor.trim())
      const device = /^\/sys\/block\/(zram\d+)\/reset$/u.exec(path)?.[1]
      if (device !== undefined) {
        put(`/sys/block/${device}/disksize`, '0')
        put(`/sys/block/${device}/comp_algorithm`, choose(text(`/sys/block/${device}/comp_algorithm`), 'lzo-rle'))
        writeFileSync(at(path), '')
      }
      // Either of bytes and ratio is 0 while the other holds.
      const dirty = /^(.*\/dirty_(?:background_)?)(bytes|ratio)$/u.exec(path)
      if (dirty !== null) put(`${dirty[1]}${dirty[2] === 'bytes' ? 'ratio' : 'bytes'}`, '0')
      if (path.endsWith('/transparent_hugepage/enabled')) put('/proc/sys/vm/min_free_kbytes', value === 'never' ? '45056' : '67584')
      if (path.endsWith('/nr_hugepages')) put(path, String(Math.max(Number(value), options.reservedInUse ?? 0)))
      if (path.endsWith('/compact_memory')) writeFileSync(at(path), '')
      if (path.endsWith('/hot_remove')) {
        rmSync(at(`/sys/block/zram${value}`), { recursive: true, force: true })
        rmSync(at(`/dev/zram${value}`), { force: true })
      }
      return result
    },
  }
}

/** What a loaded module shows. */
export const moduleFiles = (compressor: string, drivers: readonly string[] = ['zstd', 'lz4']): Record<string, string> => ({
  '/sys/module/agentmem/refcnt': '0\n',
  '/sys/module/agentmem/initstate': 'live\n',
  '/sys/module/agentmem/version': '0.1.0\n',
  '/sys/module/agentmem/parameters/compressor': `${compressor}\n`,
  '/sys/module/agentmem/parameters/warm_after_ms': '300000\n',
  '/sys/module/agentmem/parameters/hot_most_bytes': '0\n',
  '/sys/module/agentmem/parameters/quota_bytes': '17179869184\n',
  '/sys/module/agentmem/parameters/user_most_bytes': '68719476736\n',
  '/proc/agent_stats': `agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain\ntotal agents 0 units 0 bytes 0 contents 0 content_bytes 0 hot_bytes 0 warm_bytes 0 compressor ${drivers.includes(compressor) ? `${compressor}-scomp` : 'none'}\n`,
})

/** What /proc/agent_stats says of the backing file. */
const setBacking = (root: string, mostBytes: number): void => {
  const path = join(root, '/proc/agent_stats')
  const rest = readFileSync(path, 'utf8').replace(/ backing .*/u, '')
  writeFileSync(path, mostBytes === 0 ? rest : rest.replace(/(total .*)/u, `$1 backing in-use backing_bytes ${mostBytes} backing_used_bytes 0`))
}

/** A module that was built for the kernel of `fakeFiles` and can be loaded. */
export const builtModule: Readonly<Record<string, string>> = {
  '/proc/modules': '',
  '/lib/modules/6.18.0-test/modules.dep': 'updates/dkms/agentmem.ko.xz:\n',
  '/lib/modules/6.18.0-test/updates/dkms/agentmem.ko.xz': '',
}

/** mkswap, swapon and swapoff on the plain tree's /proc/swaps. */
export const fakeTools = (root: string, options: FakeOptions = {}): SystemTools => {
  const swaps = join(root, '/proc/swaps')
  const inside = (path: string) => (path.startsWith(root) ? path.slice(root.length) : path)
  const sizeKib = (path: string): number => {
    const zram = /^\/dev\/(zram\d+)$/u.exec(path)?.[1]
    const bytes = zram === undefined ? readFileSync(join(root, path)).length : Number(readFileSync(join(root, `/sys/block/${zram}/disksize`), 'utf8'))
    return Math.floor(bytes / 4096) * 4 - 4
  }
  return {
    makeSwap: async () => ok(null),
    swapOn: async (path, priority) => {
      const name = inside(path)
      writeFileSync(swaps, `${readFileSync(swaps, 'utf8')}${name} ${name.startsWith('/dev/') ? 'partition' : 'file'} ${sizeKib(name)} ${options.usedKib ?? 0} ${priority}\n`)
      return ok(null)
    },
    swapOff: async (path) => {
      const kept = readFileSync(swaps, 'utf8').split('\n').filter((line) => !line.startsWith(`${inside(path)} `))
      writeFileSync(swaps, kept.join('\n'))
      return ok(null)
    },
    zramAdd: async () => {
      let n = 0
      while (existsSync(join(root, `/sys/block/zram${n}`))) n += 1
      layOut(root, {
        [`/sys/block/zram${n}/comp_algorithm`]: '[lzo-rle] lzo lz4 \n',
        [`/sys/block/zram${n}/disksize`]: '0\n',
        [`/sys/block/zram${n}/mm_stat`]: '0 0 0 0 0 0 0 0 0\n',
        [`/sys/block/zram${n}/reset`]: '',
        [`/dev/zram${n}`]: '',
      })
      return ok(n)
    },
    fillFile: async (path, sizeBytes) => {
      // A small stand-in: the tests ask for the name and the mode, not for the blocks.
      writeFileSync(path, Buffer.alloc(Math.min(sizeBytes, 64 * KIB)))
      chmodSync(path, 0o600)
      return ok(null)
    },
    sync: async () => ok(null),
    module: {
      load: async (compressor) => {
        if (options.modprobeSays !== undefined) return moduleFailure(options.modprobeSays, 'load')
        layOut(root, moduleFiles(compressor, options.moduleDrivers ?? ['zstd', 'lz4']))
        return ok(null)
      },
      settle: async () => {},
      unload: async () => {
        if (Number(readFileSync(join(root, '/sys/module/agentmem/refcnt'), 'utf8')) > 0) return moduleFailure('modprobe: FATAL: Module agentmem is in use.', 'unload')
        for (const path of ['/sys/module/agentmem', '/proc/agent_stats']) rmSync(join(root, path), { recursive: true, force: true })
        return ok(null)
      },
      giveBacking: async (sizeBytes) => {
        const refused = options.backingSays?.(sizeBytes)
        if (refused !== undefined) return backingFailure(refused, 'give')
        setBacking(root, sizeBytes)
        return ok(null)
      },
      takeBacking: async () => {
        const refused = options.takeSays?.()
        if (refused !== undefined) return backingFailure(refused, 'take')
        setBacking(root, 0)
        return ok(null)
      },
    },
  }
}
