import { amount, often, percent } from '../../amounts.ts'
import { above, below, figure, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsMeminfo, needsReading, needsSpan } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { lastOf, rateOf, vmstatOf, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { availablePercent, percentOf, RATE_MS, recent } from './kit.ts'
import { beginEarlier, endUnneeded, keepFree, moreMemory, pageOutIdle, suspendIdle } from './offers.ts'

/** How the kernel makes room: in time by itself (kswapd), or so late that programs must do it. */

const STALLS = ['allocstall_dma', 'allocstall_dma32', 'allocstall_normal', 'allocstall_movable', 'allocstall_device', 'allocstall'] as const

const direct = (looks: Looks) => vmstatRate(looks, 'pgsteal_direct')
const background = (looks: Looks) => vmstatRate(looks, 'pgsteal_kswapd')

const directReclaim = define({
  id: 'pressure.direct-reclaim',
  topic: 'pressure',
  title: 'Programs must make room themselves before they get memory',
  needs: [needsSpan(RATE_MS), needsCounter('pgsteal_direct'), needsCounter('pgsteal_kswapd')],
  thresholds: { sharePercent: 10, pagesPerSecond: 250, fullAvg10Percent: 5, criticalAvg10Percent: 20 },
  because: 'Documentation/admin-guide/mm/concepts.rst (reclaim): kswapd reclaims in the background; once free memory falls below the min watermark an allocation triggers direct reclaim and is stalled until enough pages are freed. 250 pages are 1 MB a second: less is not felt, unless the lost time (PSI, limits as of pressure.stalled) says that it is, as where each page must be compressed first.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const own = direct(last).value
    if (own === null) return []
    const share = percentOf(own.change, own.change + (background(last).value?.change ?? 0))
    const lost = look.pressure.memory.value?.full.value?.avg10Percent ?? 0
    if (own.change === 0 || share <= limit.sharePercent || (own.perSecond <= limit.pagesPerSecond && lost <= limit.fullAvg10Percent)) return []
    return [{
      subject: '',
      // As severe as the standstill it is the cause of, so that it is named before it.
      severity: lost > limit.criticalAvg10Percent ? 'critical' : 'warning',
      explanation: `Normally a helper of the kernel (kswapd) makes room in the background, before anybody asks. Here it comes too late: ${percent(share)} of the pages given back lately, ${amount(own.perSecond * look.pageBytes)} a second, were collected by programs that asked for memory and had to stop for it. That is felt as short hangs.`,
      figures: [
        figure({ what: 'Part of the room that programs had to make themselves', value: share, unit: 'percent', source: '/proc/vmstat pgsteal_direct / (pgsteal_direct + pgsteal_kswapd)', threshold: above(limit.sharePercent) }),
        figure({ what: 'Collected by programs themselves lately', value: own.change * look.pageBytes, unit: 'bytes', source: '/proc/vmstat pgsteal_direct' }),
        figure({ what: 'Pages that programs collected', value: own.perSecond, unit: 'per-second', source: '/proc/vmstat pgsteal_direct', threshold: above(limit.pagesPerSecond), history: rateHistoryOf(looks, (each) => each.vmstat['pgsteal_direct']) }),
      ],
      solutions: [beginEarlier(look), keepFree(look), pageOutIdle(), moreMemory()],
    }]
  },
  lookDeeper: ['bpftrace.direct-reclaim', 'ftrace.reclaim'],
})

const allocationStalls = define({
  id: 'pressure.allocation-stalls',
  topic: 'pressure',
  title: 'Requests for memory are made to wait',
  needs: [needsSpan(RATE_MS), needsCounter(...STALLS)],
  thresholds: { stallsPerSecond: 10 },
  because: 'allocstall_* of /proc/vmstat counts entries into direct reclaim (mm/vmscan.c, do_try_to_free_pages): each is a program that stood still. Documentation/admin-guide/sysctl/vm.rst (watermark_scale_factor): a high rate of them "can indicate that the number of free pages kswapd maintains for latency reasons is too small for the allocation bursts". A healthy desktop counts none for hours.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const rate = vmstatRate(last, ...STALLS).value
    if (rate === null || rate.perSecond <= limit.stallsPerSecond) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `About ${often(rate.perSecond)} a program that asked for memory found none free and was stopped until some had been collected. The kernel begins to collect too late for how quickly memory is asked for here, or there is too little left to collect.`,
      figures: [figure({ what: 'Requests that had to wait', value: rate.perSecond, unit: 'per-second', source: '/proc/vmstat allocstall_*', threshold: above(limit.stallsPerSecond), history: rateHistoryOf(looks, (each) => vmstatOf(each, ...STALLS)) })],
      solutions: [beginEarlier(look), keepFree(look), suspendIdle(), moreMemory()],
    }]
  },
  lookDeeper: ['bpftrace.direct-reclaim', 'ftrace.reclaim'],
})

const kswapd = define({
  id: 'pressure.kswapd-cpu',
  topic: 'pressure',
  title: 'The kernel spends much CPU time on making room',
  needs: [needsSpan(RATE_MS), needsReading('CPU time of kswapd', (look) => look.kernelThreadsCpuMs.kswapd), needsMeminfo('MemTotal', 'MemAvailable')],
  thresholds: { corePercent: 10, availablePercent: 25 },
  because: 'kswapd sleeps while free memory is above the high watermark (Documentation/admin-guide/mm/concepts.rst). A tenth of a core for minutes means that it hardly ever gets there. With much memory available it only turns over the file cache, as when large files are copied.',
  find: (looks, limit) => {
    const last = recent(looks)
    const rate = rateOf(last, (look) => look.kernelThreadsCpuMs.kswapd.value).value
    const share = rate === null ? 0 : rate.perSecond / 10
    if (share <= limit.corePercent || availablePercent(lastOf(last)) >= limit.availablePercent) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `kswapd, the part of the kernel that makes room in the background, used ${percent(share)} of one core lately. It looks at page after page for something that can go, and what it gives back is used up at once: more is in use than fits, or what could go (idle agents) has nowhere to go.`,
      figures: [figure({ what: 'CPU time of kswapd, of one core', value: share, unit: 'percent', source: '/proc/PID/stat of kswapd', threshold: above(limit.corePercent) }), figure({ what: 'Available, of all memory', value: availablePercent(lastOf(last)), unit: 'percent', source: '/proc/meminfo MemAvailable', threshold: below(limit.availablePercent) })],
      solutions: [pageOutIdle(), suspendIdle(), endUnneeded(), moreMemory()],
    }]
  },
  lookDeeper: ['ftrace.reclaim', 'perf.kernel-cpu'],
})

export const pressureReclaim: readonly Rule[] = [directReclaim, allocationStalls, kswapd]
