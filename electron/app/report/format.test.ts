import { expect, test } from 'vitest'
import { bytesText, durationText, figure, noiseFigure, percentText, signed, timeText, unitFor } from './format.ts'

const MB = 1024 ** 2
const GB = 1024 ** 3

test('a figure has no more digits than its noise allows', () => {
  expect(figure(312 * MB, 'MB')).toBe('312')
  expect(figure(312 * MB, 'MB', 4 * MB)).toBe('312')
  expect(figure(316 * MB, 'MB', 23 * MB)).toBe('320')
  expect(figure(316 * MB, 'MB', 230 * MB)).toBe('300')
  expect(figure(1.64 * GB, 'GB')).toBe('1.6')
  expect(figure(1.64 * GB, 'GB', 1 * MB)).toBe('1.6')
  expect(figure(7.6 * GB, 'GB', 1.2 * GB)).toBe('8')
})

test('noise is rounded up and never shown as nothing', () => {
  expect(noiseFigure(0, 'MB')).toBe('1')
  expect(noiseFigure(1, 'GB')).toBe('0.1')
  expect(noiseFigure(0.11 * GB, 'GB')).toBe('0.2')
  expect(noiseFigure(0.1 * GB, 'GB')).toBe('0.1')
  expect(noiseFigure(21 * MB, 'MB')).toBe('30')
  expect(noiseFigure(null, 'MB')).toBe('–')
})

test('missing is a dash, a change has its sign, nothing has none', () => {
  expect(figure(null, 'MB')).toBe('–')
  expect(signed(null, 'MB')).toBe('–')
  expect(signed(5 * MB, 'MB')).toBe('+5')
  expect(signed(-5 * MB, 'MB')).toBe('−5')
  expect(signed(0.2 * MB, 'MB')).toBe('0')
  expect(signed(-0.2 * MB, 'MB')).toBe('0')
  expect(percentText({ value: -0.2 })).toBe('0 %')
  expect(percentText({ value: -41.6 })).toBe('−42 %')
  expect(percentText({ value: null, reason: 'not-measured' })).toBe('–')
})

test('one unit a column, and sentences have theirs', () => {
  expect(unitFor([1, null, 999 * MB])).toBe('MB')
  expect(unitFor([1, null, -1000 * MB])).toBe('GB')
  expect(unitFor([2000 * MB], 10_000)).toBe('MB')
  expect(bytesText(16 * GB)).toBe('16.0 GB')
})

test('times are of no particular place', () => {
  expect(timeText(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe('2026-01-02 03:04:05 UTC')
  expect(durationText(110_000)).toBe('110 s')
  expect(durationText(600_000)).toBe('10 min')
})
