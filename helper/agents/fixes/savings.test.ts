import { expect, test } from 'vitest'
import type { AgentProcess } from '../../contract/agents.ts'
import { known, missing } from '../../contract/known.ts'
import { madeAgent } from '../registry/testing.ts'
import type { LookedAgent } from '../tracker.ts'
import { codexWithoutDaemon } from './codex-daemon.ts'
import { geminiNoRelaunch } from './shell-recipes.ts'

const MIB = 1024 * 1024

/** [pid, parent, PSS, USS] in MiB; null: not measured. */
type Line = readonly [number, number, number | null, number]

const agent = (kind: string, comm: string, lines: readonly Line[]): LookedAgent => madeAgent(lines[0]?.[0] ?? 0, {
  kind,
  processes: lines.map(([pid, parentPid, pss, uss]): AgentProcess => ({
    pid, startTimeTicks: 1, parentPid, role: 'main', label: kind, comm, kernelState: 'S', cpuMs: 0,
    memory: pss === null ? missing('not-measured') : known({ pssBytes: pss * MIB, ussBytes: uss * MIB, pssAnonBytes: known(0), pssFileBytes: known(0), pssShmemBytes: known(0), swapPssBytes: 0, rssBytes: pss * MIB }),
  })),
})

// Figures of real agents, before and after.
test('Gemini CLI: what the launcher holds alone; 328 MiB became 199', () => {
  const twice = agent('gemini-cli', 'MainThread', [[10, 1, 121, 119], [11, 10, 207, 201]])
  const once = agent('gemini-cli', 'MainThread', [[20, 1, 199, 195]])
  expect([geminiNoRelaunch.concerns(twice), geminiNoRelaunch.concerns(once)]).toEqual([true, false])
  expect(geminiNoRelaunch.savesBytes([twice])).toEqual(known(119 * MIB))
  expect(geminiNoRelaunch.savesBytes([agent('gemini-cli', 'MainThread', [[10, 1, null, 0], [11, 10, 207, 201]])]).value).toBeNull()
})

test('Codex: daemon and updater, less what each session then does itself; 258 MiB became 160 with two', () => {
  const starter = agent('codex', 'codex', [[10, 1, 37, 18], [11, 10, 157, 130], [12, 10, 30, 7], [13, 11, 5, 5]])
  const tool = starter.processes.map((process) => (process.pid === 13 ? { ...process, comm: 'sleep' } : process))
  const other = agent('codex', 'codex', [[20, 1, 34, 14]])
  expect(codexWithoutDaemon.savesBytes([{ ...starter, processes: tool }, other])).toEqual(known((157 + 30 - 2 * 45) * MIB))
  // Nobody would gain: no daemon, or so many sessions that sharing one is cheaper.
  expect(codexWithoutDaemon.savesBytes([other])).toEqual(known(0))
  expect(codexWithoutDaemon.savesBytes([starter, other, other, other, other])).toEqual(known(0))
})
