import { amount, counted, percent } from '../../amounts.ts'
import { plural } from '../../report/format.ts'
import { above, figure, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsMeminfo, needsSpan } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { firstOf, lastOf, numberIn, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { hasCompressedSwap, MB, percentOf, RATE_MS, recent, totalOf, vm } from './kit.ts'
import { advice, compressedSwapOn, endUnneeded, limitAgents, MACHINE, moreMemory, pageOutIdle, preferCompressedSwap, suspendIdle, tunable } from './offers.ts'

/** Memory that goes out only to come back, programs that were ended for want of it, and reserves. */

const thrashing = define({
  id: 'pressure.thrashing',
  topic: 'pressure',
  title: 'Memory is moved out and back in all the time (thrashing)',
  needs: [needsSpan(RATE_MS), needsCounter('pswpin'), needsCounter('pswpout')],
  thresholds: { bytesPerSecondEachWay: 8 * MB },
  because: 'pswpin and pswpout of /proc/vmstat, in pages. Paging out idle agents moves much one way; only when as much comes back at the same time, from look to look, is what is needed larger than memory.',
  find: (looks, limit) => {
    const last = recent(looks)
    const { pageBytes } = lastOf(last)
    const bothWays = (part: Looks): readonly [number, number] => [(vmstatRate(part, 'pswpin').value?.perSecond ?? 0) * pageBytes, (vmstatRate(part, 'pswpout').value?.perSecond ?? 0) * pageBytes]
    const [inBytes, outBytes] = bothWays(last)
    // One agent that wakes while another is paged out looks alike for a moment: it must go on all the time.
    const steady = last.slice(1).every((look, i) => Math.min(...bothWays([last[i] ?? look, look])) > limit.bytesPerSecondEachWay)
    if (!steady || Math.min(inBytes, outBytes) <= limit.bytesPerSecondEachWay) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${amount(outBytes)} a second are written to swap (the place for memory that is not in use) while ${amount(inBytes)} a second are read back from it. What programs work with right now does not fit, so each one's pages push out another's.`,
      figures: [
        figure({ what: 'Read back from swap, a second', value: inBytes, unit: 'bytes', source: '/proc/vmstat pswpin', threshold: above(limit.bytesPerSecondEachWay), history: rateHistoryOf(looks, (look) => (look.vmstat['pswpin'] ?? 0) * look.pageBytes) }),
        figure({ what: 'Written to swap, a second', value: outBytes, unit: 'bytes', source: '/proc/vmstat pswpout', threshold: above(limit.bytesPerSecondEachWay), history: rateHistoryOf(looks, (look) => (look.vmstat['pswpout'] ?? 0) * look.pageBytes) }),
      ],
      solutions: [suspendIdle(), endUnneeded(), moreMemory(), tunable({
        id: 'protect-working-set',
        title: 'Protect what was used in the last second',
        what: 'Tells the kernel (MGLRU, Linux 6.1 and newer) never to take pages that were used within the last 1000 ms.',
        tradeOff: 'When even that does not fit, the kernel ends a program (OOM kill) instead of letting all of them crawl.',
        sideEffects: 'None while memory suffices.',
      }, { lruMinTtlMs: 1000 })],
    }]
  },
  lookDeeper: ['bpftrace.swap-in', 'ftrace.reclaim', 'perf.major-faults'],
})

const refaults = define({
  id: 'pressure.refaults',
  topic: 'pressure',
  title: 'Files are dropped from memory and read again right after',
  needs: [needsSpan(RATE_MS), needsCounter('workingset_refault_file', 'workingset_refault')],
  // With so much room in every look the machine itself had no need to drop files.
  thresholds: { bytesPerSecond: 8 * MB, roomPercent: 25 },
  because: 'workingset_refault_file (5.9+) counts file pages that were dropped so lately that they would still be there with a little more memory (mm/workingset.c). 8 MB a second keep even a fast disk noticeably busy. The counter is of all groups together: while a quarter of memory lies free in every look, a group with a limit of its own dropped them, which is less urgent.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const bytes = (vmstatRate(last, 'workingset_refault_file', 'workingset_refault').value?.perSecond ?? 0) * look.pageBytes
    if (bytes <= limit.bytesPerSecond) return []
    // Nothing has to be dropped while so much lies free, but by a group that may not take it.
    const isOfGroup = last.every((each) => percentOf(each.meminfo['MemFree'] ?? 0, totalOf(each)) > limit.roomPercent)
    const swappiness = numberIn(look.sysctl, vm('swappiness'))
    const roomInSwap = look.swapDevices.some((device) => device.usedBytes < device.sizeBytes * 0.75)
    const preferSwap = hasCompressedSwap(look) && roomInSwap && swappiness !== null && swappiness < 150
    return [{
      subject: '',
      severity: isOfGroup ? 'advice' : 'warning',
      explanation: `${amount(bytes)} a second are read from disk that were in memory a moment ago: parts of programs, source files, databases. ${isOfGroup ? `${amount(look.meminfo['MemFree'] ?? 0)} lie free, so it is a group with a limit of its own (a container, a service, a limited agent) that has to drop them: a higher limit for it helps` : `The kernel had to drop them because programs' own data takes the room`}${preferSwap ? `, and it prefers dropping files to using the compressed swap (vm.swappiness is ${swappiness})` : ''}.`,
      figures: [figure({ what: 'Read again right after dropping, a second', value: bytes, unit: 'bytes', source: '/proc/vmstat workingset_refault_file', threshold: above(limit.bytesPerSecond), history: rateHistoryOf(looks, (each) => (each.vmstat['workingset_refault_file'] ?? each.vmstat['workingset_refault'] ?? 0) * each.pageBytes) })],
      solutions: preferSwap ? [preferCompressedSwap(swappiness), pageOutIdle(), suspendIdle(), moreMemory()] : [pageOutIdle(), suspendIdle(), moreMemory()],
    }]
  },
  lookDeeper: ['ftrace.reclaim', 'perf.major-faults'],
})

const HOUR_S = 3600

const oomKill = define({
  id: 'pressure.oom-kill',
  topic: 'pressure',
  title: 'The kernel ended a program because no memory was left',
  needs: [needsCounter('oom_kill')],
  thresholds: { kills: 0 },
  because: 'Documentation/admin-guide/mm/concepts.rst (OOM killer): the last resort when nothing can be reclaimed. One is one too many. Kills inside a group with a limit of its own are told apart.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const messages = look.kernelMessages.value?.filter((message) => message.kind === 'oom-kill' && look.uptimeS - message.atS < HOUR_S) ?? []
    // A group's events hold those of all groups below it, so the topmost ones hold all.
    const ofGroups = (each: typeof look): number => each.cgroups.value?.reduce((sum, cgroup) => sum + (/^\/[^/]+$/u.test(cgroup.path) ? (cgroup.events['oom_kill'] ?? 0) : 0), 0) ?? 0
    const counter = vmstatRate(looks, 'oom_kill').value?.change ?? 0
    const inGroups = Math.max(0, ofGroups(look) - ofGroups(firstOf(looks)))
    // The two are read a moment apart: while groups lose programs, as many again may be theirs.
    const elsewhere = counter - inGroups > inGroups ? counter - inGroups : 0
    const kills = look.kernelMessages.value === null ? elsewhere : messages.length
    if (kills <= limit.kills) return []
    // Neither messages nor groups: the counter alone does not say whose memory it was.
    const isOfMachine = look.kernelMessages.value !== null || look.cgroups.value !== null
    return [{
      subject: '',
      severity: isOfMachine ? 'critical' : 'warning',
      ...(isOfMachine ? {} : { title: 'The kernel ended a program for want of memory' }),
      explanation: isOfMachine
        ? `The kernel ran out of memory and ended ${plural(kills, 'program')} to save the rest (an "OOM kill"); unsaved work in it is lost. It chooses by size: the largest program goes, which is not always the one that is to blame.${messages.length > 0 ? ` The kernel's words: "${messages.at(-1)?.text ?? ''}".` : ''}`
        : `The kernel ended ${plural(kills, 'program')} for want of memory (an "OOM kill"); unsaved work in it is lost. Whether the whole machine ran out, or a group of programs (a container, a service) reached a limit of its own, cannot be told here: neither the kernel's messages nor the groups' figures can be read. ${amount(look.meminfo['MemAvailable'] ?? 0)} are available now.`,
      figures: [
        figure({ what: look.kernelMessages.value === null ? 'Programs ended since the first look' : 'Programs ended in the last hour', value: kills, unit: 'count', source: look.kernelMessages.value === null ? '/proc/vmstat oom_kill' : 'kernel messages', threshold: above(limit.kills) }),
        figure({ what: 'Available memory now', value: look.meminfo['MemAvailable'] ?? 0, unit: 'bytes', source: '/proc/meminfo MemAvailable' }),
      ],
      // Without swap every page of every program has to stay: that is what makes the machine run out first.
      solutions: [hasCompressedSwap(look) ? pageOutIdle() : compressedSwapOn(), limitAgents(), endUnneeded(), advice({
        id: 'protect-one',
        title: 'Say who must not be ended',
        what: 'For a systemd service set OOMScoreAdjust=-500 in its unit; for one that may go first, OOMScoreAdjust=500. The kernel then chooses differently.',
        tradeOff: 'Something else is ended instead: this does not make memory.',
        sideEffects: 'None until the next shortage.',
        scope: 'The programs you name',
      })],
    }]
  },
  lookDeeper: ['ftrace.oom'],
})

const reserve = define({
  id: 'pressure.reserve-too-large',
  topic: 'pressure',
  title: 'The kernel keeps a lot of memory free that nobody may use',
  needs: [needsMeminfo('MemTotal'), (looks) => (lastOf(looks).zones.length > 0 ? null : '/proc/zoneinfo')],
  thresholds: { reservePercent: 8 },
  because: 'The high watermarks of all zones together: below them the kernel makes room. vm.rst: min_free_kbytes "too high will OOM your machine instantly"; with the default of 10 for watermark_scale_factor they are below 1 % of memory.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const bytes = look.zones.reduce((sum, zone) => sum + zone.highPages, 0) * look.pageBytes
    const share = percentOf(bytes, totalOf(look))
    if (share <= limit.reservePercent) return []
    const minFree = (numberIn(look.sysctl, vm('min_free_kbytes')) ?? 0) * 1024
    const scale = numberIn(look.sysctl, vm('watermark_scale_factor')) ?? 10
    return [{
      subject: '',
      severity: 'advice',
      explanation: `The kernel is set to keep ${amount(bytes)} (${percent(share)} of memory) free at all times: vm.min_free_kbytes is ${amount(minFree)} and vm.watermark_scale_factor ${counted(scale)}. A small reserve avoids hangs; one this large is memory you paid for and never use, and makes the kernel swap although there is room.`,
      figures: [figure({ what: 'Kept free', value: bytes, unit: 'bytes', source: '/proc/zoneinfo high', threshold: above(Math.round((totalOf(look) * limit.reservePercent) / 100)) })],
      solutions: [
        tunable({
          id: 'smaller-reserve',
          title: 'Go back to a usual reserve',
          what: 'Sets vm.watermark_scale_factor to 10, the kernel\'s default, and vm.min_free_kbytes to 64 MB.',
          tradeOff: 'With bursts of very large requests, programs may have to wait for room now and then.',
          sideEffects: 'File cache grows into what becomes usable.',
        }, { watermarkScaleFactor: 10, minFreeBytes: 64 * MB }),
        tunable({
          id: 'half-reserve',
          title: 'Halve the reserve',
          what: 'Sets vm.watermark_scale_factor to 50 (half a percent of memory) and leaves vm.min_free_kbytes alone.',
          tradeOff: 'Gives back less where vm.min_free_kbytes is what is large.',
          sideEffects: 'None known.',
        }, { watermarkScaleFactor: 50 }),
        advice({
          id: 'find-who-set-it',
          title: 'Find who set it',
          what: 'Look in /etc/sysctl.conf, /etc/sysctl.d and TuneD profiles for min_free_kbytes and watermark_scale_factor, and take the line out.',
          tradeOff: 'It may have been set for a device that needs much memory at once.',
          sideEffects: 'Takes effect at the next restart.',
          scope: MACHINE,
        }),
      ],
    }]
  },
  lookDeeper: [],
})

export const pressureThrashing: readonly Rule[] = [thrashing, refaults, oomKill, reserve]
