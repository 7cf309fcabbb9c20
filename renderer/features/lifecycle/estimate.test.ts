import { describe, expect, it } from 'vitest'
import type { Live } from '../../../electron/contract/views.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { Registry } from '../../../helper/contract/requests.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import { estimateWin } from './estimate.ts'

const agent = (anonBytes: number, state: Agent['state'] = 'idle') => ({ state, cost: { anonBytes: known(anonBytes) } }) as Agent
const live = (agents: Agent[], back: number | null) => ({ agents, totals: { couldGetBackBytes: back === null ? missing('not-measured') : known(back), couldGetBackBasis: 'as the app says' } }) as Live
const registry = (entries: [before: number, won: number][]) =>
  ({ entries: entries.map(([before, wonBytes]) => ({ suspension: { before: { residentAnonBytes: before }, wonBytes } })) }) as Registry

describe('what suspending would win', () => {
  it('takes the share of what the app estimates for idle agents', () => {
    const agents = [agent(400), agent(600), agent(1000, 'active')]
    expect(estimateWin([agents[1] as Agent], live(agents, 500), null)).toEqual({ bytes: known(300), basis: 'as the app says' })
  })

  it('goes by what was really won where agents are suspended', () => {
    expect(estimateWin([agent(1000)], live([agent(1000)], 900), registry([[100, 60], [300, 180]])).bytes).toEqual(known(600))
  })

  it('gives no figure with nothing to go by', () => {
    expect(estimateWin([agent(1000)], live([agent(1000)], null), null).bytes.value).toBeNull()
    expect(estimateWin([agent(1000)], live([], 0), registry([])).bytes.value).toBeNull()
  })
})
