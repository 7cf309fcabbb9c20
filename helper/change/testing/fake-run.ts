import { readFileSync } from 'node:fs'
import { presetSchema } from '../../contract/presets.ts'
import type { Outcome, Progress, RunState } from '../../contract/runs.ts'
import type { Snapshot } from '../../contract/snapshot.ts'
import { readBootId, readKernelRelease } from '../../observe/kernel.ts'
import { readMachine } from '../../observe/machine.ts'
import { readProbe } from '../../observe/probe.ts'
import { ok } from '../../contract/result.ts'
import type { ApplyRequest, RunGuard } from '../open-run.ts'
import { createRunManager, type RunManager, type RunManagerDeps } from '../run-manager.ts'
import { fakeKernel, fakeTools, type FakeOptions } from './fake-tree.ts'

/** A snapshot of the tree without agents. */
export const snapshotOf = (root: string): Snapshot => ({
  version: 1,
  takenAtMs: 0,
  monotonicMs: 0,
  bootId: readBootId(root),
  kernelRelease: readKernelRelease(root),
  privileged: true,
  machine: readMachine(root),
  compressed: { poolBytes: 0, storedBytes: 0, poolPerStored: { value: null, reason: 'not-measured' } },
  agents: [],
  counts: { seen: 0, kernelThreads: 0, vanished: 0, unreadable: 0, ofAgents: 0 },
  tookMs: 0,
  cpuMs: 0,
})

export interface FakeRun {
  manager: RunManager
  writes: string[]
  progress: Progress[]
  outcomes: Outcome[]
  /** Resolves with the next outcome whose state is `state`, also one that has been. */
  until(state: RunState): Promise<Outcome>
}

/** A guard that is always there and never has to do anything. */
export const quietGuard: RunGuard = { ready: async () => ok(null), arm: async () => ok(null), done: async () => {}, undid: () => false }

/** A run manager on a captured tree, quick, with everything it says recorded. */
export const fakeRun = (root: string, options: FakeOptions & { deps?: Partial<RunManagerDeps> } = {}): FakeRun => {
  const writes: string[] = []
  const progress: Progress[] = []
  const outcomes: Outcome[] = []
  const waiting: { state: RunState; resolve: (outcome: Outcome) => void }[] = []
  const { deps, ...fake } = options
  const manager = createRunManager({
    root,
    stateDir: `${root}/var/lib/agentmem`,
    takeSnapshot: async () => snapshotOf(root),
    probe: () => readProbe(root),
    reclaimProgram: '/nonexistent/agentmem-reclaim',
    guard: quietGuard,
    onProgress: (_uid, it) => progress.push(it),
    onOutcome: (_uid, outcome) => {
      outcomes.push(outcome)
      for (const entry of waiting.filter(({ state }) => state === outcome.state)) entry.resolve(outcome)
    },
    kernel: fakeKernel(root, { ...fake, onWrite: (line) => writes.push(line) }),
    tools: fakeTools(root, fake),
    pace: { noiseGapMs: 1, flatPollMs: 5, retryMs: 5, giveUpMs: 200 },
    ...deps,
  })
  return {
    manager,
    writes,
    progress,
    outcomes,
    until: (state) => {
      const past = outcomes.findLast((outcome) => outcome.state === state)
      return past === undefined ? new Promise((resolve) => waiting.push({ state, resolve })) : Promise.resolve(past)
    },
  }
}

export const presetFile = (id: string) => presetSchema.parse(JSON.parse(readFileSync(new URL(`../../../assets/presets/${id}.json`, import.meta.url), 'utf8')))

/** What the window sends, with the digest of the plan as it would be now. */
export const requestFor = (manager: RunManager, settings: ApplyRequest['settings'], more: Partial<ApplyRequest> = {}): ApplyRequest => {
  const request: ApplyRequest = { presetId: 'test', presetTitle: 'Test', settings, digest: '0'.repeat(64), cause: 'user-preset', agents: [], control: [], settleMs: 5, confirmMs: 60_000, ...more }
  return { ...request, digest: more.digest ?? manager.plan(request).digest }
}
