import type { AgentId } from '../../contract/agents.ts'
import type { Policy } from '../../contract/lifecycle.ts'
import type { AgentTree } from '../discover.ts'
import type { AgentRecord, Registry } from '../registry/registry.ts'
import { chooseToSuspend, suspendsAt, type Conditions } from './choose.ts'
import type { Keeper } from './keeper.ts'
import { compressedSwapProblem, readSigns, residentAnonBytes, type PolicySigns } from './machine.ts'
import { firstTrim, nextTrim, trimmed, type TrimState } from './trim.ts'

/** What is done without a person: at most one suspension and a few small steps of trimming a look. */
export interface PolicyEngine {
  /** After each look. */
  readonly step: () => Promise<void>
  readonly policy: () => Policy
  readonly set: (policy: Policy) => void
  /** Whether it would act on its own as things are. */
  readonly acts: () => boolean
}

export interface PolicyEngineOptions {
  readonly policy: Policy
  readonly registry: Registry
  readonly keeper: Keeper
  readonly trees: () => ReadonlyMap<AgentId, AgentTree>
  /** An agent that can free memory by itself is asked before it is squeezed. */
  readonly ask: (id: AgentId) => Promise<unknown>
  /** What each step of trimming won; less than nothing where more came back than went. */
  readonly onTrimmed: (id: AgentId, wonBytes: number) => void
  readonly root: string
  readonly nowMs: () => number
}

/** With this much memory pressure, paging out one more agent makes it worse for those at work. */
const PRESSED_PERCENT = 10
const FIRST_PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 120_000
/** Small ones, one after the other: looking goes on in between. */
const STEPS_A_LOOK = 6
/** A permission that was refused may be given by a rule meanwhile, or with the next press of a button. */
const PERMISSION_AGAIN_MS = 10 * 60_000

export const createPolicyEngine = (options: PolicyEngineOptions): PolicyEngine => {
  const { registry, keeper, root, nowMs } = options
  let { policy } = options
  const failedAtMs = new Map<AgentId, number>()
  const trims = new Map<AgentId, TrimState>()
  let pauseMs = FIRST_PAUSE_MS
  let pausedUntilMs = 0
  let refusedAtMs = Number.NEGATIVE_INFINITY

  const mayAct = (): boolean => {
    const { permission, suspend } = keeper.facts()
    if (suspend.how === null && keeper.refreshedAtMs() !== null && nowMs() - (keeper.refreshedAtMs() ?? 0) < PERMISSION_AGAIN_MS) return false
    if (permission !== 'needed' && permission !== 'denied') return true
    return nowMs() - refusedAtMs >= PERMISSION_AGAIN_MS
  }

  const forgetGone = (): void => {
    for (const ids of [failedAtMs, trims]) for (const id of ids.keys()) if ((registry.get(id)?.entry.state ?? 'gone') === 'gone') ids.delete(id)
  }

  const announce = (conditions: Conditions): void => {
    for (const record of registry.all()) record.entry.suspendsAtMs = mayAct() ? suspendsAt(record, policy, conditions) : null
  }

  /** True when the machine has no time for it now; waits twice as long each time. */
  const pressed = (signs: PolicySigns): boolean => {
    if (signs.psiPercent === null || signs.psiPercent < PRESSED_PERCENT) {
      pauseMs = FIRST_PAUSE_MS
      return false
    }
    pausedUntilMs = nowMs() + pauseMs
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    return true
  }

  const suspendOne = async (conditions: Conditions, signs: PolicySigns): Promise<void> => {
    const chosen = chooseToSuspend(registry.all(), policy, conditions)
    if (chosen === null || nowMs() < pausedUntilMs || pressed(signs)) return
    const { id } = chosen.entry
    const answer = await keeper.suspend([id], 'policy', false)
    const error = answer.left[0]?.error
    if (error === undefined) return
    failedAtMs.set(id, nowMs())
    if (error.code === 'authorization-obtainable' || error.code === 'authorization-denied') refusedAtMs = nowMs()
  }

  const due = ({ entry }: AgentRecord): boolean =>
    entry.state === 'idle' && entry.suspension === null && entry.activity.idle && entry.doing === null && (entry.activity.idleMs.value ?? 0) >= policy.trim.afterIdleMs

  const trimOne = async (signs: PolicySigns): Promise<void> => {
    for (const id of trims.keys()) {
      const record = registry.get(id)
      if (record === null || !due(record)) trims.delete(id)
    }
    if (!registry.all().some(due) || compressedSwapProblem(root) !== null) return
    let steps = 0
    for (const record of registry.all().filter(due)) {
      if (steps >= STEPS_A_LOOK) return
      const { id } = record.entry
      const state = trims.get(id)
      if (state !== undefined && nowMs() < state.nextAtMs) continue
      const members = options.trees().get(id)?.members ?? []
      const seen = {
        nowMs: nowMs(),
        residentAnonBytes: residentAnonBytes(root, members.map(({ stat }) => stat.pid)),
        faults: members.reduce((sum, { stat }) => sum + stat.majorFaults, 0),
        refaults: signs.refaults,
        psiPercent: signs.psiPercent,
      }
      if (state === undefined) await options.ask(id)
      const next = nextTrim(state ?? firstTrim(seen), seen)
      trims.set(id, next.state)
      if (next.askBytes === null) continue
      steps += 1
      const answer = await keeper.trim(id, next.askBytes)
      if (answer.ok) {
        trims.set(id, trimmed(next.state, answer.value.wonBytes, seen))
        options.onTrimmed(id, answer.value.wonBytes)
      } else {
        trims.set(id, { ...next.state, nextAtMs: nowMs() + PERMISSION_AGAIN_MS, lastWonBytes: 0 })
        if (!answer.error.code.startsWith('authorization')) continue
        refusedAtMs = nowMs()
        return
      }
    }
  }

  return {
    step: async () => {
      forgetGone()
      if (!policy.suspend.auto && !policy.trim.auto) {
        for (const record of registry.all()) record.entry.suspendsAtMs = null
        return
      }
      const signs = readSigns(root)
      const conditions: Conditions = { nowMs: nowMs(), availableBytes: signs.availableBytes, totalBytes: signs.totalBytes, failedAtMs }
      announce(conditions)
      if (!mayAct()) return
      if (policy.suspend.auto) await suspendOne(conditions, signs)
      if (policy.trim.auto) await trimOne(signs)
    },
    policy: () => policy,
    set: (next) => {
      policy = next
      failedAtMs.clear()
      refusedAtMs = Number.NEGATIVE_INFINITY
    },
    acts: () => policy.suspend.auto || policy.trim.auto,
  }
}
