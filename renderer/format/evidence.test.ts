import { describe, expect, test } from 'vitest'
import type { Figure } from '../../electron/contract/diagnosis.ts'
import { beforeWords, figureParts, figureWords, thresholdWords } from './evidence.ts'

const NB = '\u00a0'
const NOW = Date.UTC(2026, 10, 21, 12)
const figure = (unit: Figure['unit'], threshold: Figure['threshold']): Figure => ({ what: '', value: 1, unit, source: '', threshold, history: null })

describe('figures of findings', () => {
  test.each([
    [1.4 * 1024 ** 3, 'bytes', `1.4${NB}GB`],
    [-5 * 1024 ** 2, 'bytes', `\u22125${NB}MB`],
    [18.2, 'percent', `18${NB}%`],
    [0.24, 'percent', `0.2${NB}%`],
    [214.4, 'per-second', `214${NB}a second`],
    [4.55, 'per-second', `4.6${NB}a second`],
    [61, 'ms', `61${NB}ms`],
    [2400, 'ms', `2.4${NB}s`],
    [12_345_678, 'count', '12,345,678'],
    [-0.5, 'ratio', '\u22120.5'],
    ['always [madvise] never', 'text', 'always [madvise] never'],
    ['lz4', 'bytes', 'lz4'],
  ] as const)('%s %s is %s', (value, unit, text) => {
    expect(figureWords(value, unit)).toBe(text)
    const parts = figureParts(value, unit)
    expect(`${parts.value}${parts.unit === '' ? '' : NB}${parts.unit}`).toBe(text)
  })

  test.each([
    ['bytes', { kind: 'above', value: 1024 ** 3 }, `above 1.0${NB}GB`],
    ['percent', { kind: 'below', value: 5 }, `expected at least 5${NB}%`],
    ['count', { kind: 'is', value: 0 }, ''],
    ['text', { kind: 'is-not', value: 'always' }, 'expected always'],
  ] as const)('a limit in %s', (unit, threshold, text) => expect(thresholdWords(figure(unit, threshold))).toBe(text))

  test('without a limit there is nothing to say', () => expect(thresholdWords(figure('bytes', null))).toBe(''))
})

describe('what came of a solution before', () => {
  const at = { atMs: Date.UTC(2026, 4, 3, 12) }
  test.each([
    [{ outcome: 'kept', gainBytes: { value: 1.2 * 1024 ** 3 } }, `Tried on 3 May: won 1.2${NB}GB, kept`],
    [{ outcome: 'undone', gainBytes: { value: -300 * 1024 ** 2 } }, `Tried on 3 May: lost 300${NB}MB, undone`],
    [{ outcome: 'kept', gainBytes: { value: null, reason: 'not-measured' } }, 'Tried on 3 May: kept'],
    [{ outcome: 'no-gain', gainBytes: { value: 12 } }, 'Tried on 3 May: nothing won'],
    [{ outcome: 'failed', gainBytes: { value: 99 } }, 'Tried on 3 May: it failed'],
  ] as const)('%j', (before, text) => expect(beforeWords({ ...at, ...before }, NOW)).toBe(text))

  test('another year is named', () => expect(beforeWords({ atMs: Date.UTC(2025, 4, 3, 12), outcome: 'kept', gainBytes: { value: 0 } }, NOW)).toBe(`Tried on 3 May 2025: won 0${NB}MB, kept`))
})
