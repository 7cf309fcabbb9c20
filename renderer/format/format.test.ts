import { describe, expect, it } from 'vitest'
import { ago, bytes, duration, gigabytes, megabytes, missingWords, percent, plural, pressureWord, reading, signedBytes, unbroken, withNoise } from './format.ts'

const MB = 1024 * 1024
const GB = 1024 * MB

describe('bytes', () => {
  it('gives gigabytes one decimal and megabytes none', () => {
    expect(bytes(7.84 * GB)).toBe('7.8\u00a0GB')
    expect(bytes(641.4 * MB)).toBe('641\u00a0MB')
    expect(bytes(1023.9 * MB)).toBe('1.0\u00a0GB')
    expect(bytes(0)).toBe('0\u00a0MB')
    expect(bytes(300 * 1024)).toBe('300\u00a0kB')
  })

  it('marks a loss with a true minus and a rise with a plus', () => {
    expect(signedBytes(-2.1 * GB)).toBe('\u22122.1\u00a0GB')
    expect(signedBytes(120 * MB)).toBe('+120\u00a0MB')
  })

  it('shows noise in the unit of the figure and never as nothing', () => {
    expect(withNoise(2.13 * GB, { value: 80 * MB })).toBe('2.1\u00a0GB (\u00b1\u00a00.1)')
    expect(withNoise(2.13 * GB, { value: 1 * MB })).toBe('2.1\u00a0GB (\u00b1\u00a00.1)')
    expect(withNoise(300 * MB, { value: 12 * MB })).toBe('300\u00a0MB (\u00b1\u00a012)')
    expect(withNoise(300 * MB, { value: null, reason: 'not-measured' })).toBe('300\u00a0MB')
  })

  it('leaves the unit to the head of a column', () => {
    expect(megabytes(1234.5 * MB)).toBe('1,235')
    expect(gigabytes(7.84 * GB)).toBe('7.8')
  })
})

describe('times', () => {
  it('keeps to one unit', () => {
    expect(duration(42 * 60_000)).toBe('42\u00a0min')
    expect(duration(119_999)).toBe('119\u00a0s')
    expect(duration(3 * 3600_000)).toBe('3\u00a0h')
    expect(duration(50 * 3600_000)).toBe('2\u00a0d')
    expect(duration(-5)).toBe('0\u00a0s')
  })

  it('calls the last seconds just now', () => {
    expect(ago(10_000, 12_000)).toBe('just now')
    expect(ago(0, 130_000)).toBe('2\u00a0min ago')
  })
})

describe('words', () => {
  it('keeps a figure of prose on one line with its unit, and breaks everywhere else', () => {
    expect(unbroken('68 ± 1 MB won from 3 agents, 11 % of what they would cost, in 3 s; 4 GB.')).toBe('68\u00a0±\u00a01\u00a0MB won from 3 agents, 11\u00a0% of what they would cost, in 3\u00a0s; 4\u00a0GB.')
    expect(unbroken('1 second, 2 minutes, 8 held, 3 dozen')).toBe('1 second, 2 minutes, 8 held, 3 dozen')
  })
  it('shows a dash for what is missing and says why', () => {
    expect(reading({ value: null, reason: 'not-supported' }, bytes)).toBe('\u2013')
    expect(reading({ value: 5 * MB }, bytes)).toBe('5\u00a0MB')
    expect(missingWords('not-supported', 'Needs Linux 6.4.')).toBe('This kernel does not report it. Needs Linux 6.4.')
  })

  it('names the pressure by its steps', () => {
    expect([0, 0.99, 1, 9.9, 10, 30].map(pressureWord)).toEqual(['calm', 'calm', 'noticeable', 'noticeable', 'high', 'severe'])
  })

  it('agrees with the number', () => {
    expect(plural(1, 'agent')).toBe('1\u00a0agent')
    expect(plural(1200, 'agent')).toBe('1,200\u00a0agents')
    expect(percent(-3.25)).toBe('\u22123.3\u00a0%')
    expect(percent(17)).toBe('17\u00a0%')
  })
})
