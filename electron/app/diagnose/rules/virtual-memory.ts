import type { ProcessEvidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, listed, often, percent, times } from '../../amounts.ts'
import { above, figure, historyOf, is } from '../figures.ts'
import { needsMeminfo, needsSpan, needsSysctl, type Need } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { lastOf, numberIn, rateOf, type Rate } from '../series.ts'
import { define } from './define.ts'
import { heldBy, MB, mem, percentOf, processSubject, processWords, RATE_MS, recent, sameProcess, totalOf, vm } from './kit.ts'
import { advice, command, compressedSwapOn, endUnneeded, leaveIt, limitAgents, MACHINE, moreMemory, pageOutIdle, suspendIdle, tunable } from './offers.ts'

/** What programs were promised, what they lock, and what their page faults cost. */

const overcommit = define({
  id: 'virtual-memory.promised',
  topic: 'virtual-memory',
  title: 'Far more memory is promised than there is',
  needs: [needsMeminfo('Committed_AS', 'MemTotal', 'SwapTotal'), needsSysctl(vm('overcommit_memory'))],
  thresholds: { percentOfAll: 200 },
  because: 'Documentation/mm/overcommit-accounting.rst: Committed_AS is what would be needed if every program used all it asked for. JavaScript engines and Go ask for much they never use, so up to twice memory and swap is usual with agents.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const all = totalOf(look) + mem(look, 'SwapTotal')
    const share = percentOf(mem(look, 'Committed_AS'), all)
    if (share <= limit.percentOfAll || numberIn(look.sysctl, vm('overcommit_memory')) === 2) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Programs were promised ${amount(mem(look, 'Committed_AS'))}, ${times(share / 100)} times the memory and swap of this machine (${amount(all)}). Nothing of that is used yet, or it would show elsewhere; but should they use it, there is no way to say no any more: the kernel then ends a program.`,
      figures: [
        figure({ what: 'Promised, of memory and swap', value: share, unit: 'percent', source: '/proc/meminfo Committed_AS / (MemTotal + SwapTotal)', threshold: above(limit.percentOfAll), history: historyOf(looks, (each) => percentOf(mem(each, 'Committed_AS'), totalOf(each) + mem(each, 'SwapTotal'))) }),
        figure({ what: 'Promised', value: mem(look, 'Committed_AS'), unit: 'bytes', source: '/proc/meminfo Committed_AS' }),
      ],
      solutions: [compressedSwapOn(), limitAgents(), ...(numberIn(look.sysctl, vm('overcommit_memory')) === 1 ? [tunable({
        id: 'guess',
        title: 'Refuse what is obviously too much',
        what: 'Sets vm.overcommit_memory from 1 (promise everything) to 0, the default.',
        tradeOff: 'Redis and some databases ask for 1 so that they can save while they run.',
        sideEffects: 'A program that asks for more than there is gets an error at once.',
      }, { overcommitMemory: 0 })] : []), moreMemory()],
    }]
  },
  lookDeeper: ['perf.kernel-allocations'],
})

const never = define({
  id: 'virtual-memory.strict-limit',
  topic: 'virtual-memory',
  title: 'Programs are about to be refused memory, although some is free',
  needs: [needsMeminfo('Committed_AS', 'CommitLimit'), needsSysctl(vm('overcommit_memory'))],
  thresholds: { percentOfLimit: 90 },
  because: 'Documentation/mm/overcommit-accounting.rst: with mode 2 the sum of all promises may not exceed CommitLimit (swap and 50 % of memory by default); beyond it every request fails, whatever is free.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const share = percentOf(mem(look, 'Committed_AS'), mem(look, 'CommitLimit'))
    if (numberIn(look.sysctl, vm('overcommit_memory')) !== 2 || share <= limit.percentOfLimit) return []
    return [{
      subject: '',
      severity: 'critical',
      explanation: `vm.overcommit_memory is 2: the kernel counts what programs ask for, not what they use, and refuses everything beyond ${amount(mem(look, 'CommitLimit'))}. ${amount(mem(look, 'Committed_AS'))} (${percent(share)}) are promised, while ${amount(mem(look, 'MemAvailable'))} are available. Agents ask for gigabytes they never use, so new ones fail to start, with "Cannot allocate memory".`,
      figures: [
        figure({ what: 'Promised, of what may be', value: share, unit: 'percent', source: '/proc/meminfo Committed_AS / CommitLimit', threshold: above(limit.percentOfLimit), history: historyOf(looks, (each) => percentOf(mem(each, 'Committed_AS'), mem(each, 'CommitLimit'))) }),
        figure({ what: 'vm.overcommit_memory', value: 2, unit: 'count', source: vm('overcommit_memory'), threshold: is(2) }),
        figure({ what: 'Available memory', value: mem(look, 'MemAvailable'), unit: 'bytes', source: '/proc/meminfo MemAvailable' }),
      ],
      solutions: [tunable({
        id: 'guess',
        title: 'Promise by a sensible guess',
        what: 'Sets vm.overcommit_memory to 0, the kernel\'s default: only what is obviously too much is refused.',
        tradeOff: 'When programs do use all they were promised, one is ended instead of another being refused.',
        sideEffects: 'None for programs that run.',
      }, { overcommitMemory: 0 }), compressedSwapOn(), endUnneeded()],
    }]
  },
  lookDeeper: [],
})

const locked = define({
  id: 'virtual-memory.locked',
  topic: 'virtual-memory',
  title: 'Programs have locked much memory: it can never be paged out',
  needs: [needsMeminfo('Mlocked', 'Unevictable', 'MemTotal')],
  thresholds: { percentOfMemory: 5, bytes: 256 * MB },
  because: 'mlock(2), Documentation/mm/unevictable-lru.rst: locked pages stay in memory whatever happens. Password stores and audio need some MB; the usual limit for a user (ulimit -l) is 8 MB to an eighth of memory.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    // A process's own count holds what it pinned too, but is not there for other users' processes.
    const bytes = Math.max(mem(look, 'Mlocked'), mem(look, 'Unevictable'))
    if (percentOf(bytes, totalOf(look)) <= limit.percentOfMemory || bytes <= limit.bytes) return []
    const holders = look.processes.filter((process) => (process.lockedBytes.value ?? 0) >= 16 * MB).toSorted((a, b) => (b.lockedBytes.value ?? 0) - (a.lockedBytes.value ?? 0)).slice(0, 3)
    const who = holders.length === 0 ? ' None of your own programs did: it was one of another user, or a driver.' : ` Most is held by ${listed(holders.map((process) => `${processWords(process)}: ${amount(process.lockedBytes.value ?? 0)}`))}.`
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${amount(bytes)} (${percent(percentOf(bytes, totalOf(look)))} of memory) are locked: programs told the kernel that these pages must never leave memory. They cannot be compressed, paged out or moved, even if nobody uses them for days.${who}`,
      figures: [
        figure({ what: 'Locked memory', value: bytes, unit: 'bytes', source: '/proc/meminfo Mlocked, Unevictable', threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, (each) => Math.max(mem(each, 'Mlocked'), mem(each, 'Unevictable'))) }),
        ...holders.map((process) => figure({ what: `Locked by ${processWords(process)}`, value: process.lockedBytes.value ?? 0, unit: 'bytes', source: `/proc/${process.ref.pid}/status VmLck, VmPin` })),
      ],
      solutions: [
        advice({ id: 'end-holder', title: 'End or restart the program that locks it', what: 'Its memory is free at once. Databases, virtual machines (-mlock), model runners (--mlock) and audio programs have an option for it: leave it out.', tradeOff: 'The program loses its guarantee never to wait for a page.', sideEffects: 'Its work is interrupted.', scope: 'The program named above' }, 'Start it again with the option.'),
        command({ id: 'lower-limit', title: 'Limit what your programs may lock', what: 'In this terminal, programs started from now on may lock 64 MB at most. For good: memlock in /etc/security/limits.d, LimitMEMLOCK= in a unit.', tradeOff: 'Programs that need more (io_uring of old kernels, GPU computing) may fail to start.', sideEffects: 'Running programs keep what they have.', scope: 'Programs started from that terminal' }, 'ulimit -l 65536', false, 'Open a new terminal.'),
        ...(holders.length > 0 ? [] : [command({ id: 'find-holder', title: 'See who locks it', what: 'Lists the processes that lock most, the largest last; one that is not named there is a driver.', tradeOff: 'Takes a look at a terminal.', sideEffects: 'Only reads.', scope: MACHINE }, 'grep -H VmLck /proc/[0-9]*/status 2>/dev/null | sort -n -k 2 | tail -n 5', false, 'There is nothing to undo.', 'nothing-to-undo')]),
        pageOutIdle(),
      ],
    }]
  },
  lookDeeper: [],
})

const pageTables = define({
  id: 'virtual-memory.page-tables',
  topic: 'virtual-memory',
  title: 'The lists of who holds which page have become large',
  needs: [needsMeminfo('PageTables', 'MemTotal')],
  thresholds: { percentOfMemory: 3, bytes: 256 * MB },
  because: 'PageTables of /proc/meminfo: 8 bytes for each page that a process can reach, so 0.2 % of what it maps; shared memory mapped by many processes, and every fork, count anew. Usual is below 1 % of memory.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const bytes = mem(look, 'PageTables')
    if (percentOf(bytes, totalOf(look)) <= limit.percentOfMemory || bytes <= limit.bytes) return []
    const widest = look.processes.filter((process) => (process.virtualBytes.value ?? 0) > 0).toSorted((a, b) => (b.rssBytes.value ?? 0) - (a.rssBytes.value ?? 0)).slice(0, 3)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(bytes)} (${percent(percentOf(bytes, totalOf(look)))} of memory) are page tables: the kernel's lists of which page of a program is where. They grow when many processes map the same large memory (a database with many workers), and with every fork of a large process, which copies its list. They cannot be paged out.${widest.length === 0 ? '' : ` Processes that map most: ${listed(widest.map(processWords))}.`}`,
      figures: [figure({ what: 'Page tables', value: bytes, unit: 'bytes', source: '/proc/meminfo PageTables', threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, (each) => each.meminfo['PageTables']) })],
      solutions: [
        advice({ id: 'fewer-workers', title: 'Fewer processes over the same memory', what: 'For databases, fewer connections or a pooler (PgBouncer); for servers and test runners, fewer workers.', tradeOff: 'Less work side by side.', sideEffects: 'None known.', scope: 'That program' }),
        tunable({ id: 'huge-on-request', title: 'Allow huge pages for programs that ask', what: 'Sets transparent huge pages to "madvise": one entry then stands for 512 pages.', tradeOff: 'Only programs that ask for huge pages gain.', sideEffects: 'Holds for memory asked for from now on.' }, { transparentHugePages: 'madvise' }),
        suspendIdle(),
      ],
    }]
  },
  lookDeeper: ['perf.page-faults'],
})

const faults = (looks: Looks, process: ProcessEvidence, which: 'minorFaults' | 'majorFaults'): Rate | null => {
  // One that began in between is counted from the look in which it was first seen.
  const [first, ...rest] = looks.filter((look) => sameProcess(look, process) !== undefined)
  return first === undefined ? null : rateOf([first, ...rest], (look) => sameProcess(look, process)?.[which].value).value
}

const needsProcesses: Need = (looks) => (lastOf(looks).processes.length > 0 ? null : 'processes that may be looked at')

const majorFaults = define({
  id: 'virtual-memory.major-faults',
  topic: 'virtual-memory',
  title: 'A program keeps waiting for its own memory to be read back',
  needs: [needsSpan(RATE_MS), needsProcesses],
  thresholds: { faultsPerSecond: 50 },
  because: 'A major fault (field 12 of /proc/PID/stat, proc(5)) waits for a disk or for swap: 0.1 to 10 ms each on a disk. 50 a second can cost half of a program\'s time.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    return look.processes.flatMap((process) => {
      const rate = faults(last, process, 'majorFaults')
      if (rate === null || rate.perSecond <= limit.faultsPerSecond) return []
      const swapped = process.swapBytes.value ?? 0
      return [{
        subject: processSubject(process),
        severity: 'advice' as const,
        title: `${process.title || process.name} keeps waiting for its own memory`,
        explanation: `About ${often(rate.perSecond)} ${processWords(process)} touched a page that was not in memory and had to wait until it was read (a "major fault"). ${swapped > 0 ? `${amount(swapped)} of it lie in swap.` : 'Nothing of it lies in swap, so these are parts of its program and of files that were dropped.'} It holds ${amount(heldBy(process))}.`,
        figures: [
          figure({ what: 'Waits for a page', value: rate.perSecond, unit: 'per-second', source: `/proc/${process.ref.pid}/stat majflt`, threshold: above(limit.faultsPerSecond) }),
          figure({ what: 'Of it in swap', value: swapped, unit: 'bytes', source: `/proc/${process.ref.pid}/status VmSwap` }),
        ],
        solutions: [suspendIdle(), moreMemory(), leaveIt('Wait', 'After a program was paged out or started, that is normal for some seconds.', 'It is slow until it is back.')],
      }]
    })
  },
  lookDeeper: ['perf.major-faults', 'bpftrace.swap-in'],
})

const minorFaults = define({
  id: 'virtual-memory.minor-faults',
  topic: 'virtual-memory',
  title: 'A program keeps getting memory and giving it back',
  needs: [needsSpan(5000), needsProcesses],
  thresholds: { faultsPerSecond: 50_000 },
  because: 'A minor fault (field 10 of /proc/PID/stat, proc(5)) gives a fresh page or copies one after a fork, and takes about 0.5 to 1 µs with the clearing of the page: 50,000 a second are 200 MB a second and 3 to 5 % of a core at least.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    return look.processes.flatMap((process) => {
      const rate = faults(last, process, 'minorFaults')
      if (rate === null || rate.perSecond <= limit.faultsPerSecond) return []
      return [{
        subject: processSubject(process),
        severity: 'information' as const,
        title: `${process.title || process.name} keeps getting memory and giving it back`,
        explanation: `${processWords(process)} touches ${counted(rate.perSecond)} fresh pages a second, ${amount(rate.perSecond * look.pageBytes)}, while it holds ${amount(heldBy(process))}. So it gets memory, gives it back and gets it again, or it forks often, and each write after a fork copies a page (copy-on-write). The work is the kernel's: clearing or copying each page.`,
        figures: [figure({ what: 'Fresh pages', value: rate.perSecond, unit: 'per-second', source: `/proc/${process.ref.pid}/stat minflt`, threshold: above(limit.faultsPerSecond) })],
        solutions: [
          advice({ id: 'allocator', title: 'Let it keep its memory', what: 'For glibc programs, MALLOC_TRIM_THRESHOLD_=134217728 keeps up to 128 MB instead of giving it back; for Node, a larger young generation (--max-semi-space-size=64) collects less often.', tradeOff: 'The program holds somewhat more memory.', sideEffects: 'None for others.', scope: processWords(process) }, 'Start it without the setting.'),
          advice({ id: 'spawn', title: 'Fork less, or with less in hand', what: 'Start helpers from a small process, or with posix_spawn/vfork instead of fork: then nothing is copied.', tradeOff: 'A change of the program.', sideEffects: 'None for others.', scope: processWords(process) }),
        ],
      }]
    })
  },
  lookDeeper: ['perf.page-faults', 'bpftrace.page-faults'],
})

const threads = define({
  id: 'virtual-memory.kernel-stacks',
  topic: 'virtual-memory',
  title: 'Very many threads take memory just for existing',
  needs: [needsMeminfo('KernelStack', 'MemTotal')],
  thresholds: { bytes: 256 * MB },
  because: 'KernelStack of /proc/meminfo: 16 kB for each thread on x86-64 (THREAD_SIZE), never paged out, beside what the program reserves. 256 MB are 16,000 threads.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const bytes = mem(look, 'KernelStack')
    if (bytes <= limit.bytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(bytes)} are the kernel's own stacks, one of 16 kB for each thread: about ${counted(bytes / 16_384)} threads exist on this machine. They cannot be paged out, and each has structures of the kernel beside it. Programs that start a thread or a process for each request and never end them are the usual reason.`,
      figures: [figure({ what: 'Kernel stacks', value: bytes, unit: 'bytes', source: '/proc/meminfo KernelStack', threshold: above(limit.bytes), history: historyOf(looks, (each) => each.meminfo['KernelStack']) })],
      solutions: [
        command({ id: 'who', title: 'See who has so many', what: 'Lists programs by their number of threads.', tradeOff: 'Takes a look at a terminal.', sideEffects: 'Only reads.', scope: MACHINE }, 'ps -eo nlwp,pid,comm --sort=-nlwp | head', false, 'There is nothing to undo.', 'nothing-to-undo'),
        endUnneeded(),
      ],
    }]
  },
  lookDeeper: [],
})

export const virtualMemory: readonly Rule[] = [overcommit, never, locked, pageTables, majorFaults, minorFaults, threads]
