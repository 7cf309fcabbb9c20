/**
 * Ten conditions. Each is made, must be the first of what is found that was not
 * there before, and what is advised must help by a figure of the kernel's own.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, read, run, tryRun, until, type Test } from '../../guest/inside/harness.ts'
import { diagnose, meminfo, tryKept, undo, vmstat, type Finding } from './ask.ts'
import { holds, python, type Made } from './make.ts'

const MIB = 1024 * 1024
const RANK = ['critical', 'warning', 'advice', 'information']

interface Condition {
  readonly name: string
  /** The rule that must come first. */
  readonly finds: string
  /** Makes it; answers how it is taken away again. */
  readonly make: () => Promise<() => Promise<void>>
  /** Further looks, where a rule needs to see it go on. */
  readonly moreLooks?: number
  /** A figure before and after: it must fall, or rise. */
  readonly figure: { readonly what: string; readonly read: () => number; readonly must: 'fall' | 'rise'; readonly least: number }
  /** The solution of the finding that is done. */
  readonly solution: string
  /** Does it, where it is no run: what a person would type. */
  readonly act?: (finding: Finding, made: () => Promise<void>) => Promise<void>
  readonly apart?: string
}

const keyOf = ({ rule, subject }: Finding): string => `${rule} ${subject}`

const testOf = (condition: Condition): Test => ({
  name: `condition: ${condition.name}`,
  limitMs: 20 * 60_000,
  run: async () => {
    const before = new Set(diagnose('1s').map(keyOf))
    let unmake = await condition.make()
    let runId: string | null = null
    try {
      for (let more = 0; more < (condition.moreLooks ?? 0); more += 1) diagnose(condition.apart)
      const findings = diagnose(condition.apart)
      const fresh = findings.filter((finding) => !before.has(keyOf(finding)))
      for (const { rule, severity, title } of findings) console.log(`#   ${severity.padEnd(11)} ${rule}: ${title}`)
      const [first] = fresh
      check(first?.rule === condition.finds, `the first finding is ${first?.rule ?? 'none'}, expected ${condition.finds}`)
      if (first === undefined) return
      const better = findings.find((finding) => RANK.indexOf(finding.severity) < RANK.indexOf(first.severity))
      check(better === undefined, `${better?.rule ?? ''} stands before it`)
      check(first.solutions.length >= 2, 'fewer than two solutions')
      const solution = first.solutions.find(({ id }) => id === condition.solution)
      check(solution !== undefined, `no solution ${condition.solution} among ${first.solutions.map(({ id, act }) => `${id} (${act.how})`).join(', ')}`)
      const was = condition.figure.read()
      if (condition.act === undefined) runId = tryKept(first, condition.solution)
      else {
        await condition.act(first, unmake)
        unmake = async () => undefined
      }
      await sleep(3000)
      const is = condition.figure.read()
      const change = condition.figure.must === 'rise' ? is - was : was - is
      console.log(`#   ${condition.figure.what}: ${was} -> ${is}`)
      check(change >= condition.figure.least, `${condition.figure.what}: ${was} -> ${is}, expected to ${condition.figure.must} by ${condition.figure.least}`)
    } finally {
      if (runId !== null) undo(runId)
      await unmake()
    }
  },
})

const ended = (made: Made) => async (): Promise<void> => { await made.end() }
/** What a person does who reads "end it" or "give it back". */
const endIt = async (_finding: Finding, unmake: () => Promise<void>): Promise<void> => { await unmake() }

const conditions: readonly Condition[] = [
  {
    name: 'no swap',
    finds: 'swap.none',
    make: async () => ended(await python(holds(300))),
    figure: { what: 'SwapTotal', read: () => meminfo('SwapTotal'), must: 'rise', least: 100 * MIB },
    solution: 'compressed-swap',
  },
  {
    name: 'page cache heavy',
    finds: 'page-cache.mostly-cache',
    make: async () => {
      run('dd', 'if=/dev/zero', 'of=/var/tmp/big', 'bs=1M', 'count=750')
      run('sync')
      const made = await python(holds(280))
      run('dd', 'if=/var/tmp/big', 'of=/dev/null', 'bs=1M')
      return async () => {
        await made.end()
        rmSync('/var/tmp/big', { force: true })
      }
    },
    figure: { what: 'MemFree', read: () => meminfo('MemFree'), must: 'rise', least: 200 * MIB },
    solution: 'drop-cache',
  },
  {
    name: 'runaway tmpfs',
    finds: 'memory-files.tmpfs',
    make: async () => {
      run('dd', 'if=/dev/urandom', 'of=/dev/shm/runaway', 'bs=1M', 'count=560')
      return async () => { rmSync('/dev/shm/runaway', { force: true }) }
    },
    figure: { what: 'MemAvailable', read: () => meminfo('MemAvailable'), must: 'rise', least: 250 * MIB },
    solution: 'list-files',
    act: endIt,
  },
  {
    name: 'locked memory',
    finds: 'virtual-memory.locked',
    make: async () => ended(await python(holds(400, "import ctypes\nassert ctypes.CDLL(None).mlockall(1) == 0"), [], false)),
    figure: { what: 'Mlocked', read: () => meminfo('Mlocked'), must: 'fall', least: 200 * MIB },
    solution: 'end-holder',
    act: endIt,
  },
  {
    name: 'cgroup OOM',
    finds: 'cgroups.oom-kill',
    make: async () => {
      // A service that is killed for its limit, and started again.
      tryRun('systemd-run', ['--unit=small', '--slice=small', '-p', 'MemoryMax=40M', '-p', 'MemorySwapMax=0', 'python3', '-c', holds(100)])
      await until('the kernel to end it', () => vmstat('oom_kill') > 0)
      return async () => { tryRun('systemctl', ['reset-failed', 'small.service']) }
    },
    figure: { what: 'processes of the unit', read: () => Number(existsSync('/sys/fs/cgroup/small.slice/small.service/cgroup.procs')), must: 'rise', least: 1 },
    solution: 'raise-limit',
    act: async () => {
      tryRun('systemctl', ['reset-failed', 'small.service'])
      run('systemd-run', '--unit=small', '--slice=small', '-p', 'MemoryMax=300M', 'python3', '-c', holds(100))
      await sleep(8000)
    },
  },
  {
    name: 'KSM without candidates',
    finds: 'ksm.nothing-offered',
    make: async () => {
      writeFileSync('/sys/kernel/mm/ksm/pages_to_scan', '2000')
      writeFileSync('/sys/kernel/mm/ksm/run', '1')
      return async () => { writeFileSync('/sys/kernel/mm/ksm/run', '0') }
    },
    figure: { what: 'KSM runs', read: () => Number(read('/sys/kernel/mm/ksm/run')), must: 'fall', least: 1 },
    solution: 'off',
  },
  {
    name: 'full zswap pool',
    finds: 'swap.zswap-pool-full',
    make: async () => {
      run('dd', 'if=/dev/zero', 'of=/var/tmp/swapfile', 'bs=1M', 'count=400')
      run('chmod', '600', '/var/tmp/swapfile')
      run('mkswap', '/var/tmp/swapfile')
      writeFileSync('/sys/module/zswap/parameters/max_pool_percent', '1')
      writeFileSync('/sys/module/zswap/parameters/enabled', 'Y')
      run('swapon', '/var/tmp/swapfile')
      const made = await python("import os, time\nprint('pid', os.getpid())\nheld = [os.urandom(512 << 10) + bytes(512 << 10) for _ in range(300)]\nprint('ready')\ntime.sleep(100000)", ['systemd-run', '--user', '--scope', '--unit=hoard'])
      tryRun('sh', ['-c', 'for f in $(find /sys/fs/cgroup/user.slice -path "*hoard.scope/memory.reclaim"); do echo 250M > $f; done'])
      return async () => {
        await made.end()
        run('swapoff', '/var/tmp/swapfile')
        writeFileSync('/sys/module/zswap/parameters/enabled', 'N')
        writeFileSync('/sys/module/zswap/parameters/max_pool_percent', '20')
        rmSync('/var/tmp/swapfile')
      }
    },
    figure: { what: 'max_pool_percent', read: () => Number(read('/sys/module/zswap/parameters/max_pool_percent')), must: 'rise', least: 4 },
    solution: 'larger-pool',
  },
  {
    name: 'fragmented memory',
    finds: 'fragmentation.no-large-blocks',
    make: async () => {
      // Every other page of most of memory stays: what is free lies in single pages between.
      const made = await python("import mmap, os, time\nprint('pid', os.getpid())\nfree = int([line for line in open('/proc/meminfo') if line.startswith('MemFree')][0].split()[1]) << 10\nlength = (free - (60 << 20)) & ~8191\narea = mmap.mmap(-1, length)\narea.madvise(mmap.MADV_NOHUGEPAGE)\nfor at in range(0, length, 4096): area[at] = 1\nfor at in range(0, length, 8192): area.madvise(mmap.MADV_DONTNEED, at, 4096)\nprint('ready')\ntime.sleep(100000)")
      return ended(made)
    },
    figure: { what: 'free blocks of 2 MB and more', read: () => read('/proc/buddyinfo').split('\n').reduce((sum, line) => sum + line.trim().split(/\s+/u).slice(-2).reduce((blocks, count) => blocks + Number(count), 0), 0), must: 'rise', least: 5 },
    solution: 'compact-now',
  },
  {
    name: 'direct-reclaim stalls',
    finds: 'pressure.direct-reclaim',
    make: async () => {
      run('dd', 'if=/dev/urandom', 'of=/var/tmp/read', 'bs=1M', 'count=600')
      const made = await python("import os, time\nprint('pid', os.getpid())\nif os.fork() == 0:\n  while True:\n    with open('/var/tmp/read', 'rb') as f:\n      while f.read(1 << 20): pass\nheld = [os.urandom(1 << 20) for _ in range(560)]\nprint('ready')\nwhile True:\n  extra = [bytearray(os.urandom(1 << 20)) for _ in range(60)]\n  time.sleep(0.05)\n  del extra", [], false)
      return async () => {
        await made.end()
        rmSync('/var/tmp/read', { force: true })
      }
    },
    apart: '8s',
    figure: { what: 'watermark_scale_factor', read: () => Number(read('/proc/sys/vm/watermark_scale_factor')), must: 'rise', least: 10 },
    solution: 'begin-earlier',
  },
  {
    name: 'leaking process',
    finds: 'leaks.process-grows',
    make: async () => ended(await python("import os, time\nprint('pid', os.getpid())\nheld = [os.urandom(1 << 20) for _ in range(60)]\nprint('ready')\nwhile True:\n  held.append(os.urandom(1 << 20))\n  time.sleep(0.4)")),
    apart: '20s',
    moreLooks: 2,
    figure: { what: 'AnonPages', read: () => meminfo('AnonPages'), must: 'fall', least: 64 * MIB },
    solution: 'restart-it',
    act: async (_finding, unmake) => { await unmake() },
  },
]

export const conditionTests: readonly Test[] = conditions.map(testOf)
