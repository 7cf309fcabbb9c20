/** Conditions of how the kernel makes room. */
import { setTimeout as sleep } from 'node:timers/promises'
import { read, tryRun } from '../../guest/inside/harness.ts'
import { asUser, DEV } from '../../guest/inside/users.ts'
import type { Condition } from './condition.ts'
import { meminfo, perl, python, vmstat, writeSettings } from './make.ts'

const MIB = 1024 * 1024
/** Taken by each of two programs at once. */
const BURST_MIB = 20
/** What programs hold that does not fit. */
const OVER_MIB = 20
/** Files that are in use, and stay beside what is compressed. */
const FILE_MIB = 160

/** Free pieces of 2 MiB and more; the small zone for old devices is left out. */
const largeBlocks = (): number =>
  read('/proc/buddyinfo').split('\n').filter((line) => !/\bDMA\b/u.test(line)).reduce((sum, line) => sum + line.trim().split(/\s+/u).slice(-2).reduce((blocks, count, i) => blocks + Number(count) * 2 ** i, 0), 0)

/**
 * two processes that take `BURST_MIB` each at the same moment, every eight seconds,
 * and drop the oldest, of a little more than there is in memory: for every new
 * page another must be compressed. The kernel has time for that between the
 * bursts, and no processor free for it during one. Nothing is needed again, so
 * that it is no thrashing. A third goes on working all the time, as on a machine
 * in use, with files: so these stay, and memory is not short as such. (Fixed, the threshold lets each piece go back.)
 */
const bursts = (mib: number): string => `
import collections
file = os.open('/var/tmp/kept', os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.unlink('/var/tmp/kept')
for piece in half(${FILE_MIB}): os.write(file, piece)
os.fsync(file)
if os.fork() == 0:
  os.nice(19)
  piece = bytearray(MIB)
  while True:
    # Twice is what the kernel takes for use.
    for at in range(2 * ${FILE_MIB}): os.preadv(file, [piece], at % ${FILE_MIB} * MIB)
    rest = time.time() + 2
    while time.time() < rest: pass
os.fork()
template = b''.join(half(1))
ring = collections.deque(bytearray(template) for _ in range(${Math.round(mib / 2)}))
ready()
while True:
  time.sleep(8 - time.time() % 8)
  for _ in range(${BURST_MIB}):
    ring.popleft()
    ring.append(bytearray(template))
`

/** Five bursts: of one more or less little is left. */
const WATCHED_S = 40

/** Of the pages collected in that time, the part that programs had to collect themselves. */
const shareOfPrograms = async (): Promise<number> => {
  const now = (): [number, number] => [vmstat('pgsteal_direct'), vmstat('pgsteal_kswapd')]
  const [direct, background] = now()
  let most = 0
  let least = Infinity
  for (let seconds = 0; seconds < WATCHED_S; seconds += 1) {
    await sleep(1_000)
    least = Math.min(least, meminfo('MemAvailable'))
    most = Math.max(most, Number(/full avg10=([\d.]+)/u.exec(read('/proc/pressure/memory'))?.[1]))
  }
  console.log(`#   all programs stood still for at most ${most} % of ten seconds; at least ${Math.round(least / MIB)} MiB were available, ${Math.round(meminfo('SwapFree') / MIB)} of ${Math.round(meminfo('SwapTotal') / MIB)} MiB of swap are free`)
  const [directThen, backgroundThen] = now()
  const own = directThen - direct
  console.log(`#   pages that programs collected themselves: ${Math.round(own / WATCHED_S)} a second`)
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
      // They end by themselves some minutes after they were asked: what they hold would be missing then from what is more than fits.
      tryRun('systemctl', ['stop', 'agentmem-helper.service'])
      const [file = '', ...args] = asUser(DEV, 'systemctl', '--user', 'stop', 'agentmem-session.service')
      tryRun(file, args)
      // A machine without huge pages, and with compressed swap used before files go; the reserve of one with huge pages is larger than such bursts.
      writeSettings({ '/proc/sys/vm/swappiness': '200', '/sys/kernel/mm/transparent_hugepage/enabled': 'never', '/proc/sys/vm/min_free_kbytes': '4608' }, later)
      await python(bursts(Math.round(meminfo('MemAvailable') / MIB) + OVER_MIB), { later, launcher: ['env', 'MALLOC_MMAP_THRESHOLD_=65536'] })
    },
    lookFor: '17s',
    solution: 'begin-earlier',
    figure: { what: 'room that programs had to make themselves', unit: 'percent', read: shareOfPrograms, must: 'fall', least: 5 },
  },
]
