import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, percent } from '../../amounts.ts'
import { plural } from '../../report/format.ts'
import { above, below, figure, historyOf, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsMeminfo, needsSpan, needsSysctl } from '../needs.ts'
import type { Offer, Rule } from '../rule.ts'
import { lastOf, numberIn, rateOf, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { MB, mem, percentOf, RATE_MS, recent, totalOf, vm } from './kit.ts'
import { advice, command, leaveIt, MACHINE, moreMemory, preset, tunable } from './offers.ts'

/** Files kept in memory: mostly fine; and what waits to be written. */

/** Files in memory that could be dropped: without tmpfs, whose files are nowhere else. */
const cacheOf = (look: Evidence): number => Math.max(0, mem(look, 'Cached') + mem(look, 'Buffers') + mem(look, 'SReclaimable') - mem(look, 'Shmem'))

const mostly = define({
  id: 'page-cache.mostly-cache',
  topic: 'page-cache',
  title: 'Most of the used memory is file cache: that is fine',
  needs: [needsMeminfo('MemTotal', 'MemFree', 'MemAvailable', 'Cached')],
  thresholds: { cachePercent: 50, freePercent: 15, availablePercent: 40 },
  because: 'Documentation/filesystems/proc.rst: MemFree is memory used for nothing at all, MemAvailable what programs can get. Cache is given back at once when a program asks.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const cache = percentOf(cacheOf(look), totalOf(look))
    const free = percentOf(mem(look, 'MemFree'), totalOf(look))
    if (cache <= limit.cachePercent || free >= limit.freePercent || percentOf(mem(look, 'MemAvailable'), totalOf(look)) <= limit.availablePercent) return []
    return [{
      subject: '',
      severity: 'information',
      explanation: `Memory looks full, only ${amount(mem(look, 'MemFree'))} are free, but ${amount(cacheOf(look))} of it are contents of files that were read or written lately. The kernel keeps them because empty memory is of no use, and drops them the moment a program needs room: ${amount(mem(look, 'MemAvailable'))} can be had at any time. Look at "available", not at "free".`,
      figures: [
        figure({ what: 'File cache, of all memory', value: cache, unit: 'percent', source: '/proc/meminfo Cached + Buffers + SReclaimable - Shmem', threshold: above(limit.cachePercent), history: historyOf(looks, (each) => percentOf(cacheOf(each), totalOf(each))) }),
        figure({ what: 'Free memory', value: mem(look, 'MemFree'), unit: 'bytes', source: '/proc/meminfo MemFree', threshold: below(Math.round((totalOf(look) * limit.freePercent) / 100)) }),
        figure({ what: 'Available memory', value: mem(look, 'MemAvailable'), unit: 'bytes', source: '/proc/meminfo MemAvailable' }),
      ],
      solutions: [
        leaveIt('Leave it as it is', 'The cache makes builds, searches and starts quick, and goes by itself.', 'None.'),
        preset({ id: 'drop-cache', title: 'Drop cached file contents once', what: 'Writes what is unwritten and gives the cache back.', tradeOff: 'Everything is read from disk again: the next builds and searches are slower. No program gets more memory than before.', sideEffects: 'The cache fills again within minutes.', scope: MACHINE }, 'action-prune-cache-1', 'nothing-to-undo'),
      ],
    }]
  },
  lookDeeper: [],
})

const vfsPressure = define({
  id: 'page-cache.names-kept',
  topic: 'page-cache',
  title: 'The kernel is told to keep names of files rather than anything else',
  needs: [needsSysctl(vm('vfs_cache_pressure')), needsMeminfo('MemTotal', 'SReclaimable')],
  thresholds: { vfsCachePressure: 50, slabPercent: 10 },
  because: 'Documentation/admin-guide/sysctl/vm.rst: at 100 names and attributes of files (dentries, inodes) are given back at a fair rate, less keeps them, and 0 "can easily lead to out-of-memory conditions".',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const now = numberIn(look.sysctl, vm('vfs_cache_pressure')) ?? 100
    const share = percentOf(mem(look, 'SReclaimable'), totalOf(look))
    if (now >= limit.vfsCachePressure || share <= limit.slabPercent) return []
    return [{
      subject: '',
      severity: now === 0 ? 'warning' : 'advice',
      explanation: `${amount(mem(look, 'SReclaimable'))} (${percent(share)} of memory) hold names and attributes of files, and vm.vfs_cache_pressure is ${counted(now)}, which tells the kernel to ${now === 0 ? 'never give them back' : 'be slow to give them back'}. Large checkouts and searches over node_modules fill it quickly, and programs and file contents have to make room for it.`,
      figures: [
        figure({ what: 'vm.vfs_cache_pressure', value: now, unit: 'count', source: vm('vfs_cache_pressure'), threshold: below(limit.vfsCachePressure) }),
        figure({ what: 'Names and attributes of files, of memory', value: share, unit: 'percent', source: '/proc/meminfo SReclaimable', threshold: above(limit.slabPercent) }),
        figure({ what: 'Names and attributes of files', value: mem(look, 'SReclaimable'), unit: 'bytes', source: '/proc/meminfo SReclaimable' }),
      ],
      solutions: [
        tunable({ id: 'fair', title: 'Treat them like everything else', what: `Sets vm.vfs_cache_pressure from ${counted(now)} to 100, the kernel's default.`, tradeOff: 'A search over a very large tree may be slower the second time.', sideEffects: 'None known.' }, { vfsCachePressure: 100 }),
        preset({ id: 'drop-names', title: 'Drop them once', what: 'Gives back the memory that holds names and attributes of files.', tradeOff: 'The next walk through folders, such as git status, is slower.', sideEffects: 'They come back with use.', scope: MACHINE }, 'action-prune-cache-2', 'nothing-to-undo'),
      ],
    }]
  },
  lookDeeper: ['bpftrace.slab'],
})

const smallerDirty = (): Offer => tunable({
  id: 'write-earlier',
  title: 'Begin writing earlier, in smaller portions',
  what: 'Sets vm.dirty_background_bytes to 64 MB and vm.dirty_bytes to 256 MB: writing to disk starts sooner, and never so much waits at once.',
  tradeOff: 'A program that writes much in one go is slowed down earlier.',
  sideEffects: 'Files that live shortly are written more often; a little more wear of an SSD.',
}, { dirtyBytes: 256 * MB, dirtyBackgroundBytes: 64 * MB })

const dirty = define({
  id: 'page-cache.dirty',
  topic: 'page-cache',
  title: 'Much that was written is not on the disk yet',
  needs: [needsMeminfo('Dirty', 'Writeback', 'MemTotal'), needsCounter('nr_dirty_threshold')],
  thresholds: { percentOfLimit: 50, bytes: 512 * MB, warnPercentOfLimit: 90 },
  because: 'Documentation/admin-guide/sysctl/vm.rst: at dirty_background_ratio the kernel begins to write, at dirty_ratio (nr_dirty_threshold) every program that writes is made to wait. Such pages cannot be dropped for others.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const waiting = mem(look, 'Dirty') + mem(look, 'Writeback')
    const most = (look.vmstat['nr_dirty_threshold'] ?? 0) * look.pageBytes
    const share = percentOf(waiting, most)
    if (share <= limit.percentOfLimit || waiting <= limit.bytes) return []
    return [{
      subject: '',
      severity: share > limit.warnPercentOfLimit ? 'warning' : 'advice',
      explanation: `${amount(waiting)} were written by programs and wait in memory until the disk takes them. At ${amount(most)} every program that writes has to wait for the disk. Until they are written, these pages cannot be given to anybody, and a power cut would lose them. A slow disk (USB, network) fills up like this quickly.`,
      figures: [
        figure({ what: 'Waiting to be written, of what is allowed', value: share, unit: 'percent', source: '/proc/meminfo Dirty + Writeback, /proc/vmstat nr_dirty_threshold', threshold: above(limit.percentOfLimit) }),
        figure({ what: 'Waiting to be written', value: waiting, unit: 'bytes', source: '/proc/meminfo Dirty + Writeback', threshold: above(limit.bytes), history: historyOf(looks, (each) => mem(each, 'Dirty') + mem(each, 'Writeback')) }),
      ],
      solutions: [smallerDirty(), command({ id: 'sync', title: 'Write it now', what: 'Waits until everything is on the disk.', tradeOff: 'The disk is busy meanwhile.', sideEffects: 'None.', scope: MACHINE }, 'sync', false, 'There is nothing to undo.', 'nothing-to-undo'), tunable({ id: 'older', title: 'Write what is older than 5 s', what: 'Sets vm.dirty_expire_centisecs from its default of 30 s to 5 s.', tradeOff: 'More, smaller writes.', sideEffects: 'A little more wear of an SSD; a disk sleeps less.' }, { dirtyExpireMs: 5000 })],
    }]
  },
  lookDeeper: ['ftrace.writeback'],
})

const meetsDirty = define({
  id: 'page-cache.reclaim-meets-dirty',
  topic: 'page-cache',
  title: 'Making room has to wait for the disk',
  needs: [needsSpan(RATE_MS), needsCounter('nr_vmscan_immediate_reclaim')],
  thresholds: { pagesPerSecond: 250 },
  because: 'nr_vmscan_immediate_reclaim of /proc/vmstat: pages at the end of their time that were still being written, so that reclaim had to leave them (mm/vmscan.c). 250 pages are 1 MB a second.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const rate = vmstatRate(recent(looks), 'nr_vmscan_immediate_reclaim').value
    if (rate === null || rate.perSecond <= limit.pagesPerSecond) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `The kernel needs room, but the oldest pages it finds, ${amount(rate.perSecond * look.pageBytes)} a second, hold data that is just being written. It must wait for the disk before it can use them, and programs that ask for memory wait with it.`,
      figures: [
        figure({ what: 'Pages found unwritten', value: rate.perSecond, unit: 'per-second', source: '/proc/vmstat nr_vmscan_immediate_reclaim', threshold: above(limit.pagesPerSecond), history: rateHistoryOf(looks, (each) => each.vmstat['nr_vmscan_immediate_reclaim']) }),
        figure({ what: 'Waiting to be written', value: mem(look, 'Dirty') + mem(look, 'Writeback'), unit: 'bytes', source: '/proc/meminfo Dirty + Writeback' }),
      ],
      solutions: [smallerDirty(), moreMemory()],
    }]
  },
  lookDeeper: ['ftrace.writeback', 'ftrace.reclaim'],
})

const dropped = define({
  id: 'page-cache.dropped-regularly',
  topic: 'rivals',
  title: 'Something keeps dropping the file cache',
  needs: [needsSpan(60_000), needsCounter('drop_pagecache')],
  thresholds: { drops: 2 },
  because: 'drop_pagecache of /proc/vmstat counts writes to /proc/sys/vm/drop_caches. Documentation/admin-guide/sysctl/vm.rst: it "is not a means to control the growth of the various kernel caches"; use outside tests is not recommended.',
  find: (looks, limit) => {
    const rate = rateOf(looks, (look) => look.vmstat['drop_pagecache']).value
    if (rate === null || rate.change <= limit.drops) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${counted(rate.change)} times in ${plural(Math.round(rate.overMs / 60_000), 'minute')} some program dropped all files from memory ("drop_caches"). That makes "free" look better and everything slower: what was dropped is read from disk again. Programs get no more memory by it, since the kernel gives cache back anyway. It is often a "RAM cleaner" or a job in cron.`,
      figures: [figure({ what: 'Times the cache was dropped', value: rate.change, unit: 'count', source: '/proc/vmstat drop_pagecache', threshold: above(limit.drops), history: historyOf(looks, (look) => look.vmstat['drop_pagecache']) })],
      solutions: [
        command({ id: 'find-job', title: 'Find the job that does it', what: 'Searches the usual places for it.', tradeOff: 'A program that is not a script is not found.', sideEffects: 'Only reads.', scope: MACHINE }, 'sudo grep -rsl drop_caches /etc/cron* /etc/systemd /usr/local /var/spool/cron', true, 'There is nothing to undo.', 'nothing-to-undo'),
        advice({ id: 'stop-job', title: 'Take it out', what: 'Remove the job. Where it was made to win memory for programs, compressed swap does that.', tradeOff: '"Free" shows less; "available" does not change.', sideEffects: 'Builds and searches get quicker.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

export const pageCache: readonly Rule[] = [mostly, vfsPressure, dirty, meetsDirty, dropped]
