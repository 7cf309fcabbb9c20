import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { layOut } from '../change/testing/fake-tree.ts'
import { hasEnded, processStartTicks, processUid } from './process-check.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-process-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const lay = (state: string, threads: readonly number[]): void =>
  layOut(root, {
    '/proc/7/stat': `7 (a) b (c)) ${state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n`,
    '/proc/7/status': 'Name:\tx\nUid:\t1000\t0\t0\t0\n',
    ...Object.fromEntries(threads.map((thread) => [`/proc/7/task/${thread}/stat`, ''])),
  })

test('a name with brackets and spaces moves no field', () => {
  lay('S', [7])
  expect(processStartTicks(root, 7)).toBe(4711)
  expect(processUid(root, 7)).toBe(1000)
  expect([processStartTicks(root, 8), processUid(root, 8)]).toEqual([null, null])
})

test.each([
  ['sleeping', 'S', [7], false],
  ['ended, not yet looked at by its parent', 'Z', [7], true],
  ['ended but for a thread inside a system call', 'Z', [7, 9], false],
] as const)('%s', (_, state, threads, ended) => {
  lay(state, threads)
  expect(hasEnded(root, 7)).toBe(ended)
})

test('one that is gone has ended', () => {
  expect(hasEnded(root, 7)).toBe(true)
})
