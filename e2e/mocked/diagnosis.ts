import type { Answer, Payload, Request } from '../../electron/contract/channels.ts'
import type { Finding, JournalEntry } from '../../electron/contract/diagnosis.ts'
import type { Preset } from '../../helper/contract/presets.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { afterRun, diagnosisOf, findingsOf, leaksOf, withFindings } from './diagnosis-data.ts'
import type { Scenario } from './scenarios.ts'

interface Parts {
  scenario: Scenario
  startMs: number
  changed: (what: Payload<'changed'>['what']) => void
  sleep: (ms: number) => Promise<void>
  /** Plans these settings as a preset of its own. */
  plan: (preset: Preset | string) => Answer<'diagnosis.try'>
}

const DAY = 86_400_000
const at = (startMs: number): JournalEntry[] => {
  const entry = (daysAgo: number, kind: JournalEntry['kind'], title: string, text: string, more: Partial<JournalEntry> = {}): Omit<JournalEntry, 'id'> => ({
    atMs: startMs - daysAgo * DAY, kind, rule: null, solution: null, runId: null, title, text, note: '', outcome: null, gainBytes: missing('not-measured'), kernelRelease: '6.6.30-generic', ...more,
  })
  const stalls = { rule: 'pressure.direct-reclaim', solution: 'raise-watermark' }
  return [
    entry(0.01, 'finding', 'There is no swap', 'What agents have not touched for hours has nowhere to go.\nSwap: 0 MB (/proc/meminfo SwapTotal)', { rule: 'swap.none' }),
    entry(0.2, 'note', 'The fan is loud since the update', '', { note: 'The fan is loud since the update.\nPerhaps the indexer? Look again tomorrow.' }),
    entry(17.9, 'outcome', 'Begin to make room earlier: kept', 'The change was kept. 1.2 ± 0.1 GB won from 19 agents, 21 % of what they would cost otherwise.', { ...stalls, outcome: 'kept', gainBytes: known(1.2 * 1024 ** 3), note: 'typing is smooth again', runId: '20261118T081500Z-0a1b2c3d' }),
    entry(18, 'action', 'Begin to make room earlier: tried', '/proc/sys/vm/watermark_scale_factor: 10 → 150. Room is made earlier.', { ...stalls, runId: '20261118T081500Z-0a1b2c3d' }),
    entry(18.01, 'finding', 'Programs stop to look for free memory themselves', 'In the last minute programs stood still 214 times a second.', { rule: 'pressure.direct-reclaim' }),
    entry(40, 'outcome', 'Begin to make room earlier: undone', 'The change was undone; the figures are those from before the undoing.', { ...stalls, outcome: 'undone', gainBytes: known(0.1 * 1024 ** 3) }),
    entry(45, 'outcome', 'Compare more slowly: kept, but nothing was won', 'No difference that can be told from noise: 12 ± 40 MB over 22 agents.', { rule: 'ksm.no-profit', solution: 'slower', outcome: 'no-gain', gainBytes: known(12 * 1024 ** 2) }),
    entry(60, 'outcome', 'Turn on compressed swap (zram): failed', 'A step failed and the earlier ones were taken back. The kernel has no zram.', { rule: 'swap.none', solution: 'compressed-swap', outcome: 'failed' }),
  ].map((one, i, all) => ({ ...one, id: all.length - i }))
}

/** Findings and their journal as a fake app has them. */
export const createDiagnosis = ({ scenario, startMs, changed, sleep, plan }: Parts) => {
  const entries = scenario.emptyHistory ? [] : at(startMs)
  if (scenario.findings === 'many') for (let i = 0; i < 300; i += 1) entries.push({ ...(entries[0] as JournalEntry), id: -i - 1, atMs: startMs - (70 + i) * DAY, title: `Finding of long ago ${i + 1}` })
  const failing = <T>(value: T): { ok: true; value: T } | { ok: false; error: NonNullable<Scenario['diagnosisFails']> } => (scenario.diagnosisFails === null ? ok(value) : { ok: false, error: scenario.diagnosisFails })

  /** With what was said to be done by hand, as the app tells it from its journal. */
  const withSaid = (finding: Finding): Finding => ({
    ...finding,
    solutions: finding.solutions.map((solution) => ({
      ...solution,
      before: [...entries.flatMap(({ id, rule, solution: of, atMs, outcome, gainBytes, note }) => (id >= 1000 && outcome !== null && rule === finding.rule && of === solution.id ? [{ atMs, outcome, gainBytes, note }] : [])), ...solution.before],
    })),
  })

  return {
    'diagnosis.get': async ({ leaks }: Request<'diagnosis.get'>): Promise<Answer<'diagnosis.get'>> => {
      await sleep(scenario.diagnosisMs)
      return failing(diagnosisOf(findingsOf(scenario.findings, startMs).map(withSaid), startMs, leaks ? leaksOf(scenario.findings, startMs) : null))
    },
    'leaks.get': async ({ thresholds }: Request<'leaks.get'>): Promise<Answer<'leaks.get'>> => {
      await sleep(scenario.diagnosisMs)
      // A limit above what grows: nobody is a leak any more.
      return failing(withFindings(leaksOf(scenario.findings, startMs).map((leak) => (leak.verdict === 'leak' && leak.bytesPerHour < thresholds.bytesPerHour ? { ...leak, verdict: 'steady' as const } : leak))))
    },
    'diagnosis.of-run': (): Answer<'diagnosis.of-run'> => failing(afterRun(startMs)),
    'diagnosis.try': ({ rule, subject, solution }: Request<'diagnosis.try'>): Answer<'diagnosis.try'> => {
      const chosen = findingsOf(scenario.findings, startMs).find((one) => one.rule === rule && one.subject === subject)?.solutions.find(({ id }) => id === solution)
      if (chosen === undefined || scenario.findingGone) return fail('plan-changed', 'This is not found any more: the machine is another than when it was shown.', { advice: 'Look at what is found now.' })
      if (chosen.act.how === 'preset') return plan(chosen.act.presetId)
      if (chosen.act.how !== 'try-run') return fail('not-supported', 'This is not something to try as a run.')
      const view = plan({ version: 1, id: `try-${rule.replaceAll('.', '-')}-${solution}`, title: chosen.title, description: chosen.what, settings: chosen.act.settings, settleMs: 0, confirmMs: 60_000 })
      return view.ok && scenario.findingAway ? ok({ ...view.value, lastFoundAtMs: Date.now() - 30_000 }) : view
    },
    'processes.get': ({ agentId }: Request<'processes.get'>): Answer<'processes.get'> => {
      const MB = 1024 ** 2
      const none = missing('not-measured')
      return ok({
        takenAtMs: startMs,
        nodes: [0, 1],
        processes: [4711, 4712].map((pid, i) => ({
          ref: { pid, startTimeTicks: 99 }, parentPid: 1, uid: 1000, name: 'node', title: i === 0 ? 'Claude Code' : 'notes MCP server', agentId,
          rssBytes: known((231 - i * 150) * MB), pssBytes: none, anonBytes: known(133 * MB), fileBytes: known(98 * MB), shmemBytes: known(0), swapBytes: known(0),
          virtualBytes: known(74_213 * MB), heapBytes: known(812 * MB), stackBytes: known(132 * 1024), lockedBytes: known(0), hugetlbBytes: known(0), anonHugeBytes: known((64 - i * 60) * MB), fileHugeBytes: missing('not-supported', 'smaps_rollup has no FilePmdMapped'),
          privateDirtyBytes: known((118 - i * 96) * MB), sharedDirtyBytes: known(i * 9 * MB), copyOnWriteBytes: known(i * 6 * MB),
          minorFaults: known(120_345 + i), majorFaults: known(17), memfdBytes: none, oomScoreAdj: known(0), numaBytes: i === 0 ? known([149 * MB, 82 * MB]) : missing('not-permitted'),
        })),
      })
    },
    'journal.search': ({ text, limit, beforeId }: Request<'journal.search'>): Answer<'journal.search'> => {
      if (scenario.historyFails !== null) return { ok: false, error: scenario.historyFails }
      const words = text.toLowerCase().split(/\s+/u).filter((word) => word !== '')
      const hits = entries.filter((one) => words.every((word) => `${one.title} ${one.text} ${one.note} ${one.rule ?? ''}`.toLowerCase().includes(word)))
      const from = beforeId === null ? 0 : hits.findIndex(({ id }) => id === beforeId) + 1
      return ok({ entries: hits.slice(from, from + limit), more: hits.length > from + limit })
    },
    'journal.totals': (): Answer<'journal.totals'> => {
      if (scenario.historyFails !== null) return { ok: false, error: scenario.historyFails }
      const outcomes = entries.filter(({ outcome }) => outcome !== null)
      return ok({ entries: entries.length, tried: outcomes.length, helped: outcomes.filter(({ outcome }) => outcome === 'kept').length })
    },
    'journal.note': ({ id, note }: Request<'journal.note'>): Answer<'journal.note'> => {
      if (scenario.noteFails !== null) return { ok: false, error: scenario.noteFails }
      const place = entries.findIndex((one) => one.id === id)
      const old = entries[place]
      const next: JournalEntry = old === undefined ? { id: 1000 + entries.length, atMs: Date.now(), kind: 'note', rule: null, solution: null, runId: null, title: note.split('\n')[0] ?? '', text: '', note, outcome: null, gainBytes: missing('not-measured'), kernelRelease: '6.6.30-generic' } : { ...old, note }
      if (old === undefined) entries.unshift(next)
      else entries[place] = next
      changed('journal')
      return ok(next)
    },
    'journal.did': ({ rule, subject, solution, outcome, note }: Request<'journal.did'>): Answer<'journal.did'> => {
      if (scenario.noteFails !== null) return { ok: false, error: scenario.noteFails }
      const chosen = findingsOf(scenario.findings, startMs).find((one) => one.rule === rule && one.subject === subject)?.solutions.find(({ id }) => id === solution)
      if (chosen === undefined) return fail('bad-request', 'This was not found on this machine.')
      const next: JournalEntry = { id: 1000 + entries.length, atMs: Date.now(), kind: 'outcome', rule, solution, runId: null, title: `${chosen.title}: done by hand`, text: '', note, outcome, gainBytes: missing('not-measured'), kernelRelease: '6.6.30-generic' }
      entries.unshift(next)
      changed('journal')
      return ok(next)
    },
    'journal.export': (): Answer<'journal.export'> => ok({ fileName: 'agentmem-journal-20261121.json', text: JSON.stringify({ version: 1, entries }) }),
    'journal.import': ({ text }: Request<'journal.import'>): Answer<'journal.import'> => {
      if (!text.startsWith('{')) return fail('bad-request', 'This file is no journal: it is not JSON.', { advice: 'Choose a file that "Export" of the Journal page wrote.' })
      changed('journal')
      return ok({ added: 12, known: 3 })
    },
  }
}
