import { describe, expect, it } from 'vitest'
import { hold } from './series-ids.ts'

describe('hold', () => {
  it('carries a figure over a short gap and leaves a long one', () => {
    expect(hold([0, 10, 20, 30, 40], [null, 5, null, null, null], 15)).toEqual([null, 5, 5, null, null])
    expect(hold([0, 10, 20], [1, null, 2], 15)).toEqual([1, 1, 2])
  })
})
