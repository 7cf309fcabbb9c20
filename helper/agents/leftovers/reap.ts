import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessRef } from '../../contract/agents.ts'
import { readStat, readStatus } from '../../observe/process.ts'

/** Time a process has to put its things in order before it is killed. */
export const GRACE_MS = 5_000
const LOOK_MS = 100
/** A killed process may still wait for a disk. */
const AFTER_KILL_MS = 3_000

export interface ReapDeps {
  readonly root: string
  /** Whose processes may be ended; null: everybody's, for root's tests. */
  readonly uid: number | null
  /** process.kill, or a test's. */
  readonly kill: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void
  readonly graceMs?: number
}

const isAlive = (root: string, { pid, startTimeTicks }: ProcessRef): boolean => {
  const stat = readStat(root, pid).value
  return stat !== null && stat.startTimeTicks === startTimeTicks && stat.kernelState !== 'Z'
}

/** The number and the start time are looked at right before each signal: a pid may belong to somebody else by now. */
const signal = (deps: ReapDeps, ref: ProcessRef, name: 'SIGTERM' | 'SIGKILL'): void => {
  if (!isAlive(deps.root, ref)) return
  if (deps.uid !== null && readStatus(deps.root, ref.pid).value?.uid !== deps.uid) return
  try {
    deps.kill(ref.pid, name)
  } catch {
    // Gone between the look and the signal, or not ours: what is still there is told at the end.
  }
}

const waitGone = async (root: string, refs: readonly ProcessRef[], limitMs: number): Promise<ProcessRef[]> => {
  const until = performance.now() + limitMs
  for (;;) {
    const left = refs.filter((ref) => isAlive(root, ref))
    if (left.length === 0 || performance.now() >= until) return left
    await sleep(LOOK_MS)
  }
}

/** Asks all of them to end, then insists. Answers with those that are still there. */
export const endTrees = async (deps: ReapDeps, refs: readonly ProcessRef[]): Promise<ProcessRef[]> => {
  for (const ref of refs) signal(deps, ref, 'SIGTERM')
  const stubborn = await waitGone(deps.root, refs, deps.graceMs ?? GRACE_MS)
  for (const ref of stubborn) signal(deps, ref, 'SIGKILL')
  return waitGone(deps.root, stubborn, AFTER_KILL_MS)
}
