import type { Policy } from '../../../helper/contract/lifecycle.ts'
import type { Limits } from '../../../helper/contract/limits.ts'
import { amount, listed } from '../amounts.ts'
import { durationText } from '../report/format.ts'

/** Sentences of entries about what was done with agents. */

const MOST_NAMES = 8

/** "web-shop (Claude Code), 2 of Gemini CLI and 3 more". */
export const named = (names: readonly string[]): string => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  const words = [...counts].map(([name, count]) => (count === 1 ? name : `${count} of ${name}`))
  const more = words.length - MOST_NAMES
  return listed(more > 0 ? [...words.slice(0, MOST_NAMES), `${more} more`] : words)
}

const LIMITS: readonly (readonly [keyof Limits, string])[] = [
  ['lowBytes', 'protected (memory.low)'],
  ['highBytes', 'slowed down and paged out above (memory.high)'],
  ['maxBytes', 'ended above (memory.max)'],
  ['swapMaxBytes', 'in swap at most (memory.swap.max)'],
  ['zswapMaxBytes', 'in zswap at most (memory.zswap.max)'],
  ['toolsHighBytes', 'its tools slowed down above (tools/memory.high)'],
]

export const limitWords = (limits: Limits): string =>
  LIMITS.flatMap(([field, words]) => {
    const bytes = limits[field]
    return typeof bytes === 'number' ? [`${words}: ${amount(bytes)}`] : []
  }).join('\n')

const idleWords = (what: string, { auto, afterIdleMs }: Policy['suspend']): string => (auto ? `Idle agents are ${what} after ${durationText(afterIdleMs)}.` : `Idle agents are not ${what} by themselves.`)
const isSame = (a: Policy['suspend'], b: Policy['suspend']): boolean => a.auto === b.auto && (!a.auto || a.afterIdleMs === b.afterIdleMs)

/** What differs, as it is now; empty where nothing does, or where nobody knows what it was. The budget only where asked for. */
export const policyWords = (was: Policy | null, now: Policy, withBudget: boolean): string => {
  if (was === null) return ''
  return [
    ...(isSame(was.suspend, now.suspend) ? [] : [idleWords('suspended', now.suspend)]),
    ...(isSame(was.trim, now.trim) ? [] : [idleWords('paged out', now.trim)]),
    ...(was.ownCgroups === now.ownCgroups ? [] : [now.ownCgroups ? 'New agents get cgroups of their own.' : 'New agents stay in the cgroups they begin in.']),
    ...(!withBudget || was.budgetBytes === now.budgetBytes ? [] : [now.budgetBytes === null ? 'There is no budget for all agents together.' : `All agents together may use ${amount(now.budgetBytes)}.`]),
  ].join('\n')
}
