import type { Looks, Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { fit } from './fit.ts'

type Written<T extends Readonly<Record<string, number>>> = Rule<T> & {
  /**
   * What the rule is about, where a machine need not have it: several memory
   * nodes, zswap, a service. Without it the rule has looked and found nothing;
   * only what cannot be known keeps it from looking.
   */
  readonly appliesTo?: (looks: Looks) => boolean
}

/**
 * Keeps the names of a rule's thresholds for its `find` and forgets them in the
 * list of all; of its ways to act those stay that this machine can go.
 */
export const define = <T extends Readonly<Record<string, number>>>({ appliesTo = () => true, ...rule }: Written<T>): Rule => ({
  ...rule,
  needs: rule.needs.map((need) => (looks) => (appliesTo(looks) ? need(looks) : null)),
  find: (looks, thresholds) => (appliesTo(looks) ? rule.find(looks, thresholds as T).map((found) => ({ ...found, solutions: fit(lastOf(looks), found.solutions) })) : []),
})
