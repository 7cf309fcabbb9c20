import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { evidenceSchema } from '../../../helper/contract/evidence.ts'
import { judge } from './engine.ts'
import { rules } from './rules/all.ts'
import { lastOf, seriesOf } from './series.ts'

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

  test('one has agents of every kind at rest, and every rule about agents looked at them', () => {
    const looks = names.map(seriesIn).find((series) => lastOf(series).agents.length > 0)
    if (looks === undefined) throw new Error('expected a captured machine with agents, got none')
    const { agents, agentsKnown } = lastOf(looks)
    expect(agentsKnown).toBe(true)
    expect(new Set(agents.map((agent) => agent.kind))).toEqual(new Set(['claude-code', 'codex', 'gemini-cli', 'opencode']))
    expect(agents.every((agent) => agent.state === 'idle' && agent.cost.costBytes > 20 * 1024 ** 2)).toBe(true)
    expect(agents.flatMap((agent) => agent.processes).filter((process) => process.role === 'mcp-server').length).toBeGreaterThanOrEqual(2)
    expect(judge(rules, looks).silent).toEqual(expect.arrayContaining(rules.flatMap((rule) => (rule.topic === 'agents' ? [rule.id] : []))))
    expect(JSON.stringify(looks)).not.toMatch(/\/home\/(?!user\b)|\/root\/|\/tmp\/(?!x)|agentmem-(?:e2e|fleet)/u)
  })
})
