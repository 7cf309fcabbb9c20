import { ok, type Result } from '../../../helper/contract/errors.ts'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { Sampler } from '../sampling/sampler.ts'

export interface MachineLookDeps {
  readonly root: string
  readonly sampler: Pick<Sampler, 'agents'>
  readonly session: Pick<SessionClient, 'call'>
  readonly uid: number
}

/** Figures of agents this old are good enough to judge by. */
const AGENTS_MS = 30_000

/**
 * One look for the rules, as this user. Agents and their leftovers come from
 * the session role; without it the machine is looked at all the same.
 */
export const machineLook = ({ root, sampler, session, uid }: MachineLookDeps) => async (): Promise<Result<Evidence>> => {
  const [agents, leftovers] = await Promise.all([sampler.agents(AGENTS_MS), session.call('Leftovers', {})])
  return ok(
    await readEvidence(root, {
      uid: uid === 0 ? null : uid,
      privileged: uid === 0,
      ...(agents.ok ? { agents: agents.value } : {}),
      ...(leftovers.ok ? leftovers.value : {}),
    }),
  )
}
