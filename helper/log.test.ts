import { expect, test } from 'vitest'
import type { RunRecord, RunState, UndoLine } from './contract/runs.ts'
import { isInForce, logLine, recordLines } from './log.ts'

const record = (state: RunState, ...outcomes: UndoLine['outcome'][]): RunRecord => ({
  version: 1, id: '20261121T010203Z-0a1b2c3d', uid: 1000, presetId: 'x', presetTitle: 'Secret project', cause: 'user-preset', state, startedAtMs: 0, endedAtMs: null,
  plan: { version: 1, digest: '0'.repeat(64), kernelRelease: '', steps: [], skipped: [], notes: [] },
  steps: [], treated: [], control: [], before: [], after: null, confirmUntilMs: null, undoCause: null, error: null,
  undo: outcomes.map((outcome) => ({ target: '/sys/kernel/mm/ksm/run', old: '0', found: '1', outcome, reason: 'It is so.' })),
})

test('a line holds no folder of the user and no second line', () => {
  expect(logLine('/sys/fs/cgroup/user.slice/user-1000.slice/app-secret.scope/memory.reclaim <- 5')).toBe('/sys/fs/cgroup/(an agent)/memory.reclaim <- 5')
  expect(logLine('/sys/kernel/mm/ksm/run <- 1')).toBe('/sys/kernel/mm/ksm/run <- 1')
  expect(logLine('a\naudit: uid=0\u2028x')).toBe('a?audit: uid=0?x')
})

test('a run is told by its number, not by its title', () => {
  expect(recordLines(record('partly-undone', 'left-alone'))).toEqual(['run 20261121T010203Z-0a1b2c3d of user 1000: partly-undone', '  /sys/kernel/mm/ksm/run: left-alone (It is so.)'])
})

test.each([
  ['undone', [], false],
  ['failed', [], false],
  ['kept', [], true],
  ['undoing', ['waiting-for-memory'], true],
  ['partly-undone', ['restored', 'left-alone'], false],
  ['partly-undone', ['restored', 'waiting-for-memory'], true],
  ['partly-undone', ['failed', 'left-alone'], true],
] as const)('%s %j: in force %j', (state, outcomes, expected) => {
  expect(isInForce(record(state, ...outcomes))).toBe(expected)
})
