import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { evidenceSchema } from '../../../helper/contract/evidence.ts'
import { judge } from './engine.ts'
import { rules } from './rules/all.ts'
import { seriesOf } from './series.ts'

const MACHINES = new URL('../../../helper/test/machines', import.meta.url).pathname
const names = readdirSync(MACHINES).filter((name) => existsSync(join(MACHINES, name, 'looks')))

const seriesIn = (name: string) => {
  const folder = join(MACHINES, name, 'looks')
  const series = seriesOf(readdirSync(folder).map((file) => evidenceSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')))))
  if (series === null) throw new Error(`${folder}: expected looks, got none`)
  return series
}

const expectedOf = (name: string): string[] => {
  const file = join(MACHINES, name, 'findings.json')
  return existsSync(file) ? z.array(z.string()).parse(JSON.parse(readFileSync(file, 'utf8'))) : []
}

describe('captured machines', () => {
  test.each(names)('%s: the rules find what findings.json says, and else nothing', (name) => {
    const { findings, silent, couldNotLook } = judge(rules, seriesIn(name))
    expect(findings.map(({ rule, subject }) => `${rule} ${subject}`.trim())).toEqual(expectedOf(name))
    expect(silent.length).toBeGreaterThan(20)
    expect(couldNotLook.filter(({ needs }) => needs.startsWith('the rule failed'))).toEqual([])
  })
})
