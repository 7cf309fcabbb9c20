import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PresetSettings } from '../../contract/presets.ts'
import { runRecordSchema, type RunRecord } from '../../contract/runs.ts'
import type { ApplyRequest } from '../open-run.ts'
import { fakeRun, requestFor, type FakeRun } from './fake-run.ts'
import { layOut } from './fake-tree.ts'

/** Whose runs they are, where a test says nothing else. */
export const UID = 1000
/** Two layers: a run of several writes, and of two kinds of undoing. */
export const zram: PresetSettings = { compressedSwap: { mode: 'zram', compressors: ['lz4'] }, ksm: { mode: 'merge', pagesToScan: 1000, smartScan: true } }

export interface RunPlace {
  /** For beforeEach: a new machine with a run manager on it. */
  readonly open: () => void
  /** For afterEach: ends the manager that was started last and removes the machine. */
  readonly close: () => Promise<void>
  /** The captured machine, new for each test. */
  readonly root: string
  /** The manager that was started last. */
  readonly run: FakeRun
  /** Another manager on the same machine, as after a restart or with other parts; the one before is not closed. */
  readonly start: (options?: Parameters<typeof fakeRun>[1]) => FakeRun
  /** Begins a run and says its id; throws where it is refused. */
  readonly apply: (settings: PresetSettings, more?: Partial<ApplyRequest>) => Promise<string>
  /** The record as a client gets it, checked against its schema. */
  readonly recordOf: (runId: string) => RunRecord
  /** A kernel file of the machine, without and with its line's end. */
  readonly get: (path: string) => string
  readonly put: (path: string, value: string) => void
}

/** Where tests of runs happen: one captured machine at a time, and the run manager on it. */
export const runPlace = (): RunPlace => {
  let root = ''
  let run: FakeRun | null = null
  const current = (): FakeRun => {
    if (run === null) throw new Error('there is a run manager only between open() and close()')
    return run
  }
  const start: RunPlace['start'] = (options) => (run = fakeRun(root, options))
  return {
    open: () => {
      root = mkdtempSync(join(tmpdir(), 'agentmem-run-'))
      layOut(root)
      start()
    },
    close: async () => {
      await run?.manager.close()
      run = null
      rmSync(root, { recursive: true, force: true })
    },
    get root() {
      return root
    },
    get run() {
      return current()
    },
    start,
    apply: async (settings, more = {}) => {
      const { manager } = current()
      const applied = await manager.apply(UID, requestFor(manager, settings, more))
      if (!applied.ok) throw new Error(applied.error.message)
      return applied.value.runId
    },
    recordOf: (runId) => {
      const record = current().manager.run(UID, runId)
      if (!record.ok) throw new Error(record.error.message)
      return runRecordSchema.parse(record.value)
    },
    get: (path) => readFileSync(join(root, path), 'utf8').trim(),
    put: (path, value) => writeFileSync(join(root, path), `${value}\n`),
  }
}
