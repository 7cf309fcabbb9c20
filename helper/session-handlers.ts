import type { Result } from './contract/errors.ts'
import { ok } from './contract/result.ts'
import type { Policy } from './contract/lifecycle.ts'
import type { SessionMethod, SessionRequest, SessionResponse } from './contract/requests.ts'
import type { Keeper } from './agents/policy/keeper.ts'
import { trimAbility } from './agents/policy/machine.ts'
import type { PolicyEngine } from './agents/policy/policy.ts'
import type { Watch } from './agents/policy/watch.ts'
import type { Registry } from './agents/registry/registry.ts'
import type { Spool } from './agents/registry/spool.ts'

export type SessionHandlers = { [M in SessionMethod]: (request: SessionRequest<M>) => Promise<Result<SessionResponse<M>>> | Result<SessionResponse<M>> }

/** Requests that other parts of the session role answer. */
export type ExtraHandlers = Pick<SessionHandlers, 'AskToFree' | 'Leftovers' | 'Reap' | 'Fixes' | 'ApplyFix' | 'UndoFix'>

export interface SessionServices {
  readonly root: string
  readonly status: () => SessionResponse<'Status'>
  readonly reloadSignatures: SessionHandlers['ReloadSignatures']
  readonly watch: Watch
  readonly registry: Registry
  readonly keeper: Keeper
  readonly engine: PolicyEngine
  readonly spool: Spool
  readonly extra: ExtraHandlers
  /** Why policy.json could not be read; null once a policy was saved. */
  readonly policyProblem: () => string | null
  /** Saves and puts in force. */
  readonly setPolicy: (policy: Policy) => Promise<Result<Policy>>
  /** Something was changed by a person: kept on disk soon. */
  readonly changed: () => void
}

/** What is held may have been changed by others; asking wakes the system role, so it is not asked with each look of the window. */
const HELD_FRESH_MS = 30_000
/** While the guard stands for something, what it says is news. */
const HELD_NEWS_MS = 10_000

const NEEDS_PASSWORD = 'A password is needed once: suspend one agent by hand.'

/** The answers of the session role that concern agents over time. */
export const createSessionHandlers = (services: SessionServices): SessionHandlers => {
  const { watch, registry, keeper, engine, spool } = services

  /** The first answer waits for what is held; later ones do not: the next look of the window has it. */
  const freshen = async (): Promise<void> => {
    const atMs = keeper.refreshedAtMs()
    if (atMs === null) await keeper.refresh()
    else if (keeper.check() || Date.now() - atMs > (keeper.facts().guard?.running === true ? HELD_NEWS_MS : HELD_FRESH_MS)) void keeper.refresh()
  }

  const suspendAbility = (): SessionResponse<'Registry'>['suspend'] => {
    const { suspend, permission } = keeper.facts()
    if (suspend.how === null || permission === 'given' || permission === null) return suspend
    return { how: suspend.how, text: permission === 'needed' ? `${suspend.text} ${NEEDS_PASSWORD}` : `${suspend.text} The administrator of this computer does not let you.` }
  }

  return {
    ...services.extra,
    Status: () => ok(services.status()),
    Agents: async () => ok(await watch.look()),
    Snapshot: async ({ commandLines }) => ok(await watch.snapshot(commandLines)),
    ReloadSignatures: services.reloadSignatures,
    Registry: async () => {
      await freshen()
      await watch.recent()
      const { guard, budget, limit } = keeper.facts()
      const suspend = suspendAbility()
      return ok({
        takenAtMs: Date.now(),
        entries: registry.all().map(({ entry }) => entry),
        policy: engine.policy(),
        policyProblem: services.policyProblem(),
        guard,
        budget,
        suspend,
        limit,
        trim: trimAbility(services.root, suspend),
      })
    },
    SetAgent: async (request) => {
      await watch.recent()
      const set = registry.set(request)
      if (set.ok) services.changed()
      return set
    },
    SetPolicy: ({ policy }) => services.setPolicy(policy),
    Suspend: async ({ ids, cause }) => {
      // What runs now decides, not what ran when the list was drawn.
      await watch.look()
      const answer = await keeper.suspend(ids, cause, true)
      services.changed()
      return ok(answer)
    },
    Resume: async ({ ids, cause }) => {
      const answer = await keeper.resume(ids, cause)
      services.changed()
      return ok(answer)
    },
    Limit: async ({ id, limits }) => {
      await watch.recent()
      const answer = await keeper.limit(id, limits, 'user', true)
      if (!answer.ok) return answer
      const record = id === null ? null : registry.get(id)
      const text = Object.values(limits).every((value) => value === null) ? 'limits taken away' : `limits set: ${answer.value.text}`
      spool.add({ agentId: id, title: record?.agent.title ?? 'All agents', name: record?.agent.name ?? '', transition: null, suspension: null, resumed: null, word: null, text, topic: 'limit', atMs: Date.now() })
      return answer
    },
    Events: ({ afterSeq, limit }) => ok(spool.read(afterSeq, limit)),
  }
}
