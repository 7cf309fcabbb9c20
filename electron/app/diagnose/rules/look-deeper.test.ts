import { expect, test } from 'vitest'
import { traceLines } from '../../../../helper/plan/trace-lines.ts'
import { rules } from './all.ts'

test('every line to look deeper with is in the built-in list', () => {
  const there = new Set(traceLines.map((line) => line.id))
  expect(rules.flatMap((rule) => rule.lookDeeper.filter((id) => !there.has(id)).map((id) => `${rule.id}: ${id}`))).toEqual([])
})
