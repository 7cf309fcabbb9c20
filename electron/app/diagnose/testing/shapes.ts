import type { Growth } from '../leaks.ts'

const MB = 1024 ** 2
const MINUTE_MS = 60_000

/** Mulberry32: the same numbers for the same seed. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes after so many hours, as programs of each kind behave; `random` gives 0 to 1. */
export type Shape = (h: number, random: () => number) => number

const noise = (random: () => number, most: number): number => (random() - 0.5) * 2 * most

/** Growth without end by `perHour` from `base`. */
export const leaking = (base: number, perHour: number): Shape => (h, random) => base + perHour * h + noise(random, base * 0.01)
/** Garbage gathers and is collected `times` an hour; what stays grows by `perHour`. */
export const sawTooth = (base: number, height: number, times: number, perHour = 0): Shape => (h, random) => base + perHour * h + ((h * times) % 1) * height + noise(random, base * 0.01)
/** Filling a cache of `size`, of which 63 % is full after `tau` hours. */
export const cache = (base: number, size: number, tau: number): Shape => (h, random) => base + size * (1 - Math.exp(-h / tau)) + noise(random, base * 0.01)
/** Starting: grows for `hours`, then stays. */
export const warmUp = (base: number, size: number, hours: number): Shape => (h, random) => base + size * Math.min(1, h / hours) + noise(random, base * 0.01)
export const steady = (base: number): Shape => (_h, random) => base + noise(random, base * 0.02)
/** Something large is loaded once. */
export const step = (base: number, size: number, at: number): Shape => (h, random) => base + (h >= at ? size : 0) + noise(random, base * 0.01)
/** Work in bursts: busy for a while, then what it took is given back. */
export const bursts = (base: number, size: number, hours: number): Shape => (h, random) => base + (Math.floor(h / hours) % 2 === 1 ? size * (0.6 + 0.4 * random()) : 0) + noise(random, base * 0.01)

/** One curve, a point every `everyMin` minutes; one look in thirty is missing. */
export const growthOf = (shape: Shape, { hours, everyMin = 2, seed = 1 }: { hours: number; everyMin?: number; seed?: number }): Growth => {
  const random = randomOf(seed)
  const points = Array.from({ length: Math.floor((hours * 60) / everyMin) + 1 }, (_, i) => {
    const bytes = Math.max(MB, Math.round(shape((i * everyMin) / 60, random)))
    return { atMs: 1_700_000_000_000 + i * everyMin * MINUTE_MS, bytes: random() < 1 / 30 ? null : bytes }
  })
  return { subject: { of: 'process', pid: seed, startTicks: 1, title: `seed ${seed}`, agentId: null }, points }
}
