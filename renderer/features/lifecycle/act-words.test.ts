import { describe, expect, it } from 'vitest'
import type { Suspension } from '../../../helper/contract/lifecycle.ts'
import { fail } from '../../../helper/contract/result.ts'
import type { Act } from '../../stores/act.ts'
import { actWords } from './act-words.ts'

const MB = 1024 * 1024
const act = (more: Partial<Act>): Act => ({ kind: 'suspend', ids: ['a', 'b', 'c'], done: 3, state: 'over', stopped: false, suspended: [], resumed: [], left: [], failure: null, tookMs: 10, ...more })
const suspended = (...ids: string[]): Suspension[] => ids.map((agentId) => ({ agentId, wonBytes: 200 * MB }) as Suspension)
const left = (agentId: string) => ({ agentId, error: fail('busy', 'It runs npm test.').error })
const words = (more: Partial<Act>) => {
  const { tone, title, text } = actWords(act(more), (id) => id.toUpperCase())
  return [tone, title.replaceAll('\u00a0', ' '), text.replaceAll('\u00a0', ' ')]
}

describe('what an act did, in words', () => {
  it('says what was won and how they wake', () => {
    expect(words({ suspended: suspended('a', 'b', 'c') })).toEqual(['gain', '3 agents suspended, 600 MB won', 'The first key typed into one of them wakes it.'])
    expect(words({ ids: ['a'], done: 1, suspended: suspended('a') })).toEqual(['gain', 'A suspended, 200 MB won', 'The first key typed into it wakes it.'])
  })

  it('does not hide who was left, nor that it was stopped', () => {
    expect(words({ suspended: suspended('a', 'b'), left: [left('c')] })).toEqual(['info', '2 agents suspended, 400 MB won', 'The first key typed into one of them wakes it. 1 agent was left running.'])
    expect(words({ suspended: suspended('a'), stopped: true })[2]).toContain('Stopped with 2 agents to go.')
    expect(words({ ids: ['c'], done: 1, left: [left('c')] })).toEqual(['problem', 'No agent was suspended', '1 agent was left running. It runs npm test.'])
  })

  it('tells where it is while it goes on', () => {
    expect(words({ state: 'working', done: 1, suspended: suspended('a') })).toEqual(['busy', 'Suspending 3 agents', '1 done, 200 MB won so far. Now B.'])
    expect(words({ state: 'stopping', done: 1 })[1]).toBe('Stopping after this one')
  })

  it('of resuming: what came back first and how long the slowest took', () => {
    const resumed = ['a', 'b'].map((agentId, i) => ({ agentId, cause: 'user' as const, suspendedForMs: 1000, prefaultedBytes: 20 * MB, tookMs: 40 + i * 30 }))
    expect(words({ kind: 'resume', ids: ['a', 'b'], done: 2, resumed })).toEqual(['gain', '2 agents resumed', '40 MB brought back first; the slowest ran again after 70 ms.'])
    expect(words({ kind: 'resume', ids: ['a'], done: 1 })[1]).toBe('It runs already')
  })
})
