import { describe, expect, test } from 'vitest'
import { amount, counted, figureText, listed, often, percent, times } from './amounts.ts'

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

  test('a figure in its unit, with a decimal only below a hundred', () => {
    expect([181_996.5, 230.8, 99.97, 99.9, 4.55, 4, -0.01].map((value) => figureText(value, 'per-second'))).toEqual(['181,997 a second', '231 a second', '100 a second', '99.9 a second', '4.5 a second', '4 a second', '0 a second'])
    expect([figureText(1024 ** 3, 'bytes'), figureText(2500, 'ms'), figureText('yes', 'text')]).toEqual(['1.0 GB', '2.5 s', 'yes'])
  })

  test('how often, how many times, and lists', () => {
    expect([1, 1.04, 0.2, 2.5, 12.4, 12_400].map(often)).toEqual(['once a second', 'once a second', '0.2 times a second', '2.5 times a second', '12 times a second', '12,400 times a second'])
    expect([1, 2.345].map(times)).toEqual(['1.0', '2.3'])
    expect([listed([]), listed(['a']), listed(['a', 'b']), listed(['a', 'b', 'c'])]).toEqual(['', 'a', 'a and b', 'a, b and c'])
  })
})
