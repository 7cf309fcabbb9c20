import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { traceLine } from '../../../helper/plan/trace-lines.ts'
import { traceLineSchema } from '../../contract/diagnosis.ts'
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
})
