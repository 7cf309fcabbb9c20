import { expect, test } from 'vitest'
import { createTerminalModes } from './line-mode.ts'

test('asks until a terminal was raw, not at every look, and never again after', async () => {
  const answers = [false, null, true, false]
  let asked = 0
  const modes = createTerminalModes(() => Promise.resolve(answers[asked++] ?? null))
  const at = (nowMs: number): Promise<boolean | null> => modes.isRaw('7 100', '/dev/pts/7', nowMs)
  expect(await at(0)).toBe(false)
  expect(await at(29_000)).toBe(false)
  expect(asked).toBe(1)
  expect(await at(30_000)).toBeNull()
  expect(await at(60_000)).toBe(true)
  expect(await at(600_000)).toBe(true)
  expect(asked).toBe(3)
  // Another process with that number is another agent.
  modes.keep(new Set(['7 200']))
  expect(await at(600_000)).toBe(false)
})
