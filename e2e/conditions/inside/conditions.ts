/** The ten conditions, each from a machine that is well: with compressed swap, and nothing to be found. */
import { same, type Test } from '../../guest/inside/harness.ts'
import { diagnose, forget } from './ask.ts'
import { testOf } from './condition.ts'
import { isKeepingLooks, keepLooks } from './looks.ts'
import { healthySwap } from './make.ts'
import { programConditions } from './programs.ts'
import { reclaimConditions } from './reclaim.ts'
import { swapConditions } from './swap.ts'

export const conditionTests = (filter: string): readonly Test[] => [
  { name: 'the machine has compressed swap, and is well', run: async () => {
    healthySwap()
    forget()
    if (isKeepingLooks) keepLooks('quiet')
    same(diagnose('4s').map(({ rule }) => rule), [], 'findings')
  } },
  ...[...swapConditions, ...programConditions, ...reclaimConditions].map(testOf).filter(({ name }) => filter === '' || filter.split(',').some((word) => name.includes(word))),
]
