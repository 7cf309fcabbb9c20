import type { HistoryEvent } from '../../../electron/contract/views.ts'

type Kind = HistoryEvent['kind']

/** The sign of a kind of event, in lists and over charts. */
export const signs: Partial<Record<Kind, string>> = {
  'run-started': '▲',
  'run-kept': '✓',
  'run-undone': '↺',
  'run-failed': '!',
  'agent-suspended': '‖',
  'agent-resumed': '▸',
  guard: '!',
  problem: '!',
}

/** What the signs over a chart mean. */
export const signsTold = ['▲ run', '✓ kept', '↺ undone', '‖ suspended', '▸ resumed', '! trouble'] as const

export const filters = ['All', 'Runs', 'Suspending', 'Agents', 'Limits and fixes', 'Trouble'] as const
export type Filter = (typeof filters)[number]

const inFilter: Record<Exclude<Filter, 'All'>, ReadonlySet<Kind>> = {
  Runs: new Set<Kind>(['run-started', 'run-waiting', 'run-kept', 'run-undone', 'run-failed']),
  Suspending: new Set<Kind>(['agent-suspended', 'agent-resumed']),
  Agents: new Set<Kind>(['agent-appeared', 'agent-gone', 'agent-state']),
  'Limits and fixes': new Set<Kind>(['limit', 'fix', 'reaped', 'helper']),
  Trouble: new Set<Kind>(['guard', 'problem', 'run-failed']),
}

export const passes = (event: HistoryEvent, filter: Filter): boolean => filter === 'All' || inFilter[filter].has(event.kind)

/** Events of one kind within a minute of each other are one line: nobody reads nineteen. */
export interface Group {
  first: HistoryEvent
  rest: readonly HistoryEvent[]
}

const TOGETHER_MS = 60_000
const joined: ReadonlySet<Kind> = new Set<Kind>(['agent-suspended', 'agent-resumed', 'agent-appeared', 'agent-gone', 'agent-state'])

/** Newest first, as they come. */
export const groupsOf = (events: readonly HistoryEvent[]): Group[] => {
  const groups: { first: HistoryEvent; rest: HistoryEvent[] }[] = []
  for (const event of events) {
    const group = groups.at(-1)
    const last = group === undefined ? undefined : (group.rest.at(-1) ?? group.first)
    if (group !== undefined && last !== undefined && last.kind === event.kind && joined.has(event.kind) && last.atMs - event.atMs < TOGETHER_MS) group.rest.push(event)
    else groups.push({ first: event, rest: [] })
  }
  return groups
}

const manyWords: Partial<Record<Kind, string>> = { 'agent-suspended': 'agents suspended', 'agent-resumed': 'agents resumed', 'agent-appeared': 'agents appeared', 'agent-gone': 'agents ended', 'agent-state': 'agents changed their state' }

export const groupWords = ({ first, rest }: Group): string => (rest.length === 0 ? first.text : `${rest.length + 1} ${manyWords[first.kind] ?? 'events'}`)
