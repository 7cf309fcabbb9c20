import { describe, expect, it } from 'vitest'
import { firstTrim, nextTrim, trimmed, type TrimSigns, type TrimState } from './trim.ts'

const MIB = 1024 * 1024
const quiet: TrimSigns = { nowMs: 1_000_000, residentAnonBytes: 300 * MIB, faults: 100, refaults: 1_000, psiPercent: 0 }

/** Steps 15 s apart in which everything asked for goes out and `returned` bytes of it come back. */
const run = (steps: number, returnedOf: (wonBytes: number) => number): { asked: (number | null)[]; state: TrimState; residentBytes: number } => {
  let state = firstTrim(quiet)
  let signs = quiet
  const asked: (number | null)[] = []
  for (let step = 0; step < steps; step += 1) {
    const next = nextTrim(state, signs)
    asked.push(next.askBytes)
    const wonBytes = next.askBytes ?? 0
    const returned = returnedOf(wonBytes)
    state = next.askBytes === null ? next.state : trimmed(next.state, wonBytes, signs)
    signs = { ...signs, nowMs: signs.nowMs + 15_000, residentAnonBytes: signs.residentAnonBytes - wonBytes + returned, faults: signs.faults + Math.ceil(returned / 4096) }
  }
  return { asked, state, residentBytes: signs.residentAnonBytes }
}

describe('trimming by feedback', () => {
  it('begins with one in a hundred and takes more while nothing comes back, up to four', () => {
    const { asked } = run(6, () => 0)
    expect(asked[0]).toBe(3 * MIB)
    const shares = asked.map((bytes) => bytes ?? 0)
    expect(shares.every((bytes, index) => index === 0 || bytes > (shares[index - 1] ?? 0) * 0.95)).toBe(true)
    expect(Math.max(...shares)).toBeLessThanOrEqual(300 * MIB * 0.04)
  })

  it('halves and pauses as soon as a part comes back', () => {
    const { asked } = run(3, (won) => won / 2)
    expect(asked[0]).toBe(3 * MIB)
    expect(asked.slice(1)).toEqual([null, null])
  })

  it('backs off from pressure, at once', () => {
    const state = trimmed(nextTrim(firstTrim(quiet), quiet).state, 3 * MIB, quiet)
    const pressed = nextTrim(state, { ...quiet, nowMs: quiet.nowMs + 15_000, psiPercent: 12 })
    expect(pressed.askBytes).toBeNull()
    expect(pressed.state.share).toBeLessThan(state.share)
    expect(pressed.state.text).toContain('12.0 %')
    expect(nextTrim(pressed.state, { ...quiet, nowMs: quiet.nowMs + 60_000 }).askBytes).toBeNull()
    expect(nextTrim(pressed.state, { ...quiet, nowMs: quiet.nowMs + 120_000 }).askBytes).not.toBeNull()
  })

  it('backs off when others page in', () => {
    const state = trimmed(nextTrim(firstTrim(quiet), quiet).state, 3 * MIB, quiet)
    expect(nextTrim(state, { ...quiet, nowMs: quiet.nowMs + 15_000, refaults: quiet.refaults + 50_000 }).askBytes).toBeNull()
  })

  it('rests when little is left, and when steps win nothing', () => {
    expect(nextTrim(firstTrim(quiet), { ...quiet, residentAnonBytes: 10 * MIB }).askBytes).toBeNull()
    let state = firstTrim(quiet)
    let signs = quiet
    for (let step = 0; step < 3; step += 1) {
      state = trimmed(nextTrim(state, signs).state, 0, signs)
      signs = { ...signs, nowMs: signs.nowMs + 15_000 }
    }
    const next = nextTrim(state, signs)
    expect(next.askBytes).toBeNull()
    expect(next.state.nextAtMs - signs.nowMs).toBeGreaterThanOrEqual(5 * 60_000)
  })

  it('comes to rest at the working set of an agent that uses a third of its memory', () => {
    const workingSet = 100 * MIB
    let state = firstTrim(quiet)
    let signs = quiet
    let low = Infinity
    for (let step = 0; step < 400; step += 1) {
      const next = nextTrim(state, signs)
      const wonBytes = next.askBytes ?? 0
      state = next.askBytes === null ? next.state : trimmed(next.state, wonBytes, signs)
      const after = signs.residentAnonBytes - wonBytes
      low = Math.min(low, after)
      const returned = Math.max(0, workingSet - after)
      signs = { ...signs, nowMs: signs.nowMs + 15_000, residentAnonBytes: after + returned, faults: signs.faults + Math.ceil(returned / 4096) }
    }
    expect(signs.residentAnonBytes).toBeLessThan(workingSet * 1.1)
    expect(low).toBeGreaterThan(workingSet * 0.9)
  })
})
