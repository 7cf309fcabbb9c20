import { describe, expect, test } from 'vitest'
import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { findingSchema, leakThresholdsSchema, type Finding, type Leak } from '../../../contract/diagnosis.ts'
import { judge } from '../engine.ts'
import { judgeGrowth } from '../leaks.ts'
import { lastOf } from '../series.ts'
import { healthyLooks, processOf } from '../testing/healthy.ts'
import { cache, growthOf, leaking, sawTooth, steady, step, warmUp, type Shape } from '../testing/shapes.ts'
import { rules } from './all.ts'
import { LEAK_LIMITS, leakRule } from './leaks-of-history.ts'

const MB = 1024 ** 2
const PID = 4242
const HEALTHY = lastOf(healthyLooks())
const AGENT = `${HEALTHY.bootId}:${PID}:${PID * 10}`
const OF_PROCESS = { of: 'process', pid: PID, startTicks: PID * 10, title: 'indexer', agentId: null } as const satisfies Leak['subject']
const OF_AGENT = { of: 'agent', agentId: AGENT, title: 'web-shop (Claude Code)' } as const satisfies Leak['subject']

const leakOf = (shape: Shape, hours = 6, subject: Leak['subject'] = OF_PROCESS, limits = LEAK_LIMITS): Leak => judgeGrowth({ ...growthOf(shape, { hours, seed: 3 }), subject }, limits)

/** The healthy machine, half a minute after the last point of the curve, with the process running. */
const lookAfter = (leak: Leak, more: Partial<Evidence> = {}): Evidence => ({
  ...HEALTHY, takenAtMs: (leak.curve.at(-1)?.atMs ?? 0) + 30_000, uptimeS: 86_400 * 3, processes: [...HEALTHY.processes, processOf(PID, 'indexer', 400 * MB)], ...more,
})
const found = (leaks: readonly Leak[], more: Partial<Evidence> = {}): readonly Finding[] => {
  const [first] = leaks
  if (first === undefined) throw new RangeError('expected a leak to be judged')
  return judge([leakRule(leaks)], [lookAfter(first, more)]).findings
}
const only = (findings: readonly Finding[]): Finding => {
  const [finding] = findings
  if (finding === undefined || findings.length !== 1) throw new RangeError(`expected one finding, got ${findings.length}`)
  return finding
}

test('its limits are those that leaks have where nobody says otherwise', () => {
  expect(leakRule(null).thresholds).toEqual(leakThresholdsSchema.parse({}))
})

describe('just beside its limits', () => {
  test.each([
    ['bytes an hour', leaking(40 * MB, 9.5 * MB), leaking(40 * MB, 10.5 * MB)],
    ['percent an hour', leaking(400 * MB, 38 * MB), leaking(400 * MB, 42 * MB)],
  ] as const)('%s', (_name, below, above) => {
    expect(found([leakOf(below, 8)])).toEqual([])
    expect(only(found([leakOf(above, 8)]))).toMatchObject({ rule: 'leaks.history', subject: `${PID}:${PID * 10}`, severity: 'warning', topic: 'leaks' })
  })

  test('by limits of the user\'s', () => {
    const leak = leakOf(leaking(100 * MB, 40 * MB))
    const under = (bytesPerHour: number, percentPerHour: number): readonly Finding[] => judge([leakRule([leak], { limits: { bytesPerHour, percentPerHour } })], [lookAfter(leak)]).findings
    expect(under(30 * MB, 10)).toHaveLength(1)
    expect(under(50 * MB, 10)).toEqual([])
    expect(under(30 * MB, 60)).toEqual([])
  })
})

test.each([['steady', steady(300 * MB)], ['starting', warmUp(100 * MB, 300 * MB, 0.3)], ['a cache', cache(150 * MB, 250 * MB, 0.5)], ['garbage', sawTooth(150 * MB, 200 * MB, 5)], ['a step', step(200 * MB, 300 * MB, 2)]] as const)('%s is none', (_name, shape) => {
  const leak = leakOf(shape)
  const { findings, silent, couldNotLook } = judge([leakRule([leak])], [lookAfter(leak)])
  expect({ findings, silent, couldNotLook }).toEqual({ findings: [], silent: ['leaks.history'], couldNotLook: [] })
})

test('a sure one is a warning with its curve; what is not sure is advice and says so', () => {
  const sure = only(found([leakOf(leaking(300 * MB, 100 * MB))]))
  expect(sure.title).toMatch(/^indexer leaks (?:9\d|10\d) MB an hour$/u)
  expect(sure.explanation).toContain('does not slow down')
  const course = sure.figures.find(({ what }) => what === 'Holds now')?.history ?? []
  expect(course.length).toBeGreaterThan(30)
  expect(course.length).toBeLessThanOrEqual(62)
  expect((course.at(-1)?.value ?? 0) - (course[0]?.value ?? 0)).toBeGreaterThan(500 * MB)
  const doubtful: Leak = { ...leakOf(leaking(300 * MB, 100 * MB)), verdict: 'suspected' }
  expect(only(found([doubtful]))).toMatchObject({ severity: 'advice', title: expect.stringContaining('may leak') as string })
})

test('is of a process or agent that is still the same one, and of this boot', () => {
  const leak = leakOf(leaking(300 * MB, 100 * MB))
  expect(found([leak], { processes: HEALTHY.processes })).toEqual([])
  expect(found([leak], { processes: [processOf(PID, 'another', MB, { ref: { pid: PID, startTimeTicks: 1 } })] })).toEqual([])
  expect(found([leak], { uptimeS: 10 })).toEqual([])
  const ofAgent = leakOf(leaking(300 * MB, 100 * MB), 6, OF_AGENT)
  expect(only(found([ofAgent])).subject).toBe(AGENT)
  expect(found([ofAgent], { processes: HEALTHY.processes })).toEqual([])
})

test('says when it was last written down, where that is long ago', () => {
  const leak = leakOf(leaking(300 * MB, 100 * MB))
  const later = (leak.curve.at(-1)?.atMs ?? 0) + 3 * 3_600_000
  expect(only(found([leak])).explanation).not.toContain('last written down')
  expect(only(found([leak], { takenAtMs: later })).explanation).toContain('last written down 3 h ago')
})

test('an agent and its process that grow together are one finding, unless the process explains less than half', () => {
  const inAgent = (perHour: number): Leak => leakOf(leaking(100 * MB, perHour), 6, { ...OF_PROCESS, agentId: AGENT })
  const whole = leakOf(leaking(300 * MB, 100 * MB), 6, OF_AGENT)
  const subjects = (leaks: readonly Leak[]): string[] => found(leaks).map(({ subject }) => subject).toSorted()
  expect(subjects([whole, inAgent(90 * MB)])).toEqual([`${PID}:${PID * 10}`])
  expect(subjects([whole, inAgent(30 * MB)])).toEqual([AGENT, `${PID}:${PID * 10}`].toSorted())
  const both = judge([leakRule([whole, inAgent(90 * MB)], { each: true })], [lookAfter(whole)]).findings
  expect(both).toHaveLength(2)
})

describe('a fast leak is told once', () => {
  const grows = rules.filter(({ id }) => id === 'leaks.process-grows')
  /** Six looks a minute apart, in which the process grows by 60 MB at each. */
  const looksAfter = (leak: Leak, agentId: string | null): readonly [Evidence, ...Evidence[]] => {
    const at = (i: number): Evidence => lookAfter(leak, { processes: [...HEALTHY.processes, processOf(PID, 'indexer', (400 + i * 60) * MB, { agentId })] })
    const looks = Array.from({ length: 6 }, (_, i): Evidence => ({ ...at(i), takenAtMs: at(i).takenAtMs + i * 60_000, monotonicMs: HEALTHY.monotonicMs + i * 60_000 }))
    const [first, ...rest] = looks
    if (first === undefined) throw new RangeError('no looks')
    return [first, ...rest]
  }
  const told = (leaks: readonly Leak[], agentId: string | null = null): string[] => {
    const [leak] = leaks
    if (leak === undefined) throw new RangeError('no leak')
    const { findings, couldNotLook } = judge([...grows, leakRule(leaks)], looksAfter(leak, agentId))
    expect(couldNotLook).toEqual([])
    return findings.map(({ rule, subject }) => `${rule} ${subject}`).toSorted()
  }
  const own = `${PID}:${PID * 10}`
  const sure = (subject: Leak['subject']): Leak => leakOf(leaking(300 * MB, 100 * MB), 6, subject)
  const OTHER = `${HEALTHY.bootId}:${HEALTHY.processes[0]?.ref.pid ?? 0}:${HEALTHY.processes[0]?.ref.startTimeTicks ?? 0}`

  test('by the history where that is sure, of the process or of its agent', () => {
    expect(told([{ ...sure(OF_PROCESS), verdict: 'steady' }])).toEqual([`leaks.process-grows ${own}`])
    expect(told([sure(OF_PROCESS)])).toEqual([`leaks.history ${own}`])
    // By its number, by the look, and by the history, which knows processes that nobody looked for agents in.
    expect(told([sure(OF_AGENT)])).toEqual([`leaks.history ${AGENT}`])
    const ofOther = { ...OF_AGENT, agentId: OTHER }
    expect(told([sure(ofOther)], OTHER)).toEqual([`leaks.history ${OTHER}`])
    expect(told([sure(ofOther), { ...sure({ ...OF_PROCESS, agentId: OTHER }), verdict: 'steady' }])).toEqual([`leaks.history ${OTHER}`])
  })

  test('by what a minute shows where the history is in doubt', () => {
    expect(told([{ ...sure(OF_PROCESS), verdict: 'suspected' }])).toEqual([`leaks.process-grows ${own}`])
    expect(told([{ ...sure(OF_AGENT), verdict: 'suspected' }])).toEqual([`leaks.process-grows ${own}`])
  })

  test('and another agent or process is told of beside it', () => {
    expect(told([sure({ ...OF_AGENT, agentId: OTHER })])).toEqual([`leaks.history ${OTHER}`, `leaks.process-grows ${own}`])
  })

  test('names a rule that there is', () => {
    const ids = new Set(rules.map(({ id }) => id))
    for (const { covers = [] } of [...rules, leakRule(null)]) for (const id of covers) expect(ids).toContain(id)
  })
})

test('two ways and more to act, for an agent with suspending it, written for people', () => {
  const sides = [leakOf(leaking(300 * MB, 100 * MB)), leakOf(leaking(300 * MB, 100 * MB), 6, OF_AGENT), leakOf(leaking(300 * MB, 100 * MB), 6, { ...OF_PROCESS, agentId: AGENT })]
  const ways = sides.map((leak) => {
    const finding = only(found([leak]))
    expect(JSON.stringify(findingSchema.parse(finding))).toBe(JSON.stringify(finding))
    expect(finding.figures[0]?.value).toBeGreaterThan(Number(finding.figures[0]?.threshold?.value))
    const texts = [finding.title, finding.explanation, ...finding.solutions.flatMap((way) => [way.title, way.what, way.tradeOff, way.sideEffects, way.scope, way.undoWords])]
    for (const text of texts) expect(text).not.toMatch(/undefined|null|NaN|Infinity|\[object|\d{5,}\.\d| {2}|^\s|\s$/u)
    return finding.solutions.map(({ id }) => id)
  })
  expect(ways).toEqual([['restart-it', 'limit-it'], ['restart-it', 'limit-it', 'suspend-it'], ['restart-it', 'limit-it', 'suspend-it']])
})

test('says what it lacks: the question, or that nothing was written down for long enough', () => {
  const leak = leakOf(leaking(100 * MB, 900 * MB), 0.2)
  const needs = (leaks: readonly Leak[] | null): string | undefined => judge([leakRule(leaks)], [lookAfter(leak)]).couldNotLook[0]?.needs
  expect(needs(null)).toContain('--detect-leaks')
  expect(needs([])).toContain('only while the app runs')
  expect(needs([leak])).toContain('only while the app runs')
})

test('has an id of its own', () => {
  expect(rules.map(({ id }) => id)).not.toContain(leakRule(null).id)
})
