import { describe, expect, test } from 'vitest'
import { amount, counted, listed, often, percent, times } from './amounts.ts'

describe('figures in sentences', () => {
  test('amounts in the unit that fits', () => {
    expect([0, 1, 900, 4096, 1024 ** 2, 1.5 * 1024 ** 2, 1000 * 1024 ** 2, 12.34 * 1024 ** 3].map(amount)).toEqual(['0 MB', '1 kB', '1 kB', '4 kB', '1 MB', '2 MB', '1.0 GB', '12.3 GB'])
  })

  test('counts, parted by thousands', () => {
    expect([0, 7, 999.6, 12_400, 1_234_567, -4321].map(counted)).toEqual(['0', '7', '1,000', '12,400', '1,234,567', '−4,321'])
  })

  test('percent with a decimal only where it says something', () => {
    expect([0, 0.04, 3.14, 9.94, 9.96, 34.4, 150].map(percent)).toEqual(['0 %', '0 %', '3.1 %', '9.9 %', '10 %', '34 %', '150 %'])
  })

  test('how often, how many times, and lists', () => {
    expect([1, 1.04, 0.2, 2.5, 12.4, 12_400].map(often)).toEqual(['once a second', 'once a second', '0.2 times a second', '2.5 times a second', '12 times a second', '12,400 times a second'])
    expect([1, 2.345].map(times)).toEqual(['1.0', '2.3'])
    expect([listed([]), listed(['a']), listed(['a', 'b']), listed(['a', 'b', 'c'])]).toEqual(['', 'a', 'a and b', 'a, b and c'])
  })
})
