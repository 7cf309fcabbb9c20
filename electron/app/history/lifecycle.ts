import type Database from 'better-sqlite3'
import { guardWordSchema, resumedSchema, suspensionSchema, transitionSchema, type GuardWord, type LifecycleEvent, type Resumed, type Suspension, type Transition } from '../../../helper/contract/lifecycle.ts'
import type { Response } from '../../contract/channels.ts'
import type { HistoryEvent } from '../../contract/views.ts'
import { eventsOf, LOST_TEXT } from './lifecycle-words.ts'
import { pack, unpack } from './pack.ts'
import { queries } from './queries.ts'

export type Timeline = Response<'agents.timeline'>
export type PastSuspension = Timeline['suspensions'][number]

/** A busy fleet changes state some thousand times a day; this is months of it, in about 30 MB. */
const MOST_TRANSITIONS = 200_000
/** More than a chart can draw of one agent. */
const MOST_OF_ONE = 5_000

interface StoredSuspension {
  body: Buffer
  resumed: Buffer | null
}
const suspensionOf = ({ body, resumed }: StoredSuspension): PastSuspension => ({
  suspension: suspensionSchema.parse(unpack(body)),
  resumed: resumed === null ? null : resumedSchema.parse(unpack(resumed)),
})

/** States, suspensions and the guard's words; every writing function runs inside a transaction of its caller. */
export const createLifecycleStore = (db: Database.Database, addEvent: (event: Omit<HistoryEvent, 'id'>) => void, mostTransitions = MOST_TRANSITIONS) => {
  const selectAfter = db.prepare<[string], { afterSeq: number }>(queries.afterSeq)
  const setAfter = db.prepare('INSERT INTO spool (id, after_seq, seen_at_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET after_seq = excluded.after_seq, seen_at_ms = excluded.seen_at_ms')
  const insertTransition = db.prepare('INSERT OR IGNORE INTO transition (agent_id, at_ms, spool, seq, from_state, to_state, cause, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  const insertSuspension = db.prepare('INSERT OR IGNORE INTO suspension (spool, seq, agent_id, since_ms, won_bytes, body) VALUES (?, ?, ?, ?, ?, ?)')
  const setResumed = db.prepare('UPDATE suspension SET resumed_at_ms = ?, resumed = ? WHERE id = ?')
  const selectOpen = db.prepare<[string], { id: number; sinceMs: number }>(queries.openSuspension)
  const insertWord = db.prepare('INSERT OR IGNORE INTO guard_word (spool, seq, at_ms, told, body) VALUES (?, ?, ?, 0, ?)')
  const markTold = db.prepare('UPDATE guard_word SET told = 1 WHERE id = ?')
  const selectUntold = db.prepare<[number, number], { id: number; body: string }>(queries.untoldWords)
  const selectTransitions = db.prepare<[string, number, number, number], Transition>(queries.transitions)
  const selectBefore = db.prepare<[string, number], Transition>(queries.transitionBefore)
  const selectSuspensions = db.prepare<[string, number, number, number], StoredSuspension>(queries.suspensions)
  const selectAmong = db.prepare<[number, number, number], StoredSuspension>(queries.suspensionsAmong)
  const selectLimit = db.prepare<[number], { atMs: number }>(queries.transitionLimit)
  const dropTransitions = db.prepare(queries.dropTransitions)
  const dropSuspensions = db.prepare(queries.dropSuspensions)
  const dropWords = db.prepare(queries.dropWords)
  const dropSpools = db.prepare('DELETE FROM spool WHERE seen_at_ms < ?')

  const afterSeq = (spool: string): number => selectAfter.get(spool)?.afterSeq ?? 0

  const addSuspension = (spool: string, seq: number, suspension: Suspension): void => {
    insertSuspension.run(spool, seq, suspension.agentId, Math.round(suspension.sinceMs), suspension.wonBytes, pack(suspension))
  }
  const addResumed = (atMs: number, resumed: Resumed): void => {
    const open = selectOpen.get(resumed.agentId)
    // Its suspension was lost, or was long ago: the event alone tells of it.
    if (open !== undefined) setResumed.run(Math.max(open.sinceMs, Math.round(atMs)), pack(resumed), open.id)
  }

  /** Takes in what is new of one spool, in the order of its numbers; answers how many lines that were. */
  const take = (spool: string, events: readonly LifecycleEvent[], nowMs: number): number => {
    // Read inside the transaction: the app and agentmemctl may both take in the same lines.
    const from = afterSeq(spool)
    let last = from
    let taken = 0
    for (const event of events.toSorted((a, b) => a.seq - b.seq)) {
      if (event.seq <= last) continue
      if (last > 0 && event.seq > last + 1) addEvent({ atMs: Math.round(event.atMs), kind: 'problem', text: LOST_TEXT(event.seq - last - 1), runId: null, agentId: null })
      last = event.seq
      taken += 1
      const { agentId, transition, suspension, resumed, word } = event
      if (transition !== null && agentId !== null) {
        insertTransition.run(agentId, Math.round(transition.atMs), spool, event.seq, transition.from, transition.to, transition.cause, transition.text)
      }
      if (suspension !== null) addSuspension(spool, event.seq, suspension)
      if (resumed !== null) addResumed(event.atMs, resumed)
      if (word !== null) insertWord.run(spool, event.seq, Math.round(word.atMs), JSON.stringify(word))
      for (const line of eventsOf(event)) addEvent(line)
    }
    if (last > from) setAfter.run(spool, last, Math.round(nowMs))
    return taken
  }

  const timeline = (agentId: string, fromMs: number, toMs: number): Timeline => {
    const before = selectBefore.get(agentId, fromMs)
    const since = selectTransitions.all(agentId, fromMs, toMs, MOST_OF_ONE)
    return {
      transitions: (before === undefined ? since : [before, ...since]).map((one) => transitionSchema.parse(one)),
      suspensions: selectSuspensions.all(agentId, toMs, fromMs, MOST_OF_ONE).map(suspensionOf).toReversed(),
    }
  }

  /** Suspensions of any agent that reach into the range, oldest first. */
  const suspensions = (fromMs: number, toMs: number): PastSuspension[] => selectAmong.all(toMs, fromMs, MOST_OF_ONE).map(suspensionOf).toReversed()

  /** Words the desktop has not shown, none older than `sinceMs`; from then on they count as shown. */
  const tellWords = (sinceMs: number): GuardWord[] =>
    selectUntold.all(sinceMs, 50).map(({ id, body }) => {
      markTold.run(id)
      return guardWordSchema.parse(JSON.parse(body))
    })
  const hasUntold = (sinceMs: number): boolean => selectUntold.get(sinceMs, 1) !== undefined

  const prune = (beforeMs: number): void => {
    dropTransitions.run(Math.max(beforeMs, selectLimit.get(mostTransitions - 1)?.atMs ?? 0))
    dropSuspensions.run(beforeMs)
    dropWords.run(beforeMs)
    dropSpools.run(beforeMs)
  }

  return { afterSeq, take, timeline, suspensions, tellWords, hasUntold, prune }
}
