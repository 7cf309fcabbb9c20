/** Conditions of swap and of the file cache. */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, read, run, until } from '../../guest/inside/harness.ts'
import { DEV } from '../../guest/inside/users.ts'
import type { Condition } from './condition.ts'
import { meminfo, noSwap, python, swapFile, vmstat, writeSettings } from './make.ts'

const MIB = 1024 * 1024
const ZSWAP = '/sys/module/zswap/parameters'
/** Twice the pool of 3 % as it is, and less than one of 18 % whatever it compresses to. */
const ZSWAPPED_MIB = 180
const groupOf = (scope: string): string => `/sys/fs/cgroup/user.slice/user-${DEV.uid}.slice/user@${DEV.uid}.service/app.slice/${scope}.scope`

/** Asks the kernel to take so much of what a program holds, as paging out an idle one does; how much it got. */
const pageOut = (scope: string, mib: number): number => {
  const before = meminfo('AnonPages')
  try {
    writeFileSync(`${groupOf(scope)}/memory.reclaim`, `${mib}M`)
  } catch {
    // It got less than was asked for: EAGAIN.
  }
  return before - meminfo('AnonPages')
}

/** Of the next pages that are paged out, the part that goes to the disk: 20 MiB, or what comes within a minute. */
const shareOnDisk = async (): Promise<number> => {
  const now = (): [number, number] => [vmstat('pswpout'), vmstat('zswpout')]
  const [disk, pool] = now()
  const moved = (): [number, number] => [now()[0] - disk, now()[1] - pool]
  for (let seconds = 0; seconds < 60 && moved()[0] + moved()[1] < 5120; seconds += 1) await sleep(1000)
  const [toDisk, toPool] = moved()
  check(toDisk + toPool > 0, 'nothing is paged out any more')
  return (toDisk * 100) / (toDisk + toPool)
}

export const swapConditions: readonly Condition[] = [
  {
    name: 'no swap',
    finds: 'swap.none',
    make: async (later) => {
      await noSwap(later)
      await python("held = half(300)\nready()\ntime.sleep(100000)", { later, scope: 'idle' })
    },
    solution: 'compressed-swap',
    figure: { what: 'what paging out an idle program of 300 MiB gives back', unit: 'MiB', read: () => pageOut('idle', 250), must: 'rise', least: 150 * MIB },
  },
  {
    name: 'full zswap pool',
    finds: 'swap.zswap-pool-full',
    make: async (later) => {
      await noSwap(later)
      swapFile(700, later)
      writeSettings({ [`${ZSWAP}/max_pool_percent`]: '3', [`${ZSWAP}/enabled`]: 'Y' }, later)
      // More than the pool takes is out, and a part of it is written to and paged out again all the time.
      await python(`held = [bytearray(piece) for piece in half(${ZSWAPPED_MIB})]\nreclaim = os.open('${groupOf('hoard')}/memory.reclaim', os.O_WRONLY)\nready()\nat = 0\nwhile True:\n  for step in range(8):\n    piece = held[at % ${ZSWAPPED_MIB}]\n    for page in range(0, MIB, 4096): piece[page] ^= 1\n    at += 1\n  try: os.write(reclaim, b'40M')\n  except OSError: pass # It got less.\n  time.sleep(0.5)`, { later, scope: 'hoard' })
      await until('pages in the pool', () => meminfo('Zswap') > 30 * MIB)
      console.log(`#   pool of ${read(`${ZSWAP}/zpool`)}, compressed by ${read(`${ZSWAP}/compressor`)}`)
    },
    solution: 'larger-pool',
    // Until the program has been once round what it holds: what lies on the disk already comes back page by page.
    showsAfterMs: 90_000,
    figure: { what: 'paged out past the pool, to the disk', unit: 'percent', read: shareOnDisk, must: 'fall', least: 25 },
  },
  {
    name: 'page-cache heavy',
    finds: 'page-cache.mostly-cache',
    make: async (later) => {
      later(() => run('rm', '-f', '/var/tmp/big'))
      // A hole is cached like any file, and no disk is waited for.
      run('truncate', '-s', '900M', '/var/tmp/big')
      run('dd', 'if=/var/tmp/big', 'of=/dev/null', 'bs=1M')
      check(meminfo('Cached') > 600 * MIB, `the cache holds ${meminfo('Cached') / MIB} MiB`)
    },
    solution: 'drop-cache',
    figure: { what: 'free memory', unit: 'MiB', read: () => meminfo('MemFree'), must: 'rise', least: 300 * MIB },
  },
]

