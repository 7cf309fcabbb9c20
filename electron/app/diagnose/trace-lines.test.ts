import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { traceLine } from '../../../helper/plan/trace-lines.ts'
import { traceLineSchema } from '../../contract/diagnosis.ts'
import { subjectProcess } from '../../contract/subject.ts'
import { rules } from './rules/all.ts'
import { commandFor, listTraceLines } from './trace-lines.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-lines-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const put = (path: string, text = '', mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text, { mode })
}
const byTool = () => Object.fromEntries(listTraceLines(root).map(({ tool, installed, install }) => [tool, [installed, install]]))

test('every line a rule names is there', () => {
  const named = rules.flatMap((rule) => rule.lookDeeper.map((id) => `${rule.id}: ${id}`))
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((text) => traceLine(text.split(': ')[1] ?? '') === null)).toEqual([])
})

test('the list fits the window, on a machine with none of the tools', () => {
  const lines = listTraceLines(root)
  for (const line of lines) expect(traceLineSchema.parse(line)).toEqual(line)
  expect(byTool()).toEqual({
    perf: [false, 'sudo apt install linux-perf'],
    ftrace: [false, 'sudo mount -t tracefs tracefs /sys/kernel/tracing'],
    bpftrace: [false, 'sudo apt install bpftrace'],
  })
})

test('what is installed is said, and Ubuntu has perf elsewhere', () => {
  put('/usr/bin/perf', '', 0o755)
  put('/usr/sbin/bpftrace', '', 0o755)
  put('/proc/mounts', 'tracefs /sys/kernel/tracing tracefs rw 0 0\n')
  put('/etc/os-release', 'NAME="Ubuntu"\nID=ubuntu\n')
  expect(byTool()).toMatchObject({ perf: [true, 'sudo apt install linux-tools-$(uname -r)'], ftrace: [true, expect.any(String)], bpftrace: [true, expect.any(String)] })
})

test('the command is for the process chosen, or says where it goes', () => {
  const faults = traceLine('ftrace.page-faults')
  const counts = traceLine('perf.page-faults')
  if (faults === null || counts === null) throw new Error('both lines')
  expect(commandFor(faults, null)).toContain('/proc/PID/task')
  expect(commandFor(faults, 77, 3)).toContain('/proc/77/task')
  expect(commandFor(counts, null, 5)).toBe('sudo perf stat -e page-faults,minor-faults,major-faults,context-switches -a -- sleep 5')
  const ofProcess = new Map(listTraceLines(root, 4711).map(({ id, command }) => [id, command]))
  expect(ofProcess.get('ftrace.page-faults')).toContain('/proc/4711/task')
  expect(ofProcess.get('perf.page-faults')).toContain('-p 4711')
  // What looks at the machine alone stays as it is.
  expect(ofProcess.get('perf.kernel-cpu')).not.toContain('4711')
})

test('the process of a finding is that of its subject, or the first of its agent', () => {
  expect(subjectProcess('4711:99300')).toEqual({ pid: 4711, startTimeTicks: 99_300 })
  expect(subjectProcess('0f3c1d52-7a44-4d0e-9c52-3f0c6d1b2a11:12:5')).toEqual({ pid: 12, startTimeTicks: 5 })
  for (const other of ['', '4711', '0:1', '/user.slice', 'a:1', '1:2:3']) expect(subjectProcess(other)).toBeNull()
})
