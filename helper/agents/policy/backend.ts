import type { AgentId } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import type { LifecycleCause, Suspension } from '../../contract/lifecycle.ts'
import type { Limits, LimitView } from '../../contract/limits.ts'
import type { AgentTarget, SystemResponse } from '../../contract/requests.ts'
import type { SystemClient } from '../../system-client.ts'

/** Whoever freezes, pages out and limits for the session role: the system role, or itself in scopes of the user's systemd. */
export interface Backend {
  /** `mayAsk`: a person pressed a button and may be asked for a password. */
  readonly suspend: (agent: AgentTarget, cause: LifecycleCause, mayAsk: boolean) => Promise<Result<Suspension>>
  readonly resume: (ids: AgentId[] | null, cause: LifecycleCause) => Promise<Result<SystemResponse<'Resume'>>>
  readonly held: () => Promise<Result<SystemResponse<'Held'>>>
  /** `agent` null: all of the user's agents together. */
  readonly limit: (agent: AgentTarget | null, limits: Limits, cause: LifecycleCause, mayAsk: boolean) => Promise<Result<LimitView>>
  readonly trim: (agent: AgentTarget, mostBytes: number) => Promise<Result<SystemResponse<'Trim'>>>
}

/** Everything through the system role. */
export const systemBackend = (client: Pick<SystemClient, 'call'>): Backend => ({
  suspend: (agent, cause, mayAsk) => client.call('Suspend', { agent, cause }, mayAsk),
  resume: (agentIds, cause) => client.call('Resume', { agentIds, cause }, false),
  held: () => client.call('Held', {}, false),
  limit: (agent, limits, cause, mayAsk) => client.call('Limit', { agent, limits, cause }, mayAsk),
  trim: (agent, mostBytes) => client.call('Trim', { agent, mostBytes }, false),
})
