import { expect, test } from 'vitest'
import { isFlat } from './settle.ts'

const MIB = 1024 ** 2

test.each([
  ['too few looks', [0, 0, 0], false],
  ['nothing to merge at all', [0, 0, 0, 0], true],
  ['still growing', [100 * MIB, 200 * MIB, 300 * MIB, 400 * MIB], false],
  ['growth under one percent of much', [1000 * MIB, 1003 * MIB, 1005 * MIB, 1008 * MIB], true],
  ['growth under 4 MiB of little', [10 * MIB, 11 * MIB, 12 * MIB, 13 * MIB], true],
  ['a plateau after growth', [10 * MIB, 500 * MIB, 900 * MIB, 901 * MIB, 901 * MIB, 902 * MIB], true],
  ['a negative profit that rests (bookkeeping costs more than is merged)', [-3 * MIB, -3 * MIB, -3 * MIB, -3 * MIB], true],
])('%s', (_, looks, flat) => {
  expect(isFlat(looks)).toBe(flat)
})
