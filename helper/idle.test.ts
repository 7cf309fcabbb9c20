import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createIdleExit } from './idle.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const setUp = (idleMs: number) => {
  const state = { mayExit: true, exits: 0 }
  const idle = createIdleExit(idleMs, () => state.mayExit, () => { state.exits += 1 })
  return { state, idle }
}

test('ends once nobody has called for the time', () => {
  const { state, idle } = setUp(1000)
  vi.advanceTimersByTime(900)
  idle.begin()()
  vi.advanceTimersByTime(999)
  expect(state.exits).toBe(0)
  vi.advanceTimersByTime(1)
  expect(state.exits).toBe(1)
})

test('never ends while a call is open, however long a password takes', () => {
  const { state, idle } = setUp(1000)
  const first = idle.begin()
  const second = idle.begin()
  vi.advanceTimersByTime(60_000)
  first()
  // Ending twice must not end the other one's call.
  first()
  vi.advanceTimersByTime(60_000)
  expect(state.exits).toBe(0)
  second()
  vi.advanceTimersByTime(1000)
  expect(state.exits).toBe(1)
})

test('asks again while it may not end', () => {
  const { state } = setUp(1000)
  state.mayExit = false
  vi.advanceTimersByTime(5000)
  expect(state.exits).toBe(0)
  state.mayExit = true
  vi.advanceTimersByTime(1000)
  expect(state.exits).toBe(1)
})

test('0 means never, and stopping means never again', () => {
  const { state } = setUp(0)
  const other = setUp(1000)
  other.idle.stop()
  vi.advanceTimersByTime(3_600_000)
  expect([state.exits, other.state.exits]).toEqual([0, 0])
})
