import { setTimeout as sleep } from 'node:timers/promises'
import type { Result } from '../../../helper/contract/errors.ts'
import { ok } from '../../../helper/contract/result.ts'
import type { Evidence, RootEvidence } from '../../../helper/contract/evidence.ts'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import { withRootView } from '../../../helper/observe/evidence/root-view.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { SystemClient } from '../helper-client/system-client.ts'
import type { Sampler } from '../sampling/sampler.ts'

export interface MachineLookDeps {
  readonly root: string
  readonly sampler: Pick<Sampler, 'agents'>
  readonly session: Pick<SessionClient, 'call'>
  readonly system: Pick<SystemClient, 'call' | 'state'>
  readonly uid: number
}

/** Figures of agents this old are good enough to judge by. */
const AGENTS_MS = 30_000
/** Asking wakes a sleeping helper: not at every look. */
const ROOT_VIEW_MS = 60_000
/** A look does not wait longer for what only adds to it. */
const ROOT_WAIT_MS = 2000

/** What root alone can read, where a helper is known to be there; null without one, and where its answer is late. */
const rootViews = (system: MachineLookDeps['system']) => {
  let last: { readonly atMs: number; readonly view: RootEvidence } | null = null
  return async (): Promise<RootEvidence | null> => {
    if (last !== null && performance.now() - last.atMs < ROOT_VIEW_MS) return last.view
    if (system.state().system !== 'ready') return null
    const late = new AbortController()
    const answer = await Promise.race([system.call('EvidenceLook', {}), sleep(ROOT_WAIT_MS, null, { signal: late.signal, ref: false }).catch(() => null)])
    late.abort()
    if (answer === null || !answer.ok) return null
    last = { atMs: performance.now(), view: answer.value }
    return answer.value
  }
}

/**
 * One look for the rules, as this user. Agents and their leftovers come from
 * the session role, what root alone can read from the system role; without
 * them the machine is looked at all the same.
 */
export const machineLook = ({ root, sampler, session, system, uid }: MachineLookDeps): (() => Promise<Result<Evidence>>) => {
  const rootView = rootViews(system)
  return async () => {
    const [agents, leftovers, view] = await Promise.all([sampler.agents(AGENTS_MS), session.call('Leftovers', {}), uid === 0 ? null : rootView()])
    const own = await readEvidence(root, {
      uid: uid === 0 ? null : uid,
      privileged: uid === 0,
      ...(agents.ok ? { agents: agents.value } : {}),
      ...(leftovers.ok ? leftovers.value : {}),
    })
    return ok(view === null ? own : withRootView(own, view))
  }
}
