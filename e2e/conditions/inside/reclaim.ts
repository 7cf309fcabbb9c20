/** Conditions of how the kernel makes room. */
import { setTimeout as sleep } from 'node:timers/promises'
import { read } from '../../guest/inside/harness.ts'
import type { Condition } from './condition.ts'
import { meminfo, perl, python, vmstat, writeSettings } from './make.ts'

const MIB = 1024 * 1024

/** Free pieces of 2 MiB and more; the small zone for old devices is left out. */
const largeBlocks = (): number =>
  read('/proc/buddyinfo').split('\n').filter((line) => !/\bDMA\b/u.test(line)).reduce((sum, line) => sum + line.trim().split(/\s+/u).slice(-2).reduce((blocks, count, i) => blocks + Number(count) * 2 ** i, 0), 0)

/**
 * A program that takes 12 MiB at a time and drops the oldest 12 of a little more
 * than there is in memory: for every new page another must be compressed, for
 * which the kernel has time between the bursts. Nothing is needed again, so
 * that it is no thrashing. (Fixed, the threshold lets each piece go back.)
 */
const bursts = (mib: number): string => `
import collections
template = b''.join(half(1))
ring = collections.deque(bytearray(template) for _ in range(${mib}))
ready()
while True:
  for _ in range(12):
    ring.popleft()
    ring.append(bytearray(template))
  time.sleep(0.5)
`

/** Of the pages collected in twenty seconds, the part that programs had to collect themselves. */
const shareOfPrograms = async (): Promise<number> => {
  const now = (): [number, number] => [vmstat('pgsteal_direct'), vmstat('pgsteal_kswapd')]
  const [direct, background] = now()
  await sleep(20_000)
  const [directThen, backgroundThen] = now()
  const own = directThen - direct
  return (own * 100) / Math.max(1, own + backgroundThen - background)
}

export const reclaimConditions: readonly Condition[] = [
  {
    name: 'fragmented memory',
    isCaptured: true,
    finds: 'fragmentation.no-large-blocks',
    make: async (later) => {
      // A kernel that does not tidy up ahead of time, with the reserve of a machine without huge pages: else it heals within seconds.
      writeSettings({ '/proc/sys/vm/compaction_proactiveness': '0', '/proc/sys/vm/min_free_kbytes': '4608' }, later)
      // Every other page of most of what is free stays: what is free lies in single pages between.
      const length = Math.floor((meminfo('MemFree') - 8 * MIB) / (2 * MIB)) * 2 * MIB
      await perl(`my $at = area(${length});\nfor (my $done = 0; $done < ${length}; $done += 8192) { syscall($MADVISE, $at + $done, 4096, 4) }\nready();\nsleep 100000 while 1;`, { later })
    },
    solution: 'compact-now',
    figure: { what: 'free pieces of 2 MiB', unit: 'count', read: largeBlocks, must: 'rise', least: 40 },
  },
  {
    name: 'direct-reclaim stalls',
    isCaptured: true,
    finds: 'pressure.direct-reclaim',
    make: async (later) => {
      // A machine without huge pages; the reserve of one with them is larger than such bursts.
      writeSettings({ '/sys/kernel/mm/transparent_hugepage/enabled': 'never', '/proc/sys/vm/min_free_kbytes': '4608' }, later)
      await python(bursts(Math.round(meminfo('MemAvailable') / MIB) + 20), { later, launcher: ['env', 'MALLOC_MMAP_THRESHOLD_=65536'] })
    },
    lookFor: '8s',
    solution: 'begin-earlier',
    figure: { what: 'room that programs had to make themselves', unit: 'percent', read: shareOfPrograms, must: 'fall', least: 10 },
  },
]
