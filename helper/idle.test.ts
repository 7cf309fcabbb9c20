import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createIdleExit } from './idle.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const setUp = (idleMs: number) => {
  const state = { mayExit: true, exits: 0, claims: 0, onRelease: () => undefined as void }
  const idle = createIdleExit({
    idleMs,
    mayExit: () => state.mayExit,
    release: async () => state.onRelease(),
    claim: async () => {
      state.claims += 1
    },
    onIdle: () => {
      state.exits += 1
    },
  })
  return { state, idle }
}

test('ends once nobody has called for the time', async () => {
  const { state, idle } = setUp(1000)
  await vi.advanceTimersByTimeAsync(900)
  idle.begin()()
  await vi.advanceTimersByTimeAsync(999)
  expect(state.exits).toBe(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(state.exits).toBe(1)
})

test('never ends while a call is open, however long a password takes', async () => {
  const { state, idle } = setUp(1000)
  const first = idle.begin()
  const second = idle.begin()
  await vi.advanceTimersByTimeAsync(60_000)
  first()
  // Ending twice must not end the other one's call.
  first()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(state.exits).toBe(0)
  second()
  await vi.advanceTimersByTimeAsync(1000)
  expect(state.exits).toBe(1)
})

test('asks again while it may not end', async () => {
  const { state } = setUp(1000)
  state.mayExit = false
  await vi.advanceTimersByTimeAsync(5000)
  expect(state.exits).toBe(0)
  state.mayExit = true
  await vi.advanceTimersByTimeAsync(1000)
  expect(state.exits).toBe(1)
})

test('0 means never, and stopping means never again', async () => {
  const { state } = setUp(0)
  const other = setUp(1000)
  other.idle.stop()
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect([state.exits, other.state.exits]).toEqual([0, 0])
})

test('a call that came in while the name was given back is answered, and the name taken again', async () => {
  const { state, idle } = setUp(1000)
  state.onRelease = () => idle.begin()()
  await vi.advanceTimersByTimeAsync(1000)
  expect(state).toMatchObject({ exits: 0, claims: 1 })
  state.onRelease = () => undefined
  await vi.advanceTimersByTimeAsync(1000)
  expect(state).toMatchObject({ exits: 1, claims: 1 })
})
