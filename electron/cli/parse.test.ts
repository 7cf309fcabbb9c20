import { describe, expect, it } from 'vitest'
import { bytesOf, durationOf } from './parse.ts'
import { textDiff } from './text-diff.ts'

describe('sizes and times', () => {
  it('are read with their units, and nothing else is', () => {
    expect(['1G', '1.5g', '512M', '2GiB', '64 mb', '1073741824', '0'].map(bytesOf)).toEqual([2 ** 30, 1.5 * 2 ** 30, 2 ** 29, 2 ** 31, 2 ** 26, 2 ** 30, 0])
    for (const text of ['', 'G', '-1G', '1e9', '1,5G', '1GG', 'ten', '0x10', '999999999999999T']) expect(bytesOf(text)).toBeNull()
    expect(['90s', '5m', '5min', '1.5h', '2d'].map(durationOf)).toEqual([90_000, 300_000, 300_000, 5_400_000, 172_800_000])
    for (const text of ['', '5', 'm', '-5m', '5 weeks']) expect(durationOf(text)).toBeNull()
  })
})

describe('what changes between two texts', () => {
  const numbers = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('')
  it('is shown with two lines around it', () => {
    expect(textDiff(numbers(1, 9), numbers(1, 9).replace('5\n', 'five\n'))).toEqual(['...', '  3', '  4', '- 5', '+ five', '  6', '  7', '...'])
    expect(textDiff('', 'a\nb\n')).toEqual(['+ a', '+ b'])
    expect(textDiff('a\n', '')).toEqual(['- a'])
    expect(textDiff('same\n', 'same\n')).toEqual([])
  })
  it('is each change apart, and whole where there is too much to compare', () => {
    expect(textDiff(numbers(1, 20), numbers(1, 20).replace('2\n', '').replace('15\n', '15\nnew\n'))).toEqual(['  1', '- 2', '  3', '  4', '...', '  14', '  15', '+ new', '  16', '  17', '...'])
    const large = textDiff(numbers(1, 3000), numbers(10_001, 13_000))
    expect(large).toHaveLength(6000)
    expect(large.slice(2998, 3002)).toEqual(['- 2999', '- 3000', '+ 10001', '+ 10002'])
  })
})
