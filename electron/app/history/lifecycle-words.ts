import type { LifecycleEvent } from '../../../helper/contract/lifecycle.ts'
import type { HistoryEvent } from '../../contract/views.ts'
import { amount } from '../amounts.ts'

export const LOST_TEXT = (lines: number): string =>
  `${lines === 1 ? 'One entry' : `${lines} entries`} about agents ${lines === 1 ? 'was' : 'were'} dropped before the history could take ${lines === 1 ? 'it' : 'them'} in`

const who = ({ title, name }: Pick<LifecycleEvent, 'title' | 'name'>): string => (name === title || name === '' ? title : `${title} in ${name}`)

/**
 * What the list of events says of one spooled line. Coming, going and the
 * quiet change between active and idle have no line of their own: the first
 * two are told by the looks, the last is for the timeline of one agent.
 */
export const eventsOf = (event: LifecycleEvent): Omit<HistoryEvent, 'id'>[] => {
  const { agentId, suspension, resumed, word, transition } = event
  const line = (kind: HistoryEvent['kind'], text: string, runId: string | null = null): Omit<HistoryEvent, 'id'> => ({ atMs: Math.round(event.atMs), kind, text, runId, agentId })
  const lines: Omit<HistoryEvent, 'id'>[] = []
  if (suspension !== null) {
    lines.push(line('agent-suspended', `${who(event)} was suspended${suspension.wonBytes > 0 ? `, which won ${amount(suspension.wonBytes)}` : ', which won nothing'}${suspension.stoppedBy === null ? '' : `; ${suspension.stoppedBy}`}`))
  }
  if (resumed !== null) lines.push(line('agent-resumed', `${who(event)} runs again: ${transition?.text ?? CAUSES[resumed.cause]}`))
  // That the guard woke it is told by the line of the agent itself, which comes with it.
  if (word !== null && word.what !== 'woke') lines.push(line('guard', word.text, word.runId))
  if (lines.length > 0 || word !== null) return lines
  if (event.topic !== undefined) return [line(event.topic, event.text)]
  if (transition === null) return event.text === '' ? [] : [line('agent-state', event.text)]
  const quiet = transition.from === null || transition.to === 'gone' || transition.cause === 'evidence' || transition.cause === 'hook'
  if (quiet && transition.from !== 'suspended') return []
  return [line('agent-state', `${who(event)} went from ${transition.from ?? 'nowhere'} to ${transition.to}: ${transition.text}`)]
}

/** Why an agent changed, in the words of a list. */
export const CAUSES: Record<NonNullable<LifecycleEvent['transition']>['cause'], string> = {
  discovered: 'it was found',
  launched: 'it was started',
  hook: 'it said so itself',
  evidence: 'what it does was seen',
  user: 'by the window',
  'command-line': 'by the command line',
  policy: 'by the policy',
  key: 'a key was typed',
  pressure: 'memory ran short',
  guard: 'by the guard',
  'owner-gone': 'whoever suspended it was gone',
  logout: 'at logout',
  'machine-sleep': 'before the machine slept',
  'startup-recovery': 'after a restart of the helper',
  ended: 'it ended',
}
