import type { Transition } from '../../../helper/contract/lifecycle.ts'
import type { Band } from '../../ui/band-chart.tsx'
import { causeWords } from '../lifecycle/words.ts'

/** What was said about coming to a state, with its cause. */
export const toldOf = ({ text, cause }: Transition): string => (text.toLowerCase().startsWith(causeWords[cause]) ? text : `${text.replace(/\.$/u, '')} (${causeWords[cause]}).`)

/**
 * Transitions as stretches of one state each, cut to the range. What lies
 * before the first of them is told by its `from`: nothing, where it appeared.
 */
export const bandsOf = (transitions: readonly Transition[], fromMs: number, toMs: number): Band[] => {
  const bands: Band[] = []
  const first = transitions[0]
  if (first !== undefined && first.from !== null && first.atMs > fromMs) bands.push({ fromMs, toMs: Math.min(first.atMs, toMs), state: first.from, text: 'It was so before this range.' })
  for (const [i, transition] of transitions.entries()) {
    const begin = Math.max(transition.atMs, fromMs)
    const end = Math.min(transitions[i + 1]?.atMs ?? toMs, toMs)
    if (transition.to !== 'gone' && end > begin) bands.push({ fromMs: begin, toMs: end, state: transition.to, text: toldOf(transition) })
  }
  return bands
}
