import type { Agent } from '../../../helper/contract/agents.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import type { LifecycleEvent, Orphan, Policy, Suspension, TrimmedAgents } from '../../../helper/contract/lifecycle.ts'
import type { LimitView } from '../../../helper/contract/limits.ts'
import type { Registry, SessionMethod, SessionRequest, SessionResponse } from '../../../helper/contract/requests.ts'
import type { Deed } from '../../contract/deeds.ts'
import { amount } from '../amounts.ts'
import type { NewEntry } from '../history/journal.ts'
import { agentSeriesId, type History } from '../history/types.ts'
import { durationText, plural } from '../report/format.ts'
import { deedId, solutionOf } from './filing.ts'
import { sweepAt, sweepId, sweepsOf, untoldSweep, type Sweep } from './sweeps.ts'
import { limitWords, named, policyWords } from './words.ts'

/** What the journal keeps of everything that is done with agents and is no run: who, what it won, and whether it was taken back. */

/** What was asked of the session role, its answer, and the registry before and after. */
export interface Done<M extends SessionMethod> {
  readonly request: SessionRequest<M>
  readonly answer: SessionResponse<M>
  readonly before: Registry | null
  readonly after: Registry | null
  /** As they were shown, with what each held; only for those that are to be ended. */
  readonly orphans: readonly Orphan[]
}

export interface Deeds {
  /** Names of agents that something is about to be done with, which a history that is not sampled does not know. */
  know(agents: readonly Pick<Agent, 'id' | 'title' | 'name'>[]): void
  /** The user had this done, by window or command line. */
  did<M extends SessionMethod>(method: M, done: Done<M>): void
  /** Lines of the session role, before the history takes them; the same ones twice write nothing twice. */
  spooled(events: readonly LifecycleEvent[]): void
  /** With every look: what came of limits that were being watched, and what went to sleep by itself. */
  look(registry: Registry): void
}

export interface DeedsDeps {
  readonly history: Pick<History, 'reader' | 'writer'>
  readonly kernelRelease: () => string
  readonly onChanged: () => void
  readonly now: () => number
}

type Methods = { readonly [M in SessionMethod]?: (done: Done<M>) => void }

/** Below it nobody would notice, and a figure would be read as a gain. */
const LEAST_GAIN_BYTES = 1024 * 1024
/** How often it is asked whether something went to sleep by itself. */
const SWEEPS_MS = 60_000
/** Names of agents that ended since are known for so long. */
const NAMES_MS = 24 * 3600_000

const limitId = ({ agentId, setAtMs }: LimitView): string => `limit-${Math.round(setAtMs)}-${agentId === null ? 'all' : agentId.slice(agentId.indexOf(':') + 1)}`.slice(0, 64)
const trimId = (fromMs: number, toMs: number): string => `trim-${Math.round(fromMs)}-${Math.round(toMs)}`
const fixId = (id: string, atMs: number): string => `fix-${Math.round(atMs)}-${id}`.slice(0, 64)
const fixOf = (runId: string | null): string => /^fix-\d+-(.*)$/u.exec(runId ?? '')?.[1] ?? ''

const labelOf = ({ title, name }: Pick<Agent, 'title' | 'name'>): string => (name === title || name === '' ? title : `${name} (${title})`)

export const createDeeds = ({ history, kernelRelease, onChanged, now }: DeedsDeps): Deeds => {
  const { reader, writer } = history
  /** Limits of which it is known here that their outcome is written, or that nobody waits for it. */
  const settled = new Set<string>()
  let known: ReadonlyMap<string, string> = new Map()
  let sweptAtMs: number | null = null

  const write = (deed: Deed, entry: Pick<NewEntry, 'kind' | 'title' | 'text' | 'outcome' | 'gainBytes'> & { readonly runId?: string | null; readonly atMs?: number }): void => {
    const added = writer.addToJournal({ atMs: now(), runId: null, rule: null, subject: '', solution: solutionOf(deed), presetId: deedId(deed), kernelRelease: kernelRelease(), ...entry })
    // A full disk is told by the history itself and stops nobody from acting.
    if (added.ok && added.value !== null) onChanged()
  }
  const gained = (bytes: number): Pick<NewEntry, 'outcome' | 'gainBytes'> => ({ outcome: bytes < LEAST_GAIN_BYTES ? 'no-gain' : 'kept', gainBytes: Math.round(bytes) })

  /** As the history's charts call them. */
  const namesOf = (agents: readonly Pick<Suspension, 'agentId' | 'title'>[]): string => {
    const labels = new Map(reader.growing(now() - NAMES_MS).map(({ id, label }) => [id, label]))
    return named(agents.map(({ agentId, title }) => labels.get(agentSeriesId(agentId)) ?? known.get(agentId) ?? title))
  }
  const nameOf = (agentId: string): string => namesOf([{ agentId, title: 'An agent' }])

  const sweepEntry = (suspended: readonly Suspension[], byItself: boolean, left: readonly { readonly error: Failure }[]): void => {
    const won = suspended.reduce((sum, { wonBytes }) => sum + wonBytes, 0)
    const stopped = suspended.find(({ stoppedBy }) => stoppedBy !== null)?.stoppedBy ?? null
    write('suspend', {
      kind: 'outcome',
      runId: sweepId(byItself, suspended),
      title: `${plural(suspended.length, 'agent')} suspended${byItself ? ' by the policy' : ''}`,
      text: [
        `${namesOf(suspended)}: ${amount(suspended.reduce((sum, { before }) => sum + before.costBytes, 0))} before, ${amount(suspended.reduce((sum, { after }) => sum + after.costBytes, 0))} after.`,
        ...(stopped === null ? [] : [stopped]),
        ...(left.length === 0 ? [] : [`${left.length} left alone: ${left[0]?.error.message ?? ''}`]),
      ].join('\n'),
      ...gained(won),
    })
  }

  /** The session role has summed it up; what an agent touches afterwards is nobody's to measure. */
  const trimEntry = ({ fromMs, toMs, agents }: TrimmedAgents, atMs: number): void => {
    const won = agents.reduce((sum, { wonBytes }) => sum + wonBytes, 0)
    const who = namesOf(agents.map(({ agentId, title, name }) => ({ agentId, title: labelOf({ title, name }) })))
    write('trim', {
      kind: 'outcome',
      runId: trimId(fromMs, toMs),
      atMs,
      title: `${plural(agents.length, 'idle agent')} paged out by the policy`,
      text: `${who}: ${amount(won)} in small steps${toMs - fromMs < 60_000 ? '' : ` over ${durationText(toMs - fromMs)}`}, measured at each. What an agent touches comes back.`,
      ...gained(won),
    })
  }

  const limitEntry = (view: LimitView): void => {
    const who = view.agentId === null ? 'All agents together' : nameOf(view.agentId)
    const runId = limitId(view)
    const isTaken = view.state === 'undone'
    // Not one that was set by hand from here, or it is told already.
    if (view.state === 'watching' || settled.has(`${runId} ${view.state}`)) return
    settled.add(`${runId} ${view.state}`)
    if (reader.originOf(runId) === null) return
    write('limit', { kind: 'outcome', runId, title: isTaken ? `${who}: the limit was taken back` : `${who}: the limit holds`, text: view.text, outcome: isTaken ? 'undone' : 'kept', gainBytes: null })
  }

  const limitAction = (view: LimitView): void => {
    const who = view.agentId === null ? 'All agents together' : nameOf(view.agentId)
    if (view.state !== 'undone') write('limit', { kind: 'action', runId: limitId(view), title: `${who}: limited`, text: limitWords(view.limits), outcome: null, gainBytes: null })
    limitEntry(view)
  }

  const resumedEntries = ({ answer: { resumed }, before, after }: Done<'Resume'>): void => {
    if (resumed.length === 0) return
    const sweeps = sweepsOf(reader)
    const asleep = new Set((after?.entries ?? []).flatMap(({ state, suspension }) => (state === 'suspended' && suspension !== null ? [sweepAt(sweeps, suspension.sinceMs)?.runId] : [])))
    const woken = resumed.map((one) => {
      const suspension = before?.entries.find(({ id }) => id === one.agentId)?.suspension ?? null
      return { ...one, title: suspension?.title ?? 'An agent', sweep: sweepAt(sweeps, suspension?.sinceMs ?? now() - one.suspendedForMs) }
    })
    const entry = (agents: typeof woken, sweep: Sweep | null): void => {
      if (agents.length === 0) return
      write('suspend', {
        kind: sweep === null ? 'action' : 'outcome',
        runId: sweep?.runId ?? null,
        title: `${plural(agents.length, 'agent')} resumed`,
        text: `${namesOf(agents)}: suspended for ${durationText(Math.max(...agents.map(({ suspendedForMs }) => suspendedForMs)))}.`,
        outcome: sweep === null ? null : 'undone',
        gainBytes: sweep?.gainBytes ?? null,
      })
    }
    // Only where nobody of a sweep sleeps any more it was taken back.
    const over = sweeps.filter((sweep) => !asleep.has(sweep.runId) && woken.some((one) => one.sweep === sweep))
    for (const sweep of over) entry(woken.filter((one) => one.sweep === sweep), sweep)
    entry(woken.filter((one) => one.sweep === null || !over.includes(one.sweep)), null)
  }

  const methods: Methods = {
    Suspend: ({ answer: { suspended, left } }) => {
      const [first] = left
      if (suspended.length > 0) sweepEntry(suspended, false, left)
      // Busy, gone or not allowed passes; what this machine lacks is worth remembering.
      else if (first?.error.code === 'not-supported') write('suspend', { kind: 'outcome', title: 'Suspending failed', text: first.error.message, outcome: 'failed', gainBytes: null })
    },
    Resume: resumedEntries,
    Limit: ({ answer }) => { limitAction(answer) },
    Reap: ({ answer: { ended, left }, orphans }) => {
      if (ended.length === 0) return
      const gone = orphans.filter(({ pid, startTimeTicks }) => ended.some((one) => one.pid === pid && one.startTimeTicks === startTimeTicks))
      const costs = gone.flatMap(({ costBytes }) => (costBytes.value === null ? [] : [costBytes.value]))
      const text = [...(gone.length === 0 ? [] : [`${named(gone.map(({ label }) => label))}.`]), ...(left.length === 0 ? [] : [`${left.length} left alone: ${left[0]?.reason ?? ''}`])].join('\n')
      write('end-leftovers', { kind: 'outcome', title: `${plural(ended.length, 'process', 'processes')} ended that outlived an agent`, text, ...(costs.length === 0 ? { outcome: 'kept', gainBytes: null } : gained(costs.reduce((sum, bytes) => sum + bytes, 0))) })
    },
    AskToFree: ({ request: { id }, answer: { asked } }) => {
      const freed = asked.flatMap(({ beforeBytes, afterBytes }) => (beforeBytes.value === null || afterBytes.value === null ? [] : [beforeBytes.value - afterBytes.value]))
      if (freed.length > 0) write('free', { kind: 'outcome', title: `${nameOf(id)}: asked to give memory back`, text: asked.map(({ text }) => text).join('\n'), ...gained(freed.reduce((sum, bytes) => sum + bytes, 0)) })
    },
    ApplyFix: ({ answer: { id, title, text, state } }) => {
      if (state === 'applied') write('fix', { kind: 'outcome', runId: fixId(id, now()), title: `${title}: applied`, text, outcome: 'kept', gainBytes: null })
    },
    UndoFix: ({ answer: { id, title } }) => {
      const applied = reader.outcomesOf('', '', deedId('fix'), 200).find(({ runId }) => fixOf(runId) === fixOf(fixId(id, now())))
      write('fix', { kind: 'outcome', runId: applied?.runId ?? null, title: `${title}: taken back`, text: '', outcome: 'undone', gainBytes: null })
    },
    SetPolicy: ({ answer, before, after }) => {
      const was: Policy | null = before?.policy ?? null
      const budget = was === null || was.budgetBytes === answer.budgetBytes ? null : (after?.budget ?? null)
      const text = policyWords(was, answer, budget === null)
      if (text !== '') write('policy', { kind: 'action', title: 'What is done with idle agents was changed', text, outcome: null, gainBytes: null })
      // In force it is told as the limit that it is.
      if (budget !== null) limitAction(budget)
    },
  }

  return {
    know(agents) { known = new Map(agents.map((agent) => [agent.id, labelOf(agent)])) },
    spooled(events) { for (const { trimmed, atMs } of events) if (trimmed !== undefined) trimEntry(trimmed, atMs) },
    did(method, done) { methods[method]?.(done) },
    look(registry) {
      for (const view of [registry.budget, ...registry.entries.map(({ limit }) => limit)]) if (view !== null) limitEntry(view)
      const nowMs = now()
      if (sweptAtMs !== null && Math.abs(nowMs - sweptAtMs) < SWEEPS_MS) return
      sweptAtMs = nowMs
      const sweep = untoldSweep(reader, nowMs)
      if (sweep.length > 0) sweepEntry(sweep, true, [])
    },
  }
}
