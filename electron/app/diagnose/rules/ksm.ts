import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, percent, times } from '../../amounts.ts'
import { durationText } from '../../report/format.ts'
import { above, figure, historyOf, is } from '../figures.ts'
import { needsMm, needsReading, needsSpan } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { firstOf, lastOf, numberIn, rateOf, spanMs } from '../series.ts'
import { define } from './define.ts'
import { ksm, ksmRuns, MB, mem, percentOf, RATE_MS, recent } from './kit.ts'
import { advice, command, leaveIt, MACHINE, preset, trial } from './offers.ts'

/** Merging of equal pages (KSM): what it wins, what it costs. */

const isMerging = (looks: Looks): boolean => ksmRuns(lastOf(looks))
const at = (look: Evidence, name: string): number => numberIn(look.mm, ksm(name)) ?? 0

const stop = () => trial({
  id: 'stop-scan',
  title: 'Stop looking, keep what is merged',
  what: 'Stops the scan. Pages that are merged stay merged until a program writes to them.',
  tradeOff: 'New equal pages are no longer found.',
  sideEffects: 'The CPU time of the scan is free again.',
  scope: MACHINE,
}, { ksm: { mode: 'keep' } })

const slower = () => trial({
  id: 'slower-scan',
  title: 'Look more slowly',
  what: 'Goes over 100 pages every 100 ms: a tenth or less of the work.',
  tradeOff: 'New equal pages are found minutes later.',
  sideEffects: 'None known.',
  scope: MACHINE,
}, { ksm: { mode: 'merge', pagesToScan: 100, sleepMs: 100, smartScan: true } })

const unmerge = () => preset({
  id: 'off',
  title: 'Turn merging off',
  what: 'Stops the scan and takes merged pages apart, when the memory this needs is free.',
  tradeOff: 'What was saved is used again.',
  sideEffects: 'Also ends the risk that programs guess by timing what others hold.',
  scope: MACHINE,
}, 'layer-ksm-off')

const launchMerged = () => advice({
  id: 'launch-merged',
  title: 'Start agents so that they may be merged',
  what: 'Start them with "agentmemctl run -- claude" (Linux 6.7 and newer): the launcher offers all of the agent\'s memory for merging. A program that is running cannot be asked from outside.',
  tradeOff: 'Programs of yours can guess by timing whether another holds the same page.',
  sideEffects: 'Measured on 25 agents: 17 % less memory, 17 CPU seconds in all.',
  scope: 'The agents you start that way',
}, 'Start the agent without it.')

const nothingOffered = define({
  id: 'ksm.nothing-offered',
  topic: 'ksm',
  title: 'Merging is on, but no program offers its memory',
  appliesTo: isMerging,
  needs: [needsMm(ksm('pages_sharing'))],
  thresholds: { pages: 0 },
  because: 'Documentation/admin-guide/mm/ksm.rst: KSM only looks at areas that a program marked with MADV_MERGEABLE or prctl(PR_SET_MEMORY_MERGE, 6.4+). Without any, pages_shared, pages_unshared and pages_volatile stay 0.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const pages = at(look, 'pages_shared') + at(look, 'pages_sharing') + at(look, 'pages_unshared') + at(look, 'pages_volatile')
    if (pages > limit.pages || look.agents.some((agent) => agent.mergeable.value === true)) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: 'Merging of equal pages (KSM) runs, but it may look only at memory that a program offered for it, and none does. So it saves nothing. Ordinary programs never offer their memory by themselves.',
      figures: [
        figure({ what: 'Pages that merging looks at', value: pages, unit: 'count', source: `${ksm('pages_shared')}, pages_sharing, pages_unshared, pages_volatile`, threshold: is(limit.pages) }),
        figure({ what: 'Data of programs that is not offered', value: mem(look, 'AnonPages'), unit: 'bytes', source: '/proc/meminfo AnonPages' }),
        figure({ what: 'Agents that offer theirs', value: look.agents.filter((agent) => agent.mergeable.value === true).length, unit: 'count', source: '/proc/PID/ksm_stat' }),
      ],
      solutions: [launchMerged(), unmerge(), leaveIt('Leave it on', 'With nothing offered the scan costs next to nothing.', 'It saves nothing either.')],
    }]
  },
  lookDeeper: [],
})

const noProfit = define({
  id: 'ksm.no-profit',
  topic: 'ksm',
  title: 'Merging costs more memory than it saves',
  appliesTo: isMerging,
  needs: [needsMm(ksm('general_profit')), needsMm(ksm('full_scans'))],
  thresholds: { profitBytes: 0, rounds: 2, pagesLookedAt: 1000 },
  because: 'Documentation/admin-guide/mm/ksm.rst (6.4+): general_profit = what merging saves - what its own bookkeeping (rmap items) takes. After two full rounds everything there is has been found.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const profit = at(look, 'general_profit')
    const seen = at(look, 'pages_shared') + at(look, 'pages_sharing') + at(look, 'pages_unshared') + at(look, 'pages_volatile')
    if (profit >= limit.profitBytes || at(look, 'full_scans') < limit.rounds || seen < limit.pagesLookedAt) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `Merging has gone over everything ${counted(at(look, 'full_scans'))} times. What it saves is less than what it needs to remember the pages it looks at: the balance is −${amount(-profit)}. These programs have hardly any equal pages.`,
      figures: [
        figure({ what: 'Saved, less its own bookkeeping', value: profit, unit: 'bytes', source: ksm('general_profit'), threshold: { kind: 'below', value: limit.profitBytes }, history: historyOf(looks, (each) => numberIn(each.mm, ksm('general_profit'))) }),
        figure({ what: 'Full rounds', value: at(look, 'full_scans'), unit: 'count', source: ksm('full_scans') }),
      ],
      solutions: [unmerge(), stop()],
    }]
  },
  lookDeeper: [],
})

const wasted = define({
  id: 'ksm.mostly-unequal',
  topic: 'ksm',
  title: 'Merging goes over pages that have no equal',
  appliesTo: isMerging,
  needs: [needsMm(ksm('pages_unshared')), needsMm(ksm('pages_sharing')), needsMm(ksm('full_scans'))],
  thresholds: { unsharedToSharing: 20, unsharedPages: 25_000, rounds: 2 },
  because: 'Documentation/admin-guide/mm/ksm.rst: "a high ratio of pages_unshared to pages_sharing indicates wasted effort". Measured on agents: 2 to 8. 25,000 pages are 100 MB.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const unshared = at(look, 'pages_unshared')
    const ratio = unshared / Math.max(1, at(look, 'pages_sharing'))
    if (unshared <= limit.unsharedPages || ratio <= limit.unsharedToSharing || at(look, 'full_scans') < limit.rounds) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `For each page it could save, merging (KSM) keeps checking ${counted(ratio)} that have no equal: ${counted(unshared)} pages, ${amount(unshared * look.pageBytes)}, again and again. That is CPU time for little.`,
      figures: [
        figure({ what: 'Pages without an equal for each one saved', value: ratio, unit: 'ratio', source: 'pages_unshared / pages_sharing', threshold: above(limit.unsharedToSharing) }),
        figure({ what: 'Pages without an equal', value: unshared, unit: 'count', source: ksm('pages_unshared'), threshold: above(limit.unsharedPages) }),
      ],
      solutions: [stop(), slower(), unmerge()],
    }]
  },
  lookDeeper: ['perf.kernel-cpu'],
})

const cost = define({
  id: 'ksm.cost',
  topic: 'ksm',
  title: 'Merging takes much CPU time',
  appliesTo: isMerging,
  needs: [needsSpan(RATE_MS), needsReading('CPU time of ksmd', (look) => look.kernelThreadsCpuMs.ksmd)],
  thresholds: { corePercent: 25 },
  because: 'Measured: settling takes 17 CPU seconds for 7 GB of agents; a rate that is not lowered afterwards goes on with 15 to 58 % of a core.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const rate = rateOf(recent(looks), (each) => each.kernelThreadsCpuMs.ksmd.value).value
    const share = rate === null ? 0 : rate.perSecond / 10
    if (share <= limit.corePercent) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `ksmd, which looks for equal pages, used ${percent(share)} of one core lately (${counted(at(look, 'pages_to_scan'))} pages every ${counted(at(look, 'sleep_millisecs'))} ms). For the first minute or two that is well spent; afterwards it looks at the same pages again. On a battery it is felt.`,
      figures: [
        figure({ what: 'CPU time of ksmd, of one core', value: share, unit: 'percent', source: '/proc/PID/stat of ksmd', threshold: above(limit.corePercent) }),
        figure({ what: 'Saved by merging', value: numberIn(look.mm, ksm('general_profit')) ?? at(look, 'pages_sharing') * look.pageBytes, unit: 'bytes', source: ksm('general_profit') }),
      ],
      solutions: [slower(), stop(), trial({
        id: 'advisor',
        title: 'Let the kernel choose the pace',
        what: 'Switches on the scan-time advisor (Linux 6.8 and newer), which adapts the pace to how much there is to look at.',
        tradeOff: 'It may use up to 70 % of a core for a while.',
        sideEffects: 'The pace can no longer be set by hand.',
        scope: MACHINE,
      }, { ksm: { mode: 'merge', advisor: 'scan-time' } })],
    }]
  },
  lookDeeper: ['perf.kernel-cpu'],
})

const flat = define({
  id: 'ksm.flat',
  topic: 'ksm',
  title: 'Merging goes on although it finds nothing more',
  appliesTo: isMerging,
  needs: [needsSpan(5 * 60_000), needsReading('CPU time of ksmd', (look) => look.kernelThreadsCpuMs.ksmd), needsMm(ksm('pages_sharing'))],
  thresholds: { corePercent: 3, changePercent: 1, savedBytes: 16 * MB },
  because: 'Measured: profit is flat 98 s after agents were started; the scan goes on at full rate unless somebody lowers it.',
  find: (looks, limit) => {
    const last = recent(looks)
    const look = lastOf(last)
    const rate = rateOf(last, (each) => each.kernelThreadsCpuMs.ksmd.value).value
    const share = rate === null ? 0 : rate.perSecond / 10
    const now = at(look, 'pages_sharing')
    const before = at(firstOf(last), 'pages_sharing')
    const change = percentOf(Math.abs(now - before), Math.max(1, now))
    if (!ksmRuns(firstOf(last)) || share <= limit.corePercent || change >= limit.changePercent || now * look.pageBytes < limit.savedBytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `In the last ${durationText(spanMs(last))} merging saved no more than before (${amount(now * look.pageBytes)}, changed by ${percent(change)}), yet it went on looking with ${percent(share)} of one core. What is merged stays merged when the scan stops.`,
      figures: [
        figure({ what: 'CPU time of ksmd, of one core', value: share, unit: 'percent', source: '/proc/PID/stat of ksmd', threshold: above(limit.corePercent) }),
        figure({ what: 'Change of what is merged', value: change, unit: 'percent', source: ksm('pages_sharing'), threshold: { kind: 'below', value: limit.changePercent }, history: historyOf(looks, (each) => numberIn(each.mm, ksm('pages_sharing'))) }),
      ],
      solutions: [stop(), slower()],
    }]
  },
  lookDeeper: ['perf.kernel-cpu'],
})

const chains = define({
  id: 'ksm.chains',
  topic: 'ksm',
  title: 'Many programs hold the same page, and merging keeps several copies of it',
  needs: [needsMm(ksm('stable_node_chains')), needsMm(ksm('stable_node_dups')), needsMm(ksm('max_page_sharing'))],
  thresholds: { copiesForEach: 4, copies: 10_000 },
  because: 'Documentation/admin-guide/mm/ksm.rst: a page shared by more than max_page_sharing (256) is kept several times, in a chain (stable_node_dups), so that walks stay short. 10,000 copies are 40 MB.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const dups = at(look, 'stable_node_dups')
    const perChain = dups / Math.max(1, at(look, 'stable_node_chains'))
    if (dups <= limit.copies || perChain <= limit.copiesForEach) return []
    return [{
      subject: '',
      severity: 'information',
      explanation: `${counted(at(look, 'stable_node_chains'))} pages are held by so many programs that the kernel keeps ${times(perChain)} copies of each: ${counted(dups)} copies, ${amount(dups * look.pageBytes)}. One copy may be shared ${counted(at(look, 'max_page_sharing'))} times at most (max_page_sharing), so that no operation takes too long.`,
      figures: [
        figure({ what: 'Copies of each such page', value: perChain, unit: 'ratio', source: 'stable_node_dups / stable_node_chains', threshold: above(limit.copiesForEach) }),
        figure({ what: 'Copies', value: dups, unit: 'count', source: ksm('stable_node_dups'), threshold: above(limit.copies) }),
        figure({ what: 'Memory of these copies', value: dups * look.pageBytes, unit: 'bytes', source: ksm('stable_node_dups') }),
      ],
      solutions: [leaveIt('Leave it', 'Each copy still stands for up to 256 pages.', 'Some megabytes are kept more often than needed.'), command({
        id: 'share-more',
        title: 'Allow more sharers',
        what: 'Takes all merged pages apart, raises the limit to 1024, and merges again.',
        tradeOff: 'Operations on such a page (page out, migration) take up to four times as long.',
        sideEffects: 'Needs the memory that was saved for some moments, and one or two minutes to merge again.',
        scope: MACHINE,
      }, `sudo sh -c 'echo 2 > ${ksm('run')} && echo 1024 > ${ksm('max_page_sharing')} && echo 1 > ${ksm('run')}'`, true, `sudo sh -c 'echo 2 > ${ksm('run')} && echo 256 > ${ksm('max_page_sharing')} && echo 1 > ${ksm('run')}'`)],
    }]
  },
  lookDeeper: [],
})

export const ksmRules: readonly Rule[] = [nothingOffered, noProfit, wasted, cost, flat, chains]
