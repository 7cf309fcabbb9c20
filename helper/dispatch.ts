import type { z } from 'zod'
import type { Authoriser, Caller } from './authorize.ts'
import type { Call } from './bus.ts'
import type { RunManager } from './change/run-manager.ts'
import type { ProcessRef } from './contract/agents.ts'
import { badRequest } from './contract/errors.ts'
import { fail, ok } from './contract/result.ts'
import type { Result } from './contract/errors.ts'
import { systemRequests } from './contract/requests.ts'
import type { AgentTarget, PolkitAction, SystemMethod, SystemRequest, SystemResponse } from './contract/requests.ts'
import type { RunId } from './contract/runs.ts'

type Answer<T> = Promise<Result<T>> | Result<T>

/** What is done to agents, each its caller's own by now. */
export interface AgentServices {
  suspend(caller: Caller, request: SystemRequest<'Suspend'>): Answer<SystemResponse<'Suspend'>>
  resume(uid: number, request: SystemRequest<'Resume'>): Answer<SystemResponse<'Resume'>>
  held(uid: number): Answer<SystemResponse<'Held'>>
  limit(caller: Caller, request: SystemRequest<'Limit'>): Answer<SystemResponse<'Limit'>>
  trim(uid: number, request: SystemRequest<'Trim'>): Answer<SystemResponse<'Trim'>>
}

/** What the system role can do once a caller is allowed to. */
export interface SystemServices {
  runs: Pick<RunManager, 'plan' | 'apply' | 'keep' | 'undo' | 'rollback' | 'cancel' | 'runs' | 'run'>
  status(uid: number): SystemResponse<'Status'>
  probe(): Answer<SystemResponse<'Probe'>>
  snapshot(uid: number, commandLines: boolean): Answer<SystemResponse<'Snapshot'>>
  evidence(): Answer<SystemResponse<'EvidenceLook'>>
  reclaim(uid: number, processes: ProcessRef[], advice: SystemRequest<'Reclaim'>['advice']): Answer<SystemResponse<'Reclaim'>>
  dropCaches(level: SystemRequest<'DropCaches'>['level']): Answer<SystemResponse<'DropCaches'>>
  agents: AgentServices
  trace(caller: Caller, request: SystemRequest<'TraceRun'>): Answer<SystemResponse<'TraceRun'>>
  /** Owner of a live process; null where pid and start time no longer name one. */
  ownerOf(process: ProcessRef): number | null
  /** This caller's Apply began the run. */
  own(runId: RunId, caller: Caller): void
  /** Signals of this run go to this caller too. */
  follow(runId: RunId, caller: Caller): void
  /** Apply is under way: signals of a run not known yet go to this caller, until the function returned is called. */
  expectRun(caller: Caller): () => void
}

/** The actions a request needs, the least one first. */
export const actionsOf = (method: SystemMethod, request: SystemRequest<SystemMethod>): PolkitAction[] => {
  const actions: PolkitAction[] = [systemRequests[method].action]
  if (method === 'Apply' && 'settings' in request) {
    const { settings } = request
    if (settings.reclaim !== undefined) actions.push('org.agentmem.reclaim')
    if (settings.pruneCache !== undefined) actions.push('org.agentmem.drop-caches')
  }
  return actions
}

/** Each is looked up three times, while nobody else is served: a thousand agents with twenty processes each. */
const MOST_PROCESSES = 20_000

/**
 * A process named by the caller must be the caller's own. One that is gone is
 * no offence: agents' children come and go, and pid with start time can never
 * name a later process; whoever uses it reports it as gone.
 */
const foreignProcess = (services: SystemServices, uid: number, processes: readonly ProcessRef[]): Result<null> => {
  if (processes.length > MOST_PROCESSES) return fail('bad-request', 'The request names too many processes.', { expected: `at most ${MOST_PROCESSES}`, got: String(processes.length) })
  for (const process of processes) {
    const owner = services.ownerOf(process)
    if (owner !== null && owner !== uid) {
      return fail('not-yours', `Process ${process.pid} belongs to another user.`, { about: String(process.pid), expected: `a process of user ${uid}` })
    }
  }
  return ok(null)
}

const processesOf = (targets: readonly AgentTarget[]): ProcessRef[] => targets.flatMap((target) => target.processes)

/** An agent to be acted on: it is named by its own top process, and every process is the caller's. */
const ownAgent = (services: SystemServices, uid: number, agent: AgentTarget): Result<null> => {
  const [, pid, ticks] = agent.id.split(':')
  if (!agent.processes.some((process) => String(process.pid) === pid && String(process.startTimeTicks) === ticks)) {
    return fail('bad-request', 'The agent is not among its processes.', { about: agent.id, expected: 'pid and start time of the id in the list of processes' })
  }
  return foreignProcess(services, uid, agent.processes)
}

type Handlers = { [M in SystemMethod]: (request: SystemRequest<M>, caller: Caller) => Answer<SystemResponse<M>> }

/** Undoing and deciding also concern a caller who did not press Apply: it hears of the run as well. */
const createHandlers = (services: SystemServices): Handlers => ({
  Status: (_request, { uid }) => ok(services.status(uid)),
  Probe: () => services.probe(),
  Snapshot: ({ commandLines }, { uid }) => services.snapshot(uid, commandLines),
  EvidenceLook: () => services.evidence(),
  Plan: ({ settings, agents }, { uid }) => {
    const own = foreignProcess(services, uid, processesOf(agents))
    return own.ok ? ok(services.runs.plan({ settings, agents })) : own
  },
  Apply: async (request, caller) => {
    const own = foreignProcess(services, caller.uid, [...processesOf(request.agents), ...processesOf(request.control)])
    if (!own.ok) return own
    const endExpecting = services.expectRun(caller)
    try {
      const applied = await services.runs.apply(caller.uid, request)
      if (applied.ok) services.own(applied.value.runId, caller)
      return applied
    } finally {
      endExpecting()
    }
  },
  Keep: ({ runId }, caller) => {
    services.follow(runId, caller)
    return services.runs.keep(caller.uid, runId)
  },
  Undo: (request, caller) => {
    if (request.runId !== null) services.follow(request.runId, caller)
    return services.runs.undo(caller.uid, request)
  },
  Rollback: (_request, { uid }) => services.runs.rollback(uid),
  Cancel: ({ runId }, caller) => {
    services.follow(runId, caller)
    return services.runs.cancel(caller.uid, runId)
  },
  Runs: (_request, { uid }) => services.runs.runs(uid),
  Run: ({ runId }, { uid }) => services.runs.run(uid, runId),
  Reclaim: ({ processes, advice }, { uid }) => {
    const own = foreignProcess(services, uid, processes)
    return own.ok ? services.reclaim(uid, processes, advice) : own
  },
  DropCaches: ({ level }) => services.dropCaches(level),
  Suspend: (request, caller) => {
    const own = ownAgent(services, caller.uid, request.agent)
    return own.ok ? services.agents.suspend(caller, request) : own
  },
  Resume: (request, { uid }) => services.agents.resume(uid, request),
  Held: (_request, { uid }) => services.agents.held(uid),
  Limit: (request, caller) => {
    const own = request.agent === null ? ok(null) : ownAgent(services, caller.uid, request.agent)
    return own.ok ? services.agents.limit(caller, request) : own
  },
  Trim: (request, { uid }) => {
    const own = ownAgent(services, uid, request.agent)
    return own.ok ? services.agents.trim(uid, request) : own
  },
  TraceRun: (request, caller) => {
    const own = request.process === null ? ok(null) : foreignProcess(services, caller.uid, [request.process])
    return own.ok ? services.trace(caller, request) : own
  },
})

/** JSON text into a request of the schema; unknown fields are refused, because a newer caller may mean something by them. */
export const parseRequest = <S extends z.ZodType>(method: string, text: string, schema: S): Result<z.infer<S>> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return fail('bad-request', `${method}: the request is not JSON`, { about: method, got: error instanceof Error ? error.message : String(error) })
  }
  const parsed = schema.safeParse(json)
  return parsed.success ? ok(parsed.data) : badRequest(method, parsed.error)
}

const isSystemMethod = (name: string): name is SystemMethod => Object.hasOwn(systemRequests, name)

/** What may run in the background of looking must not open a dialog by itself. */
const asksForPassword = (action: PolkitAction): boolean => action !== 'org.agentmem.look'

/**
 * Everything the request needs, or the first refusal. What is denied outright
 * is found first, so that nobody types a password for nothing.
 */
const authorise = async (authoriser: Authoriser, caller: Caller, actions: PolkitAction[], mayAsk: boolean): Promise<Result<null>> => {
  const toAsk: PolkitAction[] = []
  for (const action of actions) {
    const answer = await authoriser.check(caller, action, false)
    if (answer.ok) continue
    if (answer.error.code !== 'authorization-obtainable' || !mayAsk || !asksForPassword(action)) return answer
    toAsk.push(action)
  }
  for (const action of toAsk) {
    const answer = await authoriser.check(caller, action, true)
    if (answer.ok) continue
    // A password would have done a moment ago, so this one was wrong.
    if (answer.error.code === 'authorization-denied') return fail('authorization-denied', 'The password was not accepted. Nothing was changed.', { about: action, advice: 'Try again with the password of an administrator.' })
    return answer
  }
  return ok(null)
}

/** What came of a request that changes something, for the system log. */
export type Audit = (caller: Caller, method: SystemMethod, result: Result<unknown>) => void

/** One call from text to text: parse, identify, authorise, do. */
export const createDispatcher = (services: SystemServices, authoriser: Authoriser, audit: Audit = () => undefined) => {
  const handlers = createHandlers(services)

  const run = async (method: SystemMethod, call: Call): Promise<Result<unknown>> => {
    const parsed = parseRequest(method, call.text, systemRequests[method].request)
    if (!parsed.ok) return parsed
    const request = parsed.value
    const caller = await authoriser.identify(call.sender)
    if (!caller.ok) return caller
    const allowed = await authorise(authoriser, caller.value, actionsOf(method, request), call.mayAsk)
    // The request was parsed by the schema of this very method: the pair belongs together.
    const handler = handlers[method] as (request: unknown, caller: Caller) => Answer<unknown>
    const result = allowed.ok ? await handler(request, caller.value) : allowed
    if (systemRequests[method].action !== 'org.agentmem.look' || method === 'Resume') audit(caller.value, method, result)
    return result
  }

  return async (call: Call): Promise<string> => {
    const result = isSystemMethod(call.method) ? await run(call.method, call) : fail('bad-request', `There is no request ${call.method}.`)
    return JSON.stringify(result)
  }
}
