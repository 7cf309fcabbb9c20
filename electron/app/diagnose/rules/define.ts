import type { Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { fit } from './fit.ts'

/**
 * Keeps the names of a rule's thresholds for its `find` and forgets them in the
 * list of all; of its ways to act those stay that this machine can go.
 */
export const define = <T extends Readonly<Record<string, number>>>(rule: Rule<T>): Rule => ({
  ...rule,
  find: (looks, thresholds) => rule.find(looks, thresholds as T).map((found) => ({ ...found, solutions: fit(lastOf(looks), found.solutions) })),
})
