import type { PlanView } from '../contract/views.ts'
import { EXIT } from './exit-codes.ts'
import { outJson, say } from './print.ts'

type Kind = PlanView['plan']['skipped'][number]['kind']

const ASKED: Record<Kind, string> = {
  'already-so': 'There is nothing to change: all that this asks for is so already. Nothing was applied.',
  impossible: 'There is nothing to change: this machine cannot do now what this asks for. Nothing was applied.',
  'not-needed': 'There is nothing to change: nothing that this asks for is needed now. Nothing was applied.',
}
const TRIED: Record<Kind, string> = {
  'already-so': 'Nothing was tried: what this solution would set is set already, so it cannot change anything.',
  impossible: 'Nothing was tried: this machine cannot do now what this solution asks for.',
  'not-needed': 'Nothing was tried: there is nothing for this solution to do now.',
}

/** What stands in the way decides, before what needs nothing. */
const kindOf = ({ plan: { skipped } }: PlanView): Kind => {
  if (skipped.some(({ kind }) => kind === 'impossible')) return 'impossible'
  return skipped.length > 0 && skipped.every(({ kind }) => kind === 'already-so') ? 'already-so' : 'not-needed'
}

/**
 * Says of a plan without steps that nothing was done, and why; its plan was
 * printed before. What is wished and is so already was reached, a solution
 * that could not be tried was not.
 */
export const printUnchanged = (view: PlanView, { json, rule }: { readonly json: boolean; readonly rule?: string }): number => {
  const kind = kindOf(view)
  const message = (rule === undefined ? ASKED : TRIED)[kind]
  const advice = rule === undefined ? undefined : `Try another solution; "agentmemctl explain ${rule}" lists them.`
  if (json) outJson('unchanged', { changed: false, presetId: view.presetId, message, ...(advice === undefined ? {} : { advice }), skipped: view.plan.skipped })
  else {
    say(message, 0)
    if (advice !== undefined) say(advice, 0)
  }
  return rule === undefined && kind !== 'impossible' ? EXIT.ok : EXIT.cannot
}
