import { describe, expect, it } from 'vitest'
import type { Transition } from '../../../helper/contract/lifecycle.ts'
import { bandsOf } from './states.ts'

const at = (atMs: number, from: Transition['from'], to: Transition['to'], cause: Transition['cause'] = 'evidence'): Transition => ({ atMs, from, to, cause, text: 'Something happened.' })

describe('states over time', () => {
  it('makes a stretch of each state, the last one until now', () => {
    const bands = bandsOf([at(10, null, 'active', 'discovered'), at(40, 'active', 'idle'), at(70, 'idle', 'suspended', 'policy')], 0, 100)
    expect(bands.map(({ fromMs, toMs, state }) => [fromMs, toMs, state])).toEqual([[10, 40, 'active'], [40, 70, 'idle'], [70, 100, 'suspended']])
    expect(bands[2]?.text).toBe('Something happened (by itself, as Settings says).')
  })

  it('fills the time before the first one from what it came from, and cuts to the range', () => {
    expect(bandsOf([at(50, 'idle', 'active')], 20, 100).map(({ fromMs, toMs, state }) => [fromMs, toMs, state])).toEqual([[20, 50, 'idle'], [50, 100, 'active']])
    expect(bandsOf([at(10, null, 'active')], 20, 100).map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([[20, 100]])
  })

  it('ends with the agent, and is empty where nothing is known', () => {
    expect(bandsOf([at(10, null, 'active'), at(60, 'active', 'gone', 'ended')], 0, 100).map(({ toMs }) => toMs)).toEqual([60])
    expect(bandsOf([], 0, 100)).toEqual([])
  })
})
