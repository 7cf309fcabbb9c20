import type { KsmSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import { valueOr } from '../contract/known.ts'
import { emptyDraft, type Draft, type StepDraft } from './draft.ts'
import { KSM_DEFAULT_PAGES_TO_SCAN, ksmPath } from './paths.ts'
import { atLeast, kernelName, presentOf, sizeText } from './present.ts'

const TRADE_OFF =
  'Merging identical pages (KSM) has a security cost: by timing its own writes, a program whose pages are merged can guess ' +
  'whether another merged program holds the same page. Only programs that opt in are merged.'

const runWords: Record<string, string> = { '0': 'stopped', '1': 'merging', '2': 'stopped and unmerged' }

const write = (path: string, old: string | null, value: string, why: string): StepDraft => ({
  source: 'ksm',
  operation: { op: 'write', path, value },
  target: path,
  old,
  new: value,
  // Writing 2 to `run` takes merged pages apart, which needs memory.
  undoClass: path === ksmPath('run') && old === '2' ? 'when-it-fits' : 'now',
  undo: old === null ? 'writes back the value read just before' : `writes ${old} back`,
  why,
})

/** What only launched programs and young kernels get: said wherever merging is switched on. */
const reachNotes = (probe: Probe): string[] => {
  if (!probe.processMerge) {
    return [
      `Merging a whole program needs Linux 6.4, this is ${kernelName(probe)}: only programs that ask for it page by page are merged, and the agents known so far do not.`,
    ]
  }
  const reach = 'Merging reaches agents started through "agentmemctl run" only; those already running were not opted in and stay as they are.'
  return probe.mergeSurvivesExec
    ? [reach]
    : [reach, `Before Linux 6.7 (this is ${kernelName(probe)}) the opt-in is lost when a program starts another: helpers and tools an agent starts are not merged.`]
}

const planMerge = (settings: KsmSettings, probe: Probe, draft: Draft): void => {
  const skip = (what: string, reason: string, kind: 'already-so' | 'impossible' | 'not-needed') =>
    draft.skipped.push({ source: 'ksm', what, reason, kind })
  const set = (path: string, value: string, what: string, why: string, old = presentOf(probe, path)) => {
    if (old === value) skip(what, `${path} already holds ${value}.`, 'already-so')
    else draft.steps.push(write(path, old, value, why))
  }

  if (settings.smartScan !== undefined) {
    if (presentOf(probe, ksmPath('smart_scan')) === null) {
      skip('smart scan', `needs Linux 6.7, this is ${kernelName(probe)} without ${ksmPath('smart_scan')}`, 'impossible')
    } else {
      set(ksmPath('smart_scan'), settings.smartScan ? '1' : '0', 'smart scan', 'Skips pages that did not merge in earlier rounds, which spares CPU time.')
    }
  }
  if (settings.sleepMs !== undefined) {
    set(ksmPath('sleep_millisecs'), String(settings.sleepMs), 'pause between scans', 'The pause between two batches of pages: longer costs less CPU time and finds savings later.')
  }

  const advisorNow = presentOf(probe, ksmPath('advisor_mode'))
  const wanted = settings.advisor ?? 'none'
  if (settings.advisor !== undefined && advisorNow === null) {
    skip('scan advisor', `needs Linux 6.8, this is ${kernelName(probe)} without ${ksmPath('advisor_mode')}`, 'impossible')
  }
  const advisor = advisorNow === null ? 'none' : settings.advisor === undefined ? advisorNow : wanted

  if (advisorNow !== null && advisor === 'scan-time' && advisorNow === 'none') {
    // The kernel resets pages_to_scan whenever the advisor changes, so the old
    // value is lost unless it is journaled first, with the value that the
    // kernel itself will leave there once the advisor is taken back.
    const old = presentOf(probe, ksmPath('pages_to_scan'))
    if (old !== KSM_DEFAULT_PAGES_TO_SCAN) {
      draft.steps.push(write(ksmPath('pages_to_scan'), old, KSM_DEFAULT_PAGES_TO_SCAN, 'The advisor takes this value over; writing it first keeps the old one for the undo.'))
    }
    draft.steps.push(write(ksmPath('advisor_mode'), 'none', 'scan-time', 'The kernel chooses the scan rate itself, within its own CPU limit.'))
  } else {
    if (advisorNow === 'scan-time' && advisor === 'none') {
      draft.steps.push(write(ksmPath('advisor_mode'), 'scan-time', 'none', 'A fixed scan rate can be set only while the advisor is off.'))
    }
    if (settings.pagesToScan !== undefined) {
      if (advisor === 'scan-time') skip('pages per scan', 'the scan advisor chooses it', 'not-needed')
      else {
        // While the advisor runs it changes this value all the time; switching it off sets the default.
        const old = advisorNow === 'scan-time' ? KSM_DEFAULT_PAGES_TO_SCAN : presentOf(probe, ksmPath('pages_to_scan'))
        set(ksmPath('pages_to_scan'), String(settings.pagesToScan), 'pages per scan', 'How many pages are compared in one batch: more finds savings sooner and costs more CPU time.', old)
      }
    }
  }

  set(ksmPath('run'), '1', 'merging', 'Starts merging pages with the same content between programs that opted in.')
  draft.notes.push(TRADE_OFF, ...reachNotes(probe))
  draft.notes.push(
    settings.lowerWhenFlat === true && advisor !== 'scan-time'
      ? 'Merging uses up to half of one core for one to two minutes; then the scan rate is lowered by itself.'
      : 'Merging uses 15 to 58 % of one core at a high scan rate for as long as it is on.',
  )
}

/** Steps for kernel samepage merging; see docs/kernel-interfaces.md for the files. */
export const planKsm = (settings: KsmSettings, probe: Probe): Draft => {
  const draft = emptyDraft()
  const run = presentOf(probe, ksmPath('run'))
  if (run === null) {
    draft.skipped.push({
      source: 'ksm',
      what: 'merging identical pages',
      reason: `needs a kernel built with CONFIG_KSM; ${kernelName(probe)} here has no ${ksmPath('run')}`,
      kind: settings.mode === 'merge' ? 'impossible' : 'not-needed',
    })
    return draft
  }
  if (settings.mode === 'merge') {
    planMerge(settings, probe, draft)
    return draft
  }
  if (settings.mode === 'keep') {
    if (run === '1') draft.steps.push(write(ksmPath('run'), run, '0', 'Stops scanning, which costs CPU time, and keeps what is merged.'))
    else draft.skipped.push({ source: 'ksm', what: 'stop scanning', reason: `merging is ${runWords[run] ?? run} already`, kind: 'already-so' })
    return draft
  }

  const ksm = probe.machine.ksm
  const merged = ksm.value !== null && ksm.value.pagesSharing > 0
  if (!merged && run !== '1') {
    draft.skipped.push({ source: 'ksm', what: 'unmerge', reason: 'nothing is merged and merging is off', kind: 'already-so' })
    return draft
  }
  draft.steps.push({
    source: 'ksm',
    operation: { op: 'ksm-unmerge' },
    target: ksmPath('run'),
    old: run,
    new: '0',
    undoClass: 'now',
    undo: run === '1' ? 'starts merging again; savings come back over some minutes' : `writes ${run} back`,
    why: 'Takes merged pages apart and stops merging; done only when the memory this needs is free.',
  })
  if (ksm.value !== null && atLeast(probe, 6, 4)) {
    const profit = valueOr(ksm.value.generalProfitBytes, 0)
    if (profit > 0) draft.notes.push(`Taking merged pages apart needs up to ${sizeText(ksm.value.pagesSharing * 4096)} of memory.`)
  }
  return draft
}
