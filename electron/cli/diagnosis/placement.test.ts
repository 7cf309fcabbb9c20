import { afterEach, expect, test, vi } from 'vitest'
import { known, missing } from '../../../helper/contract/known.ts'
import type { ProcessFigure } from '../../contract/process-figures.ts'
import { processOf } from '../../app/diagnose/testing/healthy.ts'
import { printPlacement } from './placement.ts'

const MB = 1024 ** 2
afterEach(() => { vi.restoreAllMocks() })

const printed = (...args: Parameters<typeof printPlacement>): string => {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part)
    return true
  })
  printPlacement(...args)
  return text
}
const figure = (pid: number, more: Partial<ProcessFigure> = {}): ProcessFigure => ({
  ...processOf(pid, 'claude', 300 * MB), anonHugeBytes: known(64 * MB), fileHugeBytes: missing('not-supported', 'smaps_rollup has no FilePmdMapped'), privateDirtyBytes: known(118 * MB), sharedDirtyBytes: known(9 * MB), copyOnWriteBytes: known(6 * MB), numaBytes: known([149 * MB, 0, 82 * MB]), ...more,
})

test('a row a process, a column a node that is on, and why a figure is missing', () => {
  const text = printed({ takenAtMs: 1, nodes: [0, 2], processes: [figure(100), figure(101, { numaBytes: missing('not-permitted') })] }, true)
  expect(text).toMatch(/^PID +HUGE +HUGE FILES +HUGE RESERVED +OWN WRITTEN +COMMON WRITTEN +COW SAVES +NODE 0 +NODE 2$/mu)
  expect(text).toMatch(/^100 +64 MB +- +0 MB +118 MB +9 MB +6 MB +149 MB +82 MB$/mu)
  expect(text).toMatch(/^101 .* +- +-$/mu)
  expect(text).toContain('-: this kernel does not report it (smaps_rollup has no FilePmdMapped)')
  expect(text).toContain('-: it may not be read without more rights')
})

test('one node has no columns of its own; of all processes it says how to have them', () => {
  expect(printed({ takenAtMs: 1, nodes: [0], processes: [figure(100)] }, true)).toContain('NUMA: one node, all memory is equally near.')
  expect(printed({ takenAtMs: 1, nodes: [0], processes: [figure(100)] }, false)).toMatch(/^Huge pages, .*agentmemctl processes PID$/mu)
})
