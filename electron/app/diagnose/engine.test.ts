import { describe, expect, test } from 'vitest'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import { judge } from './engine.ts'
import { figure, historyOf, rateHistoryOf } from './figures.ts'
import { needsCounter, needsSpan } from './needs.ts'
import type { Found, Looks, Offer, Rule } from './rule.ts'
import { rateOf, seriesOf, vmstatRate, within } from './series.ts'

// The engine reads nothing of a look but its times: rules do.
const look = (atMs: number, vmstat: Record<string, number> = {}, bootId = 'a'): Evidence => ({ takenAtMs: atMs, monotonicMs: atMs, bootId, vmstat }) as unknown as Evidence
const offer = (id: string): Offer => ({ id, title: id, what: '', tradeOff: '', sideEffects: '', scope: '', undo: 'nothing-to-undo', undoWords: '', act: { how: 'advice' } })
const found = (severity: Finding['severity'], bytes: number, subject = ''): Found => ({
  subject, severity, explanation: '', solutions: [offer('a'), offer('b')],
  figures: [figure({ what: 'share', value: 99, unit: 'percent', source: '' }), figure({ what: 'held', value: bytes, unit: 'bytes', source: '' })],
})
const rule = (id: string, find: Rule['find'], needs: Rule['needs'] = []): Rule => ({ id, topic: 'pressure', title: id, needs, thresholds: {}, because: '', find, lookDeeper: [] })
const one: Looks = [look(0)]

describe('judge', () => {
  test('puts the severest first, then the dearest, then by name', () => {
    const rules = [
      rule('z', () => [found('advice', 900)]),
      rule('c', () => [found('warning', 1), found('warning', 5, 'big')]),
      rule('b', () => [found('critical', 0)]),
      rule('a', () => [found('warning', 1)]),
    ]
    const names = (list: readonly Finding[]): string[] => list.map((finding) => `${finding.rule} ${finding.subject}`)
    const expected = ['b ', 'c big', 'a ', 'c ', 'z ']
    expect(names(judge(rules, one).findings)).toEqual(expected)
    expect(JSON.stringify(judge(rules.toReversed(), one))).toBe(JSON.stringify(judge(rules, one)))
  })

  test('says which rules were silent and which could not look, and why', () => {
    const judgement = judge([rule('silent', () => []), rule('blind', () => [found('critical', 1)], [needsCounter('pgscan_direct'), needsSpan(1000)])], one)
    expect(judgement).toEqual({ findings: [], silent: ['silent'], couldNotLook: [{ rule: 'blind', needs: 'pgscan_direct in /proc/vmstat; two looks at least 1 s apart; there is one' }] })
  })

  describe('of two rules that tell of the same', () => {
    const weak = (severity: Finding['severity'], subject = 'p') => rule('weak', () => [found(severity, 1, subject)])
    const strong = (severity: Finding['severity'], subject = 'p', about: readonly string[] = []) => ({ ...rule('strong', () => [{ ...found(severity, 1, subject), about }]), covers: ['weak'] })
    const said = (...rules: readonly Rule[]) => {
      const { findings, silent } = judge(rules, one)
      expect(judge(rules.toReversed(), one)).toEqual(judge(rules, one))
      return { found: findings.map((finding) => finding.rule), silent }
    }

    test.each([
      ['even, the one that covers the other', 'warning', 'warning', 'strong', 'weak'],
      ['the more severe, where it is the one that covers', 'advice', 'warning', 'strong', 'weak'],
      ['the more severe, where it is the covered one', 'critical', 'advice', 'weak', 'strong'],
    ] as const)('one speaks about one subject: %s', (_name, ofWeak, ofStrong, speaks, isSilent) => {
      expect(said(weak(ofWeak), strong(ofStrong))).toEqual({ found: [speaks], silent: [isSilent] })
    })

    test('also about what the other is about as well; about anything else both do', () => {
      expect(said(weak('warning'), strong('warning', 'agent', ['p', 'q']))).toEqual({ found: ['strong'], silent: ['weak'] })
      expect(said(weak('critical'), strong('warning', 'agent', ['p']))).toEqual({ found: ['weak'], silent: ['strong'] })
      expect(said(weak('advice', 'other'), strong('warning', 'agent', ['p'])).found).toEqual(['strong', 'weak'])
      expect(said(rule('third', () => [found('advice', 1, 'p')]), strong('warning')).found).toEqual(['strong', 'third'])
    })
  })

  test('reports a rule that throws, and one that contradicts itself, and goes on', () => {
    const broken = rule('broken', () => { throw new Error('no zone 3') })
    const twice = rule('twice', () => [found('advice', 1), found('advice', 2)])
    const judgement = judge([broken, twice, rule('fine', () => [found('advice', 1)])], one)
    expect(judgement.findings.map((finding) => finding.rule)).toEqual(['fine'])
    expect(judgement.couldNotLook).toEqual([{ rule: 'broken', needs: 'the rule failed: no zone 3' }, { rule: 'twice', needs: 'the rule failed: it named the same subject twice' }])
  })
})

describe('series', () => {
  test('keeps one boot, in order, each moment once', () => {
    expect(seriesOf([])).toBeNull()
    expect(seriesOf([look(30), look(10, {}, 'before'), look(20), look(30)])?.map((each) => each.takenAtMs)).toEqual([20, 30])
  })

  test('a counter is a difference, and one that began anew says nothing', () => {
    const looks = [look(0, { a: 100, b: 5 }), look(2000, { a: 140, b: 3 }), look(4000, { a: 180, b: 9 })] as const
    expect(vmstatRate(looks, 'a')).toEqual({ value: { change: 80, perSecond: 20, overMs: 4000 } })
    expect(vmstatRate(looks, 'b')).toMatchObject({ value: null, reason: 'vanished' })
    expect(vmstatRate(looks, 'c')).toMatchObject({ value: null, reason: 'not-supported' })
    expect(rateOf([look(0, { a: 1 })], () => 1)).toMatchObject({ value: null, reason: 'not-measured' })
    expect(rateHistoryOf(looks, (each) => each.vmstat['b'])).toEqual([{ atMs: 2000, value: null }, { atMs: 4000, value: 3 }])
    expect(historyOf(looks, (each) => each.vmstat['c'])).toEqual([{ atMs: 0, value: null }, { atMs: 2000, value: null }, { atMs: 4000, value: null }])
    expect(historyOf([look(0)], () => 1)).toBeNull()
    expect(within(looks, 1500).map((each) => each.takenAtMs)).toEqual([2000, 4000])
    expect(within(looks, 60_000)).toHaveLength(3)
  })
})
