import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { evidenceSchema, type Evidence } from '../../../../helper/contract/evidence.ts'
import { findingSchema, type Finding } from '../../../contract/diagnosis.ts'
import { judge } from '../engine.ts'
import type { Looks, Rule } from '../rule.ts'
import { cacheCases, pressureCases, swapCases } from '../testing/cases-pressure.ts'
import { fragmentationCases, hugePageCases, ksmCases, numaCases, slabCases } from '../testing/cases-kernel.ts'
import { agentCases, cgroupCases, hardeningCases, memoryFileCases, rivalCases, virtualMemoryCases } from '../testing/cases-user.ts'
import { group, type Case } from '../testing/edit.ts'
import { healthyLooks, LIMITED_GROUP } from '../testing/healthy.ts'
import { rules } from './all.ts'

const cases: readonly Case[] = [
  ...pressureCases, ...swapCases, ...cacheCases, ...fragmentationCases, ...hugePageCases, ...ksmCases, ...slabCases, ...numaCases,
  ...cgroupCases, ...virtualMemoryCases, ...memoryFileCases, ...agentCases, ...rivalCases, ...hardeningCases,
]

const ruleOf = (id: string): Rule => {
  const rule = rules.find((each) => each.id === id)
  if (rule === undefined) throw new RangeError(`no rule ${id}`)
  return rule
}

/** Healthy looks, edited; every one must still be evidence. */
const edited = (it: Case, side: 'below' | 'above'): Looks => {
  const looks = healthyLooks(it.looks ?? 1, it.stepMs ?? 60_000)
  it[side](looks, ruleOf(it.rule).thresholds)
  for (const look of looks) evidenceSchema.parse(look)
  return looks
}

const found = (looks: Looks): readonly Finding[] => judge(rules, looks).findings

describe('each rule, just beside its limit', () => {
  test.each(cases.map((it) => [it.rule, it.edit, it] as const))('%s by %s', (rule, _, it) => {
    const sides = { below: found(edited(it, 'below')), above: found(edited(it, 'above')) }
    const own = (side: 'below' | 'above'): string[] => [...new Set(sides[side].map((finding) => finding.rule))].toSorted()
    expect(own('below').filter((name) => !(it.also ?? []).includes(name))).toEqual([...(it.severity === undefined ? [] : [rule]), ...(it.instead ?? [])])
    expect(own('above')).toEqual([rule, ...(it.also ?? [])].toSorted())
    if (it.severity !== undefined) expect([sides.below, sides.above].map((side) => side.find((finding) => finding.rule === rule)?.severity)).toEqual(it.severity)
  })

  test('what is found has its fields in the order of the contract: parsed on its way or not, it is the same bytes', () => {
    for (const it of cases) {
      const findings = found(edited(it, 'above'))
      expect(JSON.stringify(findings)).toBe(JSON.stringify(findingSchema.array().parse(findings)))
    }
  })

  test('every rule has such a case', () => {
    const covered = new Set(cases.map((it) => it.rule))
    expect(rules.map((rule) => rule.id).filter((id) => !covered.has(id))).toEqual([])
  })
})

describe('each limit, by its name', () => {
  const named = cases.flatMap((it) => (it.limit === undefined ? [] : [[it.rule, it.limit, it.edit, it] as const]))

  test('has a case on both sides of it', () => {
    const asked = rules.flatMap((rule) => Object.keys(rule.thresholds).map((limit) => `${rule.id} ${limit}`))
    expect([...new Set(named.map(([rule, limit]) => `${rule} ${limit}`))].toSorted()).toEqual(asked.toSorted())
  })

  /** Can be a little more or less; all else is counted. */
  const MEASURED = /percent|bytes|second|minute|hour|ratio|index|idleMs|perAgent|forEach/iu
  const moved = (name: string, value: number): number[] => {
    if (value === 0) return [-1, 1, 4096]
    return value < 20 && !MEASURED.test(name) ? [value - 1, value + 1] : [value * 0.94, value * 1.06]
  }

  // So both sides are near it, and no other limit, nor anything else that differs between them, decides.
  test.each(named)('%s %s alone decides: %s', (id, limit, _, it) => {
    const rule = ruleOf(id)
    const below = edited(it, 'below')
    const above = edited(it, 'above')
    expect(rule.needs.flatMap((need) => [need(below), need(above)]).filter((lacking) => lacking !== null)).toEqual([])
    const outcome = (looks: Looks, limits = rule.thresholds): string[] => rule.find(looks, limits).map(({ subject, severity }) => (it.severity === undefined ? subject : `${subject} ${severity}`))
    const around = moved(limit, rule.thresholds[limit] ?? Number.NaN).map((value) => ({ ...rule.thresholds, [limit]: value }))
    expect(around.map((limits) => outcome(above, limits)), 'moved past the one above').toContainEqual(outcome(below))
    // A limit of 0 moved below it lets everything through: the one it is about is among them.
    expect(around.some((limits) => outcome(above).every((one) => outcome(below, limits).includes(one))), 'moved past the one below').toBe(true)
  })

  test('a kill of a group while it is watched is worse than one before', () => {
    const severityOf = (between: number): string | undefined => {
      const looks = healthyLooks(2)
      group(looks, LIMITED_GROUP, (_, seconds) => ({ events: { oom_kill: seconds > 0 ? 1 + between : 1 } }))
      return judge([ruleOf('cgroups.oom-kill')], looks).findings[0]?.severity
    }
    expect([severityOf(0), severityOf(1)]).toEqual(['warning', 'critical'])
  })
})

describe('a healthy machine', () => {
  test.each([[1, 60_000], [2, 1000], [2, 60_000], [11, 60_000], [30, 300_000]] as const)('%i looks, %i ms apart: nothing is found', (count, stepMs) => {
    expect(found(healthyLooks(count, stepMs))).toEqual([])
  })

  test('every rule could look', () => {
    const lacking = judge(rules, healthyLooks(11, 60_000)).couldNotLook.map((each) => each.rule)
    expect(lacking).toEqual([])
  })
})

describe('what a rule says', () => {
  const all = cases.flatMap((it) => found(edited(it, 'above')).filter((finding) => finding.rule === it.rule))

  test('is a finding by the contract, with two ways to act that differ', () => {
    for (const finding of all) {
      findingSchema.parse(finding)
      const ids = finding.solutions.map((solution) => solution.id)
      expect(new Set(ids).size, finding.rule).toBe(ids.length)
    }
  })

  test('has a first figure that passed a limit', () => {
    for (const { rule, figures } of all) {
      const [first] = figures
      expect(first?.threshold, rule).not.toBeNull()
      if (typeof first?.value !== 'number' || typeof first.threshold?.value !== 'number') continue
      if (first.threshold.kind === 'above') expect(first.value, rule).toBeGreaterThan(first.threshold.value)
      if (first.threshold.kind === 'below') expect(first.value, rule).toBeLessThan(first.threshold.value)
    }
  })

  test('is written for people: whole sentences, no gaps of a program', () => {
    for (const finding of all) {
      const texts = [finding.title, finding.explanation, ...finding.solutions.flatMap((solution) => [solution.title, solution.what, solution.tradeOff, solution.sideEffects, solution.scope, solution.undoWords])]
      for (const text of texts) {
        expect(text, finding.rule).not.toMatch(/undefined|null|NaN|Infinity|\[object|\d{5,}\.\d| {2}|^\s|\s$/u)
        expect(text.length, `${finding.rule}: ${text}`).toBeGreaterThan(3)
      }
      for (const text of [finding.explanation, ...finding.solutions.flatMap((solution) => [solution.what, solution.tradeOff, solution.sideEffects])]) expect(text, finding.rule).toMatch(/[.!?)"]$/u)
      expect(finding.explanation.length, finding.rule).toBeGreaterThan(80)
    }
  })

  test('names presets that are there', () => {
    const there = new Set(readdirSync(new URL('../../../../assets/presets', import.meta.url)).map((name) => name.replace(/\.json$/u, '')))
    const named = all.flatMap((finding) => finding.solutions.flatMap(({ act }) => (act.how === 'preset' ? [act.presetId] : [])))
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((id) => !there.has(id))).toEqual([])
  })

  test('names settings that can be tried as what they are', () => {
    const tried = all.flatMap((finding) => finding.solutions.filter((solution) => solution.act.how === 'try-run').map((solution) => `${finding.rule} ${solution.id}`))
    expect(tried.length).toBeGreaterThan(40)
    for (const finding of all) {
      for (const { act, undo, id } of finding.solutions) {
        if (act.how === 'try-run') expect(undo, `${finding.rule} ${id}`).toMatch(/^(?:by-run|nothing-to-undo)$/u)
        if (act.how === 'command') expect(act.needsRoot, `${finding.rule} ${id}: ${act.command}`).toBe(/\bsudo\b/u.test(act.command))
      }
    }
  })
})

describe('ids', () => {
  test('are unique, and begin with their topic or another topic\'s', () => {
    expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length)
    for (const rule of rules) expect(rule.id).toMatch(/^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/u)
    expect(rules.length).toBeGreaterThanOrEqual(44)
  })

  test('every rule says why its limits are what they are', () => {
    for (const rule of rules) expect(rule.because.length, rule.id).toBeGreaterThan(60)
  })
})

/** Mulberry32: the same numbers for the same seed. */
const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

type Loose = Record<string, unknown>
const isReading = (value: unknown): boolean => typeof value === 'object' && value !== null && 'value' in value

/** Takes away readings, fields and list entries at random, and changes counters to anything a kernel may say. */
const spoil = (value: unknown, random: () => number, often: number): unknown => {
  if (isReading(value)) return random() < often ? { value: null, reason: 'not-supported' } : Object.fromEntries(Object.entries(value as Loose).map(([key, each]) => [key, spoil(each, random, often)]))
  if (Array.isArray(value)) return value.filter(() => random() >= often).map((each) => spoil(each, random, often))
  if (typeof value === 'number') return random() < often ? [0, 1, value * 1000, 2 ** 52][Math.floor(random() * 4)] : value
  return value
}
const RECORDS = ['meminfo', 'vmstat', 'sysctl', 'mm', 'zswapDebug'] as const
const KEPT = ['version', 'kernelVersion', 'bootId', 'takenAtMs', 'monotonicMs', 'pageBytes', 'cpus', 'hardening', 'pressure', 'config']

const spoiled = (look: Evidence, random: () => number, often: number): Evidence => {
  const out: Loose = {}
  for (const [key, value] of Object.entries(look)) out[key] = KEPT.includes(key) ? value : spoil(value, random, often)
  for (const key of RECORDS) out[key] = Object.fromEntries(Object.entries(look[key]).filter(() => random() >= often).map(([name, value]) => [name, spoil(value, random, often)]))
  out['hardening'] = Object.fromEntries(Object.entries(look.hardening).map(([name, value]) => [name, spoil(value, random, often)]))
  if (random() < often) out['pressure'] = { memory: { value: null, reason: 'not-supported' }, io: { value: null, reason: 'not-supported' }, cpu: { value: null, reason: 'not-supported' } }
  return out as unknown as Evidence
}

describe('evidence with gaps', () => {
  const outcomes = (looks: Looks): readonly Finding[] => {
    const judgement = judge(rules, looks)
    // The engine catches what a rule throws; here that is a failure.
    expect(judgement.couldNotLook.filter((each) => each.needs.includes('the rule failed'))).toEqual([])
    return judgement.findings
  }

  test('no rule throws, and what is found is sayable, whatever is missing', () => {
    let findings = 0
    for (let seed = 1; seed <= 120; seed += 1) {
      const random = randomOf(seed)
      const it = cases[seed % cases.length]
      if (it === undefined) continue
      const [first, ...rest] = edited(it, 'above').map((look) => spoiled(look, random, [0.02, 0.1, 0.4, 0.9][seed % 4] ?? 0.1))
      if (first === undefined) continue
      for (const finding of outcomes([first, ...rest])) {
        findings += 1
        expect(`${finding.rule} ${finding.explanation}`).not.toMatch(/undefined|null|NaN|\[object/u)
        for (const { value } of finding.figures) expect(typeof value === 'string' || Number.isFinite(value), `${finding.rule}: ${String(value)}`).toBe(true)
      }
    }
    expect(findings).toBeGreaterThan(100)
  })

  test('a machine of which nothing can be read has no findings', () => {
    const [look] = healthyLooks()
    const gap = { value: null, reason: 'not-permitted' } as const
    const blind: Evidence = { ...look, meminfo: {}, vmstat: {}, sysctl: {}, mm: {}, zswapDebug: {}, swapDevices: [], zram: [], zones: [], numa: [], slab: gap, cgroups: gap, memoryFileSystems: [], processes: [], zombieProcesses: 0, rivals: [], agentsKnown: false, agents: [], orphans: [], duplicates: [], kernelMessages: gap, config: gap, pressure: { memory: gap, io: gap, cpu: gap }, kernelThreadsCpuMs: { kswapd: gap, ksmd: gap, kcompactd: gap, khugepaged: gap }, hardening: { ...look.hardening, aslr: gap, noExecute: gap, guardGapPages: gap, mmapMinAddr: gap, swapEncryption: [] } }
    expect(outcomes([blind])).toEqual([])
  })
})
