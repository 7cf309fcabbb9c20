import type { Figure, Solution } from '../../contract/diagnosis.ts'
import type { Offer } from './rule.ts'

/**
 * Fields in the order of the contract, whatever order a rule gave them in: an
 * answer that was parsed on its way (from the app) has the same bytes as one
 * that was not.
 */
const actOf = (act: Offer['act']): Solution['act'] => {
  switch (act.how) {
    case 'try-run':
      return { how: act.how, settings: act.settings }
    case 'preset':
      return { how: act.how, presetId: act.presetId, agentIds: act.agentIds }
    case 'page':
      return { how: act.how, page: act.page, rest: act.rest }
    case 'command':
      return { how: act.how, command: act.command, needsRoot: act.needsRoot }
    case 'advice':
      return { how: act.how }
  }
}

export const offerInOrder = ({ id, title, what, tradeOff, sideEffects, scope, undo, undoWords, act }: Offer): Offer => ({ id, title, what, tradeOff, sideEffects, scope, undo, undoWords, act: actOf(act) })

export const figureInOrder = ({ what, value, unit, source, threshold, history }: Figure): Figure => ({ what, value, unit, source, threshold, history })
