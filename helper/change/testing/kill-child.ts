/**
 * Runs one preset on a captured tree and ends itself with SIGKILL at the Nth
 * checkpoint; or recovers. Started by the kill tests, which look at what is
 * left. Arguments: apply|recover|undo ROOT N SETTINGS-JSON [real]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRunManager } from '../run-manager.ts'
import { systemTools } from '../../layers/compressed-swap/system-tools.ts'
import { readProbe } from '../../observe/probe.ts'
import { createKernelFiles } from '../write.ts'
import { fakeRun, quietGuard, requestFor, snapshotOf } from './fake-run.ts'

const [mode, root = '', at = '0', settings = '{}', real, stateDir] = process.argv.slice(2)
const killAt = Number(at)
let count = 0

const checkpoint = (name: string): void => {
  count += 1
  process.stdout.write(`${count} ${name}\n`)
  if (count === killAt) process.kill(process.pid, 'SIGKILL')
}

/** Quick, and merging counts as flat after four looks in a row. */
const pace = { noiseGapMs: 1, flatPollMs: 1 }
const kernelRoot = real === 'real' ? '/' : root

const realManager = () =>
  createRunManager({
    root: '/',
    stateDir: stateDir ?? '/nonexistent',
    takeSnapshot: async () => snapshotOf('/'),
    probe: () => readProbe('/'),
    reclaimProgram: '/nonexistent',
    // Recovery alone is looked at here; what the guard undoes has tests of its own.
    guard: quietGuard,
    onProgress: () => {},
    onOutcome: () => {},
    kernel: createKernelFiles({ root: '/' }),
    tools: systemTools,
    pace,
    checkpoint,
  })

const manager = real === 'real' ? realManager() : fakeRun(root, { deps: { checkpoint, pace } }).manager

const waitFor = async (state: string): Promise<void> => {
  for (;;) {
    const runs = manager.runs(0)
    if (runs.ok && runs.value.some((run) => run.state === state)) return
    if (runs.ok && manager.openRunId() === null) return
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
}

const waitForLowered = async (): Promise<void> => {
  const value = (name: string) => Number(readFileSync(join(kernelRoot, `/sys/kernel/mm/ksm/${name}`), 'utf8'))
  while (value('pages_to_scan') > 100 || value('sleep_millisecs') < 100) {
    await new Promise((resolve) => {
      setTimeout(resolve, 2)
    })
  }
}

if (mode === 'recover') {
  for (const record of await manager.recover()) process.stdout.write(`${JSON.stringify({ id: record.id, state: record.state, undo: record.undo })}\n`)
} else {
  const applied = await manager.apply(1000, requestFor(manager, JSON.parse(settings), { settleMs: 20 }))
  if (!applied.ok) throw new Error(JSON.stringify(applied.error))
  await waitFor('waiting')
  // The rate is lowered beside the waiting: every run takes it in, so that all have the same checkpoints.
  if (JSON.parse(settings).ksm?.lowerWhenFlat === true) await waitForLowered()
  if (mode === 'undo') {
    const undone = await manager.undo(1000, { runId: applied.value.runId, cause: 'user-undo' })
    process.stdout.write(`${JSON.stringify(undone.ok ? undone.value.state : undone.error)}\n`)
  } else await manager.keep(1000, applied.value.runId)
}
process.stdout.write(`end ${count}\n`)
process.exit(0)
