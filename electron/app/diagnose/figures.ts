import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Figure } from '../../contract/diagnosis.ts'
import type { Looks } from './rule.ts'

type Value = number | string

interface Given {
  readonly what: string
  readonly value: Value
  readonly unit: Figure['unit']
  readonly source: string
  readonly threshold?: Figure['threshold']
  readonly history?: Figure['history']
}

export const figure = ({ threshold = null, history = null, ...given }: Given): Figure => ({ ...given, threshold, history })

export const above = (value: Value): Figure['threshold'] => ({ kind: 'above', value })
export const below = (value: Value): Figure['threshold'] => ({ kind: 'below', value })
export const is = (value: Value): Figure['threshold'] => ({ kind: 'is', value })
export const isNot = (value: Value): Figure['threshold'] => ({ kind: 'is-not', value })

/** A chart needs two points; one look has no history. */
const enough = (points: NonNullable<Figure['history']>): Figure['history'] => (points.length < 2 ? null : points)

/** A figure over the looks; null is a gap. */
export const historyOf = (looks: Looks, value: (look: Evidence) => number | null | undefined): Figure['history'] =>
  enough(looks.map((look) => ({ atMs: look.takenAtMs, value: value(look) ?? null })))

/** What a counter gained per second from look to look; a gap where it is absent or went backwards. */
export const rateHistoryOf = (looks: Looks, count: (look: Evidence) => number | null | undefined): Figure['history'] =>
  enough(looks.slice(1).map((look, i) => {
    const before = looks[i]
    const from = before === undefined ? null : (count(before) ?? null)
    const to = count(look) ?? null
    const overMs = look.monotonicMs - (before?.monotonicMs ?? look.monotonicMs)
    return { atMs: look.takenAtMs, value: from === null || to === null || to < from || overMs <= 0 ? null : ((to - from) * 1000) / overMs }
  }))
