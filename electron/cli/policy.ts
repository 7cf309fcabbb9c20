import type { Policy } from '../../helper/contract/lifecycle.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import { amount } from '../app/amounts.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { duration, note, out, outJson, printFailure, say, wrapped } from './print.ts'

export interface PolicyOptions {
  json: boolean
  suspend?: boolean
  suspendAfter?: number
  trim?: boolean
  trimAfter?: number
  ownCgroups?: boolean
}

const printPolicy = ({ suspend, trim, budgetBytes, ownCgroups }: Policy): void => {
  out(`Suspend idle agents      ${suspend.auto ? `yes, after ${duration(suspend.afterIdleMs)}` : `no (after ${duration(suspend.afterIdleMs)}, if it were on)`}`)
  out(`Trim idle agents         ${trim.auto ? `yes, after ${duration(trim.afterIdleMs)}` : `no (after ${duration(trim.afterIdleMs)}, if it were on)`}`)
  out(`Budget of all together   ${budgetBytes === null ? 'none' : amount(budgetBytes)}`)
  out(`Cgroups of their own     ${ownCgroups ? 'yes, for new agents' : 'no'}`)
}

const printAbilities = ({ suspend, limit, trim }: Registry): void => {
  for (const [what, ability] of [['Suspend', suspend], ['Limit', limit], ['Trim', trim]] as const) {
    if (ability.how === null) note(wrapped(`${what} is not possible here: ${ability.text}`, 2))
  }
}

export const showPolicy = (options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const registry = await app.call('lifecycle.get', {})
    if (!registry.ok) return printFailure(registry.error, options.json)
    const { policy, policyProblem } = registry.value
    if (options.json) outJson('policy', policy)
    else {
      printPolicy(policy)
      if (policyProblem !== null) note(policyProblem)
      printAbilities(registry.value)
    }
    return EXIT.ok
  })

export const setPolicy = (options: PolicyOptions): Promise<number> =>
  withApp(async (app) => {
    const registry = await app.call('lifecycle.get', {})
    if (!registry.ok) return printFailure(registry.error, options.json)
    const { policy: old } = registry.value
    const policy: Policy = {
      ...old,
      suspend: { auto: options.suspend ?? old.suspend.auto, afterIdleMs: options.suspendAfter ?? old.suspend.afterIdleMs },
      trim: { auto: options.trim ?? old.trim.auto, afterIdleMs: options.trimAfter ?? old.trim.afterIdleMs },
      ownCgroups: options.ownCgroups ?? old.ownCgroups,
    }
    const answer = await app.call('policy.set', { policy })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('policy', answer.value)
    else {
      printPolicy(answer.value)
      if (app.inner.session.isOwn() && (answer.value.suspend.auto || answer.value.trim.auto)) say('It acts while the app runs, or the installed session service: start one of them.', 0)
      printAbilities(registry.value)
    }
    return EXIT.ok
  })
