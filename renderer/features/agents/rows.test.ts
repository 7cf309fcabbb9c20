import { describe, expect, it } from 'vitest'
import { makeFleet } from '../../../e2e/mocked/fleet.ts'
import { figureOf, matches, rowsOf, sortKey } from './rows.ts'

const fleet = makeFleet(3)
const [first] = fleet
if (first === undefined) throw new Error('no agent')

describe('rows of the agents table', () => {
  it('puts the processes of an agent inside it, itself first', () => {
    const [row] = rowsOf([first])
    expect(row?.children.map((child) => (child.kind === 'process' ? child.process.role : ''))).toEqual(first.processes.map((process) => process.role))
  })

  it('shows a gap and no zero for an agent nobody measured, and sorts it last', () => {
    const agent = { ...first, cost: { ...first.cost, costBytes: 0, unmeasured: first.processes.length } }
    const [row] = rowsOf([agent])
    if (row === undefined) throw new Error('no row')
    expect(figureOf(row, 'cost')).toMatchObject({ value: null, reason: 'not-measured' })
    expect(sortKey(row, 'cost')).toBe(-1)
  })

  it('finds by every word, in kind, folder, state or process', () => {
    expect(matches(first, 'claude shop')).toBe(true)
    expect(matches(first, 'IDLE mcp')).toBe(true)
    expect(matches(first, 'claude nowhere')).toBe(false)
    expect(matches(first, '  ')).toBe(true)
  })
})
