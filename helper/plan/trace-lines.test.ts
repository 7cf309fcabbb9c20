import { expect, test } from 'vitest'
import { traceRequestSchema } from '../contract/trace.ts'
import { bpftraceScript, perfRecordArguments, perfStatArguments, traceCommand, traceInstance, traceLine, traceLines } from './trace-lines.ts'

test('every line has an id of its own, which a request can name, and words for the window', () => {
  expect(new Set(traceLines.map(({ id }) => id)).size).toBe(traceLines.length)
  for (const line of traceLines) {
    expect(line.id.split('.')[0]).toBe(line.tool)
    expect(traceRequestSchema.safeParse({ id: line.id, process: null, seconds: 1 }).success, line.id).toBe(true)
    expect(line.title.length, line.id).toBeGreaterThan(5)
    expect(line.what, line.id).toMatch(/\.$/u)
    expect(line.secondsMost).toBeLessThanOrEqual(60)
  }
  expect(traceLine('perf.everything')).toBeNull()
})

test('a line differs by its numbers alone', () => {
  const shape = (pid: number | null, seconds: number) => traceLines.map((line) => traceCommand(line, { pid: line.process === 'none' ? null : pid, seconds }).replaceAll(/\d+/gu, 'N'))
  expect(shape(12, 7)).toEqual(shape(4_194_304, 60))
  expect(shape(12, 7).join('\n')).not.toMatch(/undefined|null|NaN/u)
})

test.each([0, -1, 1.5, Number.NaN, 4_194_305, Number.POSITIVE_INFINITY])('%s is no process', (pid) => {
  for (const line of traceLines.filter(({ process }) => process !== 'none')) expect(() => traceCommand(line, { pid, seconds: 5 }), line.id).toThrow(RangeError)
})

test.each([0, 61, 1.5, Number.NaN])('%s is no time', (seconds) => {
  for (const line of traceLines) expect(() => traceCommand(line, { pid: line.process === 'none' ? null : 5, seconds }), line.id).toThrow(RangeError)
})

test('one process is seen without its children, the machine without callers, programs or files of them', () => {
  expect(perfStatArguments(['page-faults'], { pid: 12, seconds: 5 })).toEqual(['stat', '-e', 'page-faults', '--no-inherit', '-p', '12', '--', 'sleep', '5'])
  expect(perfStatArguments(['page-faults'], { pid: null, seconds: 5 })).toContain('-a')
  const record = perfRecordArguments({ pid: null, seconds: 5 }, '/f')
  expect(record).toContain('cpu-clock:k')
  expect(record).not.toContain('-g')
})

test('bpftrace ends by itself, and without a process no name of one is kept', () => {
  for (const line of traceLines) {
    if (line.tool !== 'bpftrace') continue
    expect(bpftraceScript(line, { pid: 12, seconds: 5 })).toMatch(/ interval:s:5 \{ exit\(\); \}$/u)
    expect(bpftraceScript(line, { pid: 12, seconds: 5 })).toContain('/pid == 12/')
    // Stacks would have root read programs of the user's.
    expect(bpftraceScript(line, { pid: 12, seconds: 5 })).not.toMatch(/ustack|usym|system\(|print[fr]?\(.*str\(|cat\(/u)
    if (line.process === 'optional') expect(bpftraceScript(line, { pid: null, seconds: 5 }), line.id).not.toMatch(/\bpid\b|comm|\bstr\(/u)
  }
})

test('an instance has a number for a name', () => {
  expect(traceInstance(77)).toBe('/sys/kernel/tracing/instances/agentmem-77')
  expect(() => traceInstance(-1)).toThrow(RangeError)
})
