import type { HistoryEvent } from '../../electron/contract/views.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { RunRecord } from '../../helper/contract/runs.ts'
import type { Snapshot } from '../../helper/contract/snapshot.ts'
import { snapshotDelta } from '../../helper/contract/snapshot-delta.ts'
import type { Emit, HandlersOf } from './handlers.ts'
import { detailOf, eventsOf, pastSnapshots, storedOf, viewOf, wave } from './past.ts'
import type { Scenario } from './scenarios.ts'

interface Parts {
  scenario: Scenario
  startMs: number
  past: readonly RunRecord[]
  runs: () => readonly RunRecord[]
  emit: Emit
  sleep: (ms: number) => Promise<void>
  /** A look at the machine as it is now. */
  look: () => Snapshot
  /** What happened and was no run. */
  events: () => Omit<HistoryEvent, 'id'>[]
  agentsCostBytes: () => number
}

/** What is remembered: runs, snapshots, series and events, and reports of them. */
export const createHistory = ({ scenario, startMs, past, runs, emit, sleep, look, events, agentsCostBytes }: Parts) => {
  const snapshots = scenario.emptyHistory ? [] : pastSnapshots(past, scenario.agents, startMs)
  const gone = () => (scenario.historyFails === null ? null : { ok: false as const, error: scenario.historyFails })

  const handlers: HandlersOf<`runs.${'list' | 'get'}` | `snapshots.${'list' | 'take'}` | 'compare.get' | `history.${'series' | 'events'}` | 'report.make'> = {
    'runs.list': ({ limit }) => gone() ?? ok(runs().slice(0, limit).map(viewOf)),
    'runs.get': ({ runId }) => {
      const record = runs().find((run) => run.id === runId)
      return record === undefined ? fail('no-such-run', 'The history has no such run.') : ok(detailOf(record))
    },
    'snapshots.list': ({ limit }) => gone() ?? ok(snapshots.slice(0, limit).map((entry) => entry.info)),
    'snapshots.take': ({ label }) => {
      const failed = gone()
      if (failed !== null) return failed
      const stored = storedOf((snapshots[0]?.info.id ?? 0) + 1, look(), label, 'manual', null)
      snapshots.unshift(stored)
      emit('changed', { what: 'snapshots', runId: null })
      return ok(stored.info)
    },
    'compare.get': ({ fromId, toId }) => {
      const from = snapshots.find((entry) => entry.info.id === fromId)
      const to = snapshots.find((entry) => entry.info.id === toId)
      if (from === undefined || to === undefined) return fail('bad-request', 'One of the two snapshots is gone.')
      return ok(snapshotDelta({ before: [from.snapshot], after: to.snapshot, treated: [], control: [] }))
    },
    'history.series': ({ fromMs, toMs, series, maxPoints }) =>
      gone() ?? ok(scenario.emptyHistory ? { resolutionMs: 1000, atMs: [], series: series.map((id) => ({ id, label: id, unit: 'bytes', values: [] })) } : wave(series, fromMs, Math.min(toMs, Date.now()), maxPoints, agentsCostBytes(), 15.6 * 1024 ** 3)),
    'history.events': ({ fromMs, toMs, limit }) => gone() ?? ok(eventsOf(runs(), events()).filter((event) => event.atMs >= fromMs && event.atMs <= toMs).slice(0, limit)),
    'report.make': async ({ format }) => {
      await sleep(80)
      const mediaTypes = { html: 'text/html', pdf: 'application/pdf', csv: 'text/csv', json: 'application/json', md: 'text/markdown' } as const
      return ok({ fileName: `agent-memory-run.${format}`, mediaType: mediaTypes[format], base64: Buffer.from(`report as ${format}`).toString('base64') })
    },
  }
  return handlers
}
