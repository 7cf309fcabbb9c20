import { describe, expect, it } from 'vitest'
import type { HistoryEvent } from '../../../electron/contract/views.ts'
import { groupsOf, groupWords, passes } from './kinds.ts'

const event = (kind: HistoryEvent['kind'], atMs: number, text = 'x'): HistoryEvent => ({ id: atMs, atMs, kind, text, runId: null, agentId: null })

describe('events of the history', () => {
  it('puts a burst of suspends into one line, and nothing else with it', () => {
    const groups = groupsOf([event('agent-suspended', 130_000), event('agent-suspended', 90_000), event('agent-suspended', 40_000), event('guard', 39_000), event('agent-suspended', 38_000, 'one alone')])
    expect(groups.map(groupWords)).toEqual(['3 agents suspended', 'x', 'one alone'])
  })

  it('keeps those apart that lie more than a minute apart, and runs always', () => {
    expect(groupsOf([event('agent-suspended', 200_000), event('agent-suspended', 100_000)])).toHaveLength(2)
    expect(groupsOf([event('run-kept', 2000), event('run-kept', 1000)])).toHaveLength(2)
  })

  it('filters: a failed run is both a run and trouble', () => {
    expect(passes(event('run-failed', 1), 'Runs') && passes(event('run-failed', 1), 'Trouble')).toBe(true)
    expect(passes(event('agent-suspended', 1), 'Runs')).toBe(false)
    expect(passes(event('limit', 1), 'All')).toBe(true)
  })
})
