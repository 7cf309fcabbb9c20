import { expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { judge } from './engine.ts'
import { agents } from './rules/agents.ts'
import { healthyLooks } from './testing/healthy.ts'

const outcome = (change: Partial<Evidence>) => judge(agents, [{ ...healthyLooks()[0], ...change }])

test('where nobody found agents, their rules say so instead of that all is well', () => {
  const { findings, silent, couldNotLook } = outcome({ agentsKnown: false, agents: [], orphans: [], duplicates: [] })
  expect(findings).toEqual([])
  expect(silent).toEqual(['agents.zombies'])
  expect(couldNotLook.map(({ rule }) => rule)).toEqual(['agents.duplicate-servers', 'agents.idle', 'agents.many-mcp-servers', 'agents.one-large', 'agents.orphans'])
  expect(new Set(couldNotLook.map(({ needs }) => needs))).toEqual(new Set(['agents: the part that finds them was not asked']))
})

test('where there are none, all of them looked', () => {
  expect(outcome({ agentsKnown: true, agents: [], orphans: [], duplicates: [] }).couldNotLook).toEqual([])
})
