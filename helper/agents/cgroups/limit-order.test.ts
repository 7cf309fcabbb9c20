import { describe, expect, it } from 'vitest'
import { isOutOfOrder, limitWrites, parseAmount, suggestLimits, wholePages } from './limit-order.ts'

const MIB = 1024 * 1024
const order = (...args: Parameters<typeof limitWrites>): string[] => limitWrites(...args).map(({ file, bytes }) => `${file}=${bytes === null ? 'max' : bytes / MIB}`)

describe('the order of limits', () => {
  it('slows down before it ends: high before max where limits go down', () => {
    expect(order({ highBytes: 100 * MIB, maxBytes: 200 * MIB }, { highBytes: null, maxBytes: null })).toEqual(['memory.high=100', 'memory.max=200'])
    expect(order({ highBytes: 100 * MIB, maxBytes: 150 * MIB }, { highBytes: 200 * MIB, maxBytes: 300 * MIB })).toEqual(['memory.high=100', 'memory.max=150'])
  })

  it('raises max before high, so that high never stands above it', () => {
    expect(order({ highBytes: 400 * MIB, maxBytes: 500 * MIB }, { highBytes: 100 * MIB, maxBytes: 200 * MIB })).toEqual(['memory.max=500', 'memory.high=400'])
    expect(order({ highBytes: null, maxBytes: null }, { highBytes: 100 * MIB, maxBytes: 200 * MIB })).toEqual(['memory.max=max', 'memory.high=max'])
  })

  it('protects first and bounds the tools last; takes protection away as 0', () => {
    expect(order({ toolsHighBytes: 64 * MIB, highBytes: 100 * MIB, swapMaxBytes: 0, lowBytes: null }, {})).toEqual(['memory.low=0', 'memory.swap.max=0', 'memory.high=100', 'tools/memory.high=64'])
  })

  it('refuses a single limit that would stand on the wrong side of the one that is there', () => {
    expect(isOutOfOrder({ highBytes: 300 * MIB }, { highBytes: null, maxBytes: 200 * MIB })).toBe(true)
    expect(isOutOfOrder({ highBytes: null }, { highBytes: 100 * MIB, maxBytes: 200 * MIB })).toBe(true)
    expect(isOutOfOrder({ highBytes: 150 * MIB }, { highBytes: null, maxBytes: 200 * MIB })).toBe(false)
    expect(isOutOfOrder({ maxBytes: null }, { highBytes: 100 * MIB, maxBytes: 200 * MIB })).toBe(false)
  })

  it('counts in whole pages, as the kernel shows them', () => {
    expect(wholePages(100 * MIB + 1)).toBe(100 * MIB)
    expect(wholePages(null)).toBeNull()
    expect([parseAmount('max'), parseAmount('4096'), parseAmount('x'), parseAmount('')]).toEqual([null, 4096, undefined, undefined])
  })

  it('suggests half of what is used now, never below the floor, and never an end', () => {
    expect(suggestLimits(1000 * MIB)).toEqual({ highBytes: 500 * MIB })
    expect(suggestLimits(80 * MIB)).toEqual({ highBytes: 64 * MIB })
  })
})
