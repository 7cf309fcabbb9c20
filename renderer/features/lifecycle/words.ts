import type { Agent } from '../../../helper/contract/agents.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import type { GuardWord, LifecycleCause, RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import { bytes, duration, until } from '../../format/format.ts'

/** Who or what moved an agent from one state to another. */
export const causeWords: Record<LifecycleCause, string> = {
  discovered: 'found among the processes',
  launched: 'started under this app',
  hook: 'the agent said so',
  evidence: 'seen from outside',
  user: 'you, in the window',
  'command-line': 'you, on the command line',
  policy: 'by itself, as Settings says',
  key: 'a key was typed',
  pressure: 'memory ran short',
  guard: 'the guard',
  'owner-gone': 'who suspended it went away',
  logout: 'logout',
  'machine-sleep': 'the machine went to sleep',
  'startup-recovery': 'recovered at start',
  ended: 'it ended',
}

export const guardTitles: Record<GuardWord['what'], string> = {
  'oom-kill': 'The kernel ended a process for want of memory',
  'service-ended': 'A system service ended',
  pressure: 'Memory ran short',
  'low-memory': 'Memory was nearly used up',
  stuck: 'An agent hangs in the kernel',
  'helper-gone': 'The helper stopped; the guard stepped in',
  'owner-gone': 'The session went away; its agents run again',
  woke: 'An agent woke',
  undone: 'The guard took a change back',
  thawed: 'The guard let an agent go on',
  problem: 'The guard had a problem',
}

/** Everyday words of the guard: an agent woke, as it should. */
const everyday: ReadonlySet<GuardWord['what']> = new Set(['woke', 'thawed'])
export const isNoteworthy = (word: GuardWord): boolean => !everyday.has(word.what)

export const nameOf = (agent: Pick<Agent, 'title' | 'name'>): string => (agent.name === agent.title || agent.name === '' ? agent.title : `${agent.title} ${agent.name}`)

/** What was said about one agent among many, as one line; titles of whole pages would be too large for it. */
export const lineOf = (failure: Failure): string => [failure.message, failure.advice].filter((part) => part !== undefined && part !== '').join(' ')

/** Beside the state in a table: the one thing worth knowing now. */
export const stateDetail = (entry: RegistryEntry, nowMs: number): string => {
  if (entry.doing !== null) return `${entry.doing}…`
  if (entry.state === 'suspended') return entry.suspension === null ? '' : entry.suspension.wonBytes > 0 ? `won ${bytes(entry.suspension.wonBytes)}` : 'won nothing'
  if (entry.state === 'active') return entry.activity.reasons[0]?.text ?? ''
  if (entry.state !== 'idle') return ''
  if (entry.suspendsAtMs !== null) return `suspends ${until(entry.suspendsAtMs, nowMs)}`
  if (entry.trimmedBytes > 0) return `${bytes(entry.trimmedBytes)} trimmed`
  return ''
}

/** All there is to say about the state, a line each. */
export const stateLines = (entry: RegistryEntry, nowMs: number): string[] => {
  const last = entry.transitions.at(-1)
  return [
    ...(last === undefined ? [] : [`${last.to === entry.state ? `Since ${duration(nowMs - entry.stateSinceMs)}: ` : ''}${last.text} (${causeWords[last.cause]})`]),
    ...entry.activity.reasons.map(({ text }) => `It ${text}.`),
    ...(entry.suspension === null ? [] : [`Won ${bytes(Math.max(0, entry.suspension.wonBytes))}: ${bytes(entry.suspension.before.costBytes)} before, ${bytes(entry.suspension.after.costBytes)} after.`]),
    ...(entry.suspendsAtMs === null ? [] : [`Will be suspended ${until(entry.suspendsAtMs, nowMs)} if it stays idle.`]),
    ...(entry.trimmedBytes === 0 ? [] : [`${bytes(entry.trimmedBytes)} trimmed while it ran.`]),
    ...(entry.pinned ? ['Pinned: never suspended.'] : []),
    ...(entry.limit === null ? [] : [`Limit: ${entry.limit.text}`]),
    ...(entry.problem === null ? [] : [`Last try failed: ${lineOf(entry.problem)}`]),
  ]
}

export const importanceWord = (importance: number): string => (importance >= 67 ? 'high' : importance >= 34 ? 'normal' : 'low')
