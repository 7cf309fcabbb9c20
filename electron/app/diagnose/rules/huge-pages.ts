import { amount, counted, often, percent } from '../../amounts.ts'
import { above, figure, historyOf, is, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsMeminfo, needsMm, needsReading, needsSpan } from '../needs.ts'
import type { Rule } from '../rule.ts'
import { choiceIn, lastOf, numberIn, rateOf, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { availablePercent, mem, percentOf, RATE_MS, recent, thp, totalOf } from './kit.ts'
import { advice, command, compactOnce, leaveIt, MACHINE, tunable } from './offers.ts'

/** Pages of 2 MB: quicker for large programs, wasteful for many small ones. */

const onRequest = () => tunable({
  id: 'on-request',
  title: 'Huge pages on request only',
  what: 'Sets transparent huge pages to "madvise": programs that ask for them (databases, some JVMs) get them, the others use pages of 4 kB.',
  tradeOff: 'Programs that walk through very much memory and do not ask may run a few percent slower.',
  sideEffects: 'Holds for memory asked for from now on; restart agents to see all of the effect.',
}, { transparentHugePages: 'madvise' })

const always = define({
  id: 'huge-pages.always',
  topic: 'huge-pages',
  title: 'Huge pages for every program make small data large',
  needs: [needsMm(thp('enabled')), needsMeminfo('AnonHugePages', 'AnonPages', 'MemTotal', 'MemAvailable')],
  thresholds: { hugePercentOfAnon: 30, availablePercent: 40 },
  because: 'Documentation/admin-guide/mm/transhuge.rst: with "always" an "application may end up allocating more memory resources": it may touch 1 byte, and "a 2M page might be allocated instead of a 4k page for no good"; that is why "madvise" exists.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const share = percentOf(mem(look, 'AnonHugePages'), mem(look, 'AnonPages'))
    if (choiceIn(look.mm, thp('enabled')) !== 'always' || share <= limit.hugePercentOfAnon || availablePercent(look) >= limit.availablePercent) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Huge pages are set to "always": where a program touches one byte, the kernel may give it 2 MB at once. ${amount(mem(look, 'AnonHugePages'))} (${percent(share)}) of programs' data are in such pages. For agents, which keep many small things, a part of that was never used, and it cannot be merged or paged out in small pieces.`,
      figures: [
        figure({ what: 'Programs\' data in huge pages', value: share, unit: 'percent', source: '/proc/meminfo AnonHugePages / AnonPages', threshold: above(limit.hugePercentOfAnon), history: historyOf(looks, (each) => percentOf(mem(each, 'AnonHugePages'), mem(each, 'AnonPages'))) }),
        figure({ what: 'In huge pages', value: mem(look, 'AnonHugePages'), unit: 'bytes', source: '/proc/meminfo AnonHugePages' }),
        figure({ what: 'Transparent huge pages', value: 'always', unit: 'text', source: thp('enabled'), threshold: is('always') }),
      ],
      solutions: [onRequest(), command({
        id: 'give-back-empty',
        title: 'Collapse only what is mostly used',
        what: 'Lets the kernel build huge pages only from regions in which at least 448 of 512 pages are used.',
        tradeOff: 'Only what is collapsed later is touched by it; what is given at once stays "always".',
        sideEffects: 'khugepaged finds less to do.',
        scope: MACHINE,
      }, `echo 64 | sudo tee ${thp('khugepaged/max_ptes_none')}`, true, `echo ${numberIn(look.mm, thp('khugepaged/max_ptes_none')) ?? 511} | sudo tee ${thp('khugepaged/max_ptes_none')}`)],
    }]
  },
  lookDeeper: ['ftrace.huge-pages', 'perf.page-faults'],
})

const khugepaged = define({
  id: 'huge-pages.khugepaged-cpu',
  topic: 'huge-pages',
  title: 'Building huge pages takes much CPU time',
  needs: [needsSpan(RATE_MS), needsReading('CPU time of khugepaged', (look) => look.kernelThreadsCpuMs.khugepaged)],
  thresholds: { corePercent: 5 },
  because: 'Documentation/admin-guide/mm/transhuge.rst: khugepaged scans 4096 pages every 10 s by default, which is far below 1 % of a core.',
  find: (looks, limit) => {
    const rate = rateOf(recent(looks), (look) => look.kernelThreadsCpuMs.khugepaged.value).value
    const share = rate === null ? 0 : rate.perSecond / 10
    if (share <= limit.corePercent) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `khugepaged, the part of the kernel that joins small pages into huge ones, used ${percent(share)} of one core lately. At its usual pace nobody would notice it: it was set to look more often, or it tries again and again without success.`,
      figures: [figure({ what: 'CPU time of khugepaged, of one core', value: share, unit: 'percent', source: '/proc/PID/stat of khugepaged', threshold: above(limit.corePercent) })],
      solutions: [onRequest(), command({ id: 'slower', title: 'Let it look less often', what: 'Puts the pause between two rounds back to 10 s.', tradeOff: 'Huge pages are built later.', sideEffects: 'None known.', scope: MACHINE }, `echo 10000 | sudo tee ${thp('khugepaged/scan_sleep_millisecs')}`, true, `echo ${numberIn(lastOf(looks).mm, thp('khugepaged/scan_sleep_millisecs')) ?? 10_000} | sudo tee ${thp('khugepaged/scan_sleep_millisecs')}`)],
    }]
  },
  lookDeeper: ['ftrace.huge-pages', 'perf.kernel-cpu'],
})

const defragStalls = define({
  id: 'huge-pages.defrag-stalls',
  topic: 'huge-pages',
  title: 'Programs are made to wait for huge pages',
  needs: [needsSpan(RATE_MS), needsMm(thp('defrag')), needsCounter('compact_stall')],
  thresholds: { stallsPerSecond: 1 },
  because: 'Documentation/admin-guide/mm/transhuge.rst: defrag "always" means that an application "will stall on allocation failure and directly reclaim pages and compact memory in an effort to allocate a THP immediately".',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const rate = vmstatRate(recent(looks), 'compact_stall').value
    if (choiceIn(look.mm, thp('defrag')) !== 'always' || rate === null || rate.perSecond <= limit.stallsPerSecond) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `The huge pages' setting "defrag" is "always": a program that asks for memory is stopped until a piece of 2 MB has been made, even if small pages are there. That happened ${often(rate.perSecond)} lately.`,
      figures: [
        figure({ what: 'Requests that waited for large pieces', value: rate.perSecond, unit: 'per-second', source: '/proc/vmstat compact_stall', threshold: above(limit.stallsPerSecond), history: rateHistoryOf(looks, (each) => each.vmstat['compact_stall']) }),
        figure({ what: 'Huge pages\' defrag', value: 'always', unit: 'text', source: thp('defrag'), threshold: is('always') }),
      ],
      solutions: [tunable({ id: 'wait-on-request', title: 'Wait only for who asked', what: 'Sets defrag to "madvise", the kernel\'s default: only programs that ask for huge pages wait for them.', tradeOff: 'Other programs get fewer huge pages.', sideEffects: 'None known.' }, { hugePageDefrag: 'madvise' }), tunable({ id: 'never-wait', title: 'Let nobody wait', what: 'Sets defrag to "defer": small pages at once, tidying up later.', tradeOff: 'Huge pages come later or not at all.', sideEffects: 'None known.' }, { hugePageDefrag: 'defer' })],
    }]
  },
  lookDeeper: ['ftrace.compaction', 'ftrace.huge-pages'],
})

const fallback = define({
  id: 'huge-pages.fallback',
  topic: 'huge-pages',
  title: 'Huge pages are asked for and not to be had',
  needs: [needsSpan(RATE_MS), needsCounter('thp_fault_fallback'), needsCounter('thp_fault_alloc')],
  thresholds: { failedPercent: 50, asked: 100 },
  because: 'Documentation/admin-guide/mm/transhuge.rst: thp_fault_fallback counts page faults that failed to get a huge page and fell back to small ones.',
  find: (looks, limit) => {
    const last = recent(looks)
    const failed = vmstatRate(last, 'thp_fault_fallback').value?.change ?? 0
    const asked = failed + (vmstatRate(last, 'thp_fault_alloc').value?.change ?? 0)
    const share = percentOf(failed, asked)
    if (asked <= limit.asked || share <= limit.failedPercent) return []
    return [{
      subject: '',
      severity: 'information',
      explanation: `Of ${counted(asked)} huge pages that programs asked for lately, ${percent(share)} could not be had, and small pages were used. That is slower for programs with very much memory, and otherwise harmless: free memory is scattered, or there is too little of it.`,
      figures: [figure({ what: 'Huge pages not to be had', value: share, unit: 'percent', source: '/proc/vmstat thp_fault_fallback / (fallback + alloc)', threshold: above(limit.failedPercent) }), figure({ what: 'Asked for', value: asked, unit: 'count', source: '/proc/vmstat', threshold: above(limit.asked) })],
      solutions: [compactOnce(), leaveIt('Leave it', 'Agents gain nothing from huge pages.', 'None for agents.')],
    }]
  },
  lookDeeper: ['ftrace.compaction'],
})

const leftovers = define({
  id: 'huge-pages.reserved-unused',
  topic: 'huge-pages',
  title: 'Memory is reserved for huge pages that nobody uses',
  needs: [needsMeminfo('HugePages_Total', 'HugePages_Free', 'Hugepagesize', 'MemTotal')],
  thresholds: { unusedPercentOfMemory: 1 },
  because: 'Documentation/admin-guide/mm/hugetlbpage.rst: pages of nr_hugepages are taken from memory at once and "cannot be used for other purposes", used or not.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const pages = Math.max(0, mem(look, 'HugePages_Free') - mem(look, 'HugePages_Rsvd'))
    const unused = pages * mem(look, 'Hugepagesize')
    if (percentOf(unused, totalOf(look)) <= limit.unusedPercentOfMemory) return []
    const keep = Math.max(0, mem(look, 'HugePages_Total') - pages)
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${counted(mem(look, 'HugePages_Total'))} huge pages are set aside (vm.nr_hugepages), of which ${counted(pages)}, ${amount(unused)}, are used by nobody. They count as used memory, and no program or cache may have them. They are mostly left from a database, a virtual machine or a test.`,
      figures: [
        figure({ what: 'Reserved and unused', value: unused, unit: 'bytes', source: '/proc/meminfo HugePages_Free', threshold: above(Math.round((totalOf(look) * limit.unusedPercentOfMemory) / 100)) }),
        figure({ what: 'Huge pages in use', value: keep, unit: 'count', source: '/proc/meminfo HugePages_Total - HugePages_Free' }),
      ],
      solutions: [
        tunable({ id: 'give-back', title: 'Give the unused ones back', what: `Sets vm.nr_hugepages to ${counted(keep)}, the number in use: ${amount(unused)} become free at once.`, tradeOff: 'A program that wants them later may not get them all again until a restart.', sideEffects: 'None for ordinary programs.' }, { hugePages: Math.min(1_000_000, keep) }),
        advice({ id: 'find-who-reserves', title: 'Take out the reservation for good', what: 'Look for nr_hugepages in /etc/sysctl.conf and /etc/sysctl.d, and for hugepages= in the kernel\'s command line (/proc/cmdline), and take it out.', tradeOff: 'Whoever needs them must set them up again.', sideEffects: 'Takes effect at the next restart.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

export const hugePages: readonly Rule[] = [always, khugepaged, defragStalls, fallback, leftovers]
