import { fail } from '../../../helper/contract/result.ts'
import type { Judgement } from './rule.ts'

/** Names of all rules there are, in order. */
export const rulesOf = ({ findings, silent, couldNotLook }: Judgement): string[] =>
  [...new Set([...findings.map((finding) => finding.rule), ...silent, ...couldNotLook.map((one) => one.rule)])].toSorted()

/** Null where there is such a rule. Those of its topic are named, or all where it names none. */
export const wrongRule = (rule: string, known: readonly string[]): ReturnType<typeof fail> | null => {
  if (known.includes(rule)) return null
  const alike = known.filter((id) => id.split('.', 1)[0] === rule.split('.', 1)[0])
  return fail('bad-request', `There is no rule "${rule}".`, { expected: (alike.length > 0 ? alike : known).join(', '), got: rule, advice: 'What is found now: agentmemctl memory-diagnose' })
}
