import type { Activity, BusyReason } from '../../contract/lifecycle.ts'
import { known, missing } from '../../contract/known.ts'
import { createCpuEvidence, QUIET_PERCENT } from './cpu.ts'
import { forbids, works, type Finding } from './finding.ts'
import { createNetworkEvidence } from './network.ts'
import type { Sample } from './sample.ts'
import { createTerminalEvidence } from './terminal.ts'
import { createTreeEvidence } from './tree.ts'

/** What the agent's own hooks said last. */
export interface HookState {
  /** working: a turn was begun; waiting: it ended; asking: the agent waits for its user's answer. */
  readonly turn: 'working' | 'waiting' | 'asking'
  /** Unix time of the word. */
  readonly sinceMs: number
}

export interface JudgeSettings {
  /** `idleCpuPercent` of the agent's signature, where it has one. */
  readonly idleCpuPercent?: number | undefined
}

/** What the registry knows beside the sample. */
export interface LookedAt {
  /** Null where no hook is installed, or none spoke yet. */
  readonly hook: HookState | null
  readonly pinned: boolean
}

/** Judges one agent from sample to sample; made anew for each agent, dropped when it is gone or was suspended. */
export interface ActivityJudge {
  readonly look: (sample: Sample, known: LookedAt) => Activity
}

/** An agent is left alone while it starts. */
const STARTING_MS = 20_000
/** So long has every kind of evidence to be watched before anything is said. */
const WATCH_MS = 10_000
/** So long without evidence, an agent counts as idle. */
const IDLE_AFTER_MS = 5_000
/** After a longer pause between samples (the machine slept) nothing is known about the time between. */
const LONGEST_GAP_MS = 120_000
/** A turn that its hook began and that has shown nothing else for so long was broken off: no hook tells that. */
const HOOK_TRUSTED_MS = 30 * 60_000

const onePerReason = (findings: readonly Finding[]): Activity['reasons'] => {
  const byReason = new Map<BusyReason, string>()
  for (const { reason, text } of findings) if (!byReason.has(reason)) byReason.set(reason, text)
  return [...byReason].map(([reason, text]) => ({ reason, text }))
}

/**
 * Says from raw samples whether an agent is idle. Any one reason keeps it busy;
 * idle time begins with the last look at which there was work. Suspending an
 * agent at work is the worst mistake, so what cannot be seen counts as work.
 */
export const createActivityJudge = (settings: JudgeSettings = {}): ActivityJudge => {
  const evidence = () => [createTreeEvidence(), createTerminalEvidence(), createNetworkEvidence(), createCpuEvidence(settings.idleCpuPercent ?? QUIET_PERCENT)]
  let kinds = evidence()
  let watchedSinceMs: number | null = null
  let lastMs = 0
  let quietSinceMs = 0

  const hookFindings = (hook: HookState | null, sample: Sample, others: readonly Finding[]): readonly Finding[] => {
    if (hook?.turn !== 'working') return []
    const quietMs = Math.min(sample.monotonicMs - quietSinceMs, sample.atMs - hook.sinceMs)
    return quietMs > HOOK_TRUSTED_MS && others.length === 0 ? [] : [forbids('hook', 'its hook says that it works')]
  }

  return {
    look: (sample, { hook, pinned }) => {
      const nowMs = sample.monotonicMs
      if (watchedSinceMs === null || nowMs - lastMs > LONGEST_GAP_MS || nowMs < lastMs) {
        kinds = evidence()
        watchedSinceMs = nowMs
        quietSinceMs = nowMs
      }
      lastMs = nowMs
      const seen = kinds.flatMap((kind) => kind(sample))
      if (seen.some(({ work }) => work)) quietSinceMs = nowMs
      // The hook's word is newer than what was seen of the turn's end.
      if (hook !== null && hook.turn !== 'working') quietSinceMs = Math.max(quietSinceMs, Math.min(nowMs, nowMs - (sample.atMs - hook.sinceMs)))
      const findings = [
        ...seen,
        ...hookFindings(hook, sample, seen),
        ...(sample.ageMs < STARTING_MS ? [works('starting', 'has just been started')] : []),
        ...(nowMs - watchedSinceMs < WATCH_MS ? [forbids('not-measured', 'not watched for long enough')] : []),
        ...(pinned ? [forbids('pinned', 'pinned by you')] : []),
      ]
      if (sample.ageMs < STARTING_MS) quietSinceMs = nowMs
      const idleMs = nowMs - quietSinceMs
      const reasons = onePerReason(findings)
      const working = findings.some(({ work }) => work)
      return {
        idle: reasons.length === 0 && idleMs >= IDLE_AFTER_MS,
        idleMs: working || watchedSinceMs === nowMs ? missing('not-measured', 'not quiet') : known(Math.round(idleMs)),
        reasons,
        knownBy: hook === null ? 'evidence' : 'hook',
      }
    },
  }
}
