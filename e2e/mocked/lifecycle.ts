import type { Answer, CallName } from '../../electron/contract/channels.ts'
import type { HistoryEvent } from '../../electron/contract/views.ts'
import type { Agent } from '../../helper/contract/agents.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { defaultPolicy, type Ability, type Fix, type Orphan, type Policy, type RegistryEntry, type Resumed, type Suspension } from '../../helper/contract/lifecycle.ts'
import type { LimitView } from '../../helper/contract/limits.ts'
import { known, missing } from '../../helper/contract/known.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import { MB } from './fleet.ts'
import type { Emit, HandlersOf } from './handlers.ts'
import { duplicatesOf, fixesAtStart, orphansAtStart } from './leftovers-data.ts'
import { entryOf, guardOf, limitOf, pastEvents, refusalOf, suspensionOf, transitionsOf, wordsAt } from './lifecycle-data.ts'
import type { Scenario } from './scenarios.ts'

type LifecycleCall = Extract<CallName, 'lifecycle.get' | `agents.${string}` | 'policy.set' | `leftovers.${string}` | `fixes.${string}`>

interface Deps {
  scenario: Scenario
  /** The fleet with these indexes suspended. */
  fleet: (isSuspended: (index: number) => boolean) => Agent[]
  emit: Emit
  sleep: (ms: number) => Promise<void>
  startMs: number
}

const ability = (how: Ability['how'], text: string): Ability => ({ how, text })
const NO_SWAP = ability(null, 'There is no compressed swap to move memory into. Turn it on in Layers, or run: agentmemctl apply layer-compressed-swap-on')

/** Suspending, limits, leftovers and fixes of the mocked app: state and handlers. */
export const createLifecycle = ({ scenario, fleet, emit, sleep, startMs }: Deps) => {
  const suspended = new Map<number, Suspension>()
  const ended: { suspension: Suspension; resumed: Resumed }[] = []
  const pinned = new Set<number>(scenario.pinned)
  const importance = new Map<number, number>()
  const domains = new Map<number, string>()
  const limits = new Map<number, LimitView>()
  const problems = new Map<number, Failure>()
  const doing = new Map<number, RegistryEntry['doing']>()
  const happened: Omit<HistoryEvent, 'id'>[] = []
  let budget: LimitView | null = null
  let policy: Policy = { ...defaultPolicy, ...scenario.policy }
  let orphans: Orphan[] = scenario.leftovers ? orphansAtStart() : []
  let fixes: Fix[] | null = null
  let asks = 0

  const running = (): Agent[] => fleet(() => false)
  const agents = (): Agent[] => fleet((index) => suspended.has(index))
  const indexOf = (id: string): number => running().findIndex((agent) => agent.id === id)
  const label = (agent: Agent): string => (agent.name === agent.title ? agent.title : `${agent.title} ${agent.name}`)

  const freeze = (index: number, sinceMs: number, cause: Suspension['cause']): Suspension | null => {
    const before = running()[index]
    const after = fleet((i) => i === index || suspended.has(i))[index]
    if (before === undefined || after === undefined) return null
    const suspension = suspensionOf(before, after, sinceMs, cause, scenario.stoppedBy)
    suspended.set(index, suspension)
    return suspension
  }

  const seed = (): void => {
    const idle = running().flatMap((agent, i) => (agent.state === 'idle' ? [i] : []))
    for (const [n, index] of idle.slice(0, scenario.suspended).entries()) freeze(index, startMs - (4 + n * 3) * 60_000, n % 3 === 0 ? 'user' : 'policy')
    if (scenario.limits) {
      const at = (index: number, state: LimitView['state'], minutesAgo: number): void => {
        const agent = running()[index]
        if (agent !== undefined) limits.set(index, limitOf(agent.id, { highBytes: 320 * MB, lowBytes: 96 * MB }, state, startMs - minutesAgo * 60_000, `agent-${agent.pid}.scope`))
      }
      at(0, 'watching', 1)
      at(2, 'holds', 42)
      at(4, 'undone', 12)
    }
    if (scenario.failedBefore) problems.set(8, fail('read-back-differs', 'It did not freeze within 2 s.', { advice: 'One of its processes hangs in the kernel (D state); it was let go again.' }).error)
    for (const index of scenario.doing) doing.set(index, 'suspending')
    if (policy.budgetBytes !== null) budget = limitOf(null, { highBytes: policy.budgetBytes }, 'holds', startMs - 3_600_000, 'app-agents.slice')
  }
  seed()

  const suspendAbility = (): Ability =>
    scenario.suspendAbility === 'no-swap'
      ? NO_SWAP
      : scenario.suspendAbility === 'none'
        ? ability(null, 'This machine cannot freeze agents for you: there is no user systemd with delegated cgroups, and the helper is not installed. Install it in Settings, or run: agentmemctl install')
        : ability(scenario.suspendAbility, scenario.suspendAbility === 'helper' ? 'Through the helper; your password is asked for once.' : 'By yourself, in scopes of your own systemd; no password.')

  const registry = (): Registry => {
    const now = Date.now()
    return {
      takenAtMs: now,
      entries: agents().map((agent, index) => {
        const suspension = suspended.get(index) ?? null
        const idleMs = agent.idleMs.value ?? 0
        const suspendsAtMs = policy.suspend.auto && agent.state === 'idle' && !pinned.has(index) ? Math.max(now + 20_000, startMs + ((index * 41) % 9) * 60_000 + Math.max(0, policy.suspend.afterIdleMs - idleMs)) : null
        return entryOf(agent, index, now, {
          suspension,
          pinned: pinned.has(index),
          importance: importance.get(index) ?? 50,
          trustDomain: domains.get(index) ?? 'default',
          limit: limits.get(index) ?? null,
          doing: doing.get(index) ?? null,
          suspendsAtMs,
          problem: problems.get(index) ?? null,
          trimmedBytes: agent.state === 'idle' && policy.trim.auto && index % 5 === 0 ? 61 * MB : 0,
        })
      }),
      policy,
      policyProblem: scenario.policyProblem,
      guard: scenario.guardUnknown ? null : guardOf(suspended.size > 0, suspended.size, scenario.words ? wordsAt(startMs) : []),
      budget,
      suspend: suspendAbility(),
      limit: scenario.suspendAbility === 'none' ? ability(null, 'Limits need a cgroup with the memory controller: log in through systemd, or install the helper.') : ability('own-scope', 'In scopes of your own systemd; no password.'),
      trim: scenario.suspendAbility === 'own-scope' || scenario.suspendAbility === 'helper' ? ability('helper', 'Through the helper.') : NO_SWAP,
    }
  }

  const tell = (): void => emit('lifecycle', registry())
  const note = (kind: HistoryEvent['kind'], text: string, agentId: string | null): void => {
    happened.push({ atMs: Date.now(), kind, text, runId: null, agentId })
  }

  const suspendOne = async (id: string): Promise<Suspension | Failure> => {
    const index = indexOf(id)
    const agent = running()[index]
    if (agent === undefined) return fail('process-gone', 'It ended meanwhile.').error
    const refused = scenario.suspendFails(agent) ?? refusalOf(agent, index, pinned.has(index))
    if (refused !== null) {
      problems.set(index, refused)
      return refused
    }
    doing.set(index, 'suspending')
    tell()
    await sleep(scenario.suspendMs)
    doing.delete(index)
    problems.delete(index)
    const made = freeze(index, Date.now(), 'user')
    tell()
    note('agent-suspended', `${label(agent)} suspended by you, ${Math.round((made?.wonBytes ?? 0) / MB)} MB won`, id)
    return made ?? fail('process-gone', 'It ended meanwhile.').error
  }

  const fixList = (): Fix[] => (fixes ??= scenario.fixes ? fixesAtStart(running()) : [])
  const putFix = (fix: Fix): Answer<'fixes.apply'> => {
    fixes = fixList().map((entry) => (entry.id === fix.id ? fix : entry))
    return ok(fix)
  }
  const unknownFix = () => fail('bad-request', 'There is no such fix any more.')

  const handlers: HandlersOf<LifecycleCall> = {
    'lifecycle.get': () => (scenario.lifecycleFails === null ? ok(registry()) : { ok: false, error: scenario.lifecycleFails }),
    'agents.suspend': async ({ ids }) => {
      asks += 1
      const denied = scenario.suspendDenied(asks)
      if (denied !== null) return { ok: false, error: denied }
      const made: Suspension[] = []
      const left: { agentId: string; error: Failure }[] = []
      for (const id of ids) {
        const outcome = await suspendOne(id)
        if ('code' in outcome) left.push({ agentId: id, error: outcome })
        else made.push(outcome)
      }
      return ok({ suspended: made, left })
    },
    'agents.resume': async ({ ids, cause }) => {
      const resumed: Resumed[] = []
      const left: { agentId: string; error: Failure }[] = []
      for (const id of ids) {
        const index = indexOf(id)
        const suspension = suspended.get(index)
        if (scenario.resumeFails !== null) left.push({ agentId: id, error: scenario.resumeFails })
        else if (suspension !== undefined) {
          doing.set(index, 'resuming')
          tell()
          await sleep(Math.min(40, scenario.suspendMs))
          doing.delete(index)
          suspended.delete(index)
          const word: Resumed = { agentId: id, cause, suspendedForMs: Date.now() - suspension.sinceMs, prefaultedBytes: suspension.workingSetBytes, tookMs: 61 }
          ended.push({ suspension, resumed: word })
          resumed.push(word)
          note('agent-resumed', `${suspension.title} resumed by you`, id)
        }
      }
      tell()
      return ok({ resumed, left })
    },
    'agents.set': ({ id, ...change }) => {
      const index = indexOf(id)
      if (index < 0) return fail('process-gone', 'This agent has ended.')
      if (change.pinned === true) pinned.add(index)
      if (change.pinned === false) pinned.delete(index)
      if (change.importance !== undefined) importance.set(index, change.importance)
      if (change.trustDomain !== undefined) domains.set(index, change.trustDomain)
      tell()
      const entry = registry().entries[index]
      return entry === undefined ? fail('process-gone', 'This agent has ended.') : ok(entry)
    },
    'agents.limit': async ({ id, limits: asked }) => {
      await sleep(40)
      if (scenario.limitFails !== null) return { ok: false, error: scenario.limitFails }
      const gone = Object.values(asked).every((value) => value === null || value === 0)
      const view = limitOf(id, asked, gone ? 'holds' : 'watching', Date.now(), id === null ? 'app-agents.slice' : 'agent.scope')
      if (id === null) budget = gone ? null : view
      else if (gone) limits.delete(indexOf(id))
      else limits.set(indexOf(id), view)
      tell()
      return ok(gone ? { ...view, text: 'Taken away.' } : view)
    },
    'agents.ask-to-free': async ({ id }) => {
      await sleep(60)
      const agent = running()[indexOf(id)]
      if (agent === undefined) return fail('process-gone', 'This agent has ended.')
      return ok({
        asked: agent.processes.map((process, i) => ({
          pid: process.pid,
          startTimeTicks: process.startTimeTicks,
          how: i === 0 ? ('v8-inspector' as const) : ('none' as const),
          beforeBytes: process.memory.value === null ? process.memory : known(process.memory.value.pssBytes),
          afterBytes: i > 0 || process.memory.value === null ? missing('not-measured') : known(Math.round(process.memory.value.pssBytes * 0.82)),
          text: i === 0 ? 'Collected its garbage through the inspector.' : 'It offers no way to be asked.',
        })),
      })
    },
    'agents.timeline': ({ id, fromMs, toMs }) => {
      const index = indexOf(id)
      const agent = agents()[index]
      if (agent === undefined) return fail('process-gone', 'The history has no such agent.')
      const now = suspended.get(index) ?? null
      const transitions = transitionsOf(agent, Date.now(), now)
      const past = transitions.flatMap((entry, i) => {
        const next = transitions[i + 1]
        const before = running()[index]
        const after = fleet((other) => other === index)[index]
        if (entry.to !== 'suspended' || next === undefined || before === undefined || after === undefined) return []
        return [{ suspension: suspensionOf(before, after, entry.atMs, entry.cause), resumed: { agentId: id, cause: next.cause, suspendedForMs: next.atMs - entry.atMs, prefaultedBytes: 34 * MB, tookMs: 58 } }]
      })
      const mine = ended.filter(({ suspension }) => suspension.agentId === id)
      return ok({ transitions: transitions.filter((entry) => entry.atMs >= fromMs && entry.atMs <= toMs), suspensions: [...past, ...mine, ...(now === null ? [] : [{ suspension: now, resumed: null }])] })
    },
    'policy.set': ({ policy: next }) => {
      if (scenario.policyFails !== null) return { ok: false, error: scenario.policyFails }
      policy = next
      budget = next.budgetBytes === null ? null : limitOf(null, { highBytes: next.budgetBytes }, 'watching', Date.now(), 'app-agents.slice')
      tell()
      return ok(policy)
    },
    'leftovers.get': () => (scenario.lifecycleFails === null ? ok({ orphans, duplicates: scenario.leftovers ? duplicatesOf(agents()) : [] }) : { ok: false, error: scenario.lifecycleFails }),
    'leftovers.reap': async ({ processes }) => {
      await sleep(60)
      const held = (pid: number): boolean => scenario.reapLeaves && pid === processes[0]?.pid
      const endedNow = processes.filter(({ pid }) => !held(pid))
      orphans = orphans.filter((orphan) => !endedNow.some(({ pid }) => pid === orphan.pid))
      note('reaped', `Ended ${endedNow.length} orphans`, null)
      return ok({ ended: endedNow, left: processes.filter(({ pid }) => held(pid)).map((process) => ({ ...process, reason: 'It is no orphan any more: a session connected to it.' })) })
    },
    'fixes.get': () => (scenario.lifecycleFails === null ? ok({ fixes: fixList() }) : { ok: false, error: scenario.lifecycleFails }),
    'fixes.apply': async ({ id, digest }) => {
      await sleep(40)
      const fix = fixList().find((entry) => entry.id === id)
      if (fix === undefined) return unknownFix()
      if (scenario.fixChanged) {
        if (fix.digest === digest) putFix({ ...fix, digest: digest.replaceAll('a', 'b'), changes: fix.changes.map((change) => ({ ...change, before: `${change.before ?? ''}# edited meanwhile\n`, after: `${change.before ?? ''}# edited meanwhile\n${change.after ?? ''}` })) })
        if (fix.digest === digest) return fail('plan-changed', 'The file was edited since it was shown.')
      }
      if (fix.digest !== digest) return fail('plan-changed', 'The file was edited since it was shown.')
      note('fix', `${fix.title}: applied`, null)
      return putFix({ ...fix, state: 'applied', changes: [], undo: fix.changes.map(({ path, before, after }) => ({ path, before: after, after: before })) })
    },
    'fixes.undo': async ({ id }) => {
      await sleep(40)
      const fix = fixList().find((entry) => entry.id === id)
      if (fix === undefined) return unknownFix()
      note('fix', `${fix.title}: taken back`, null)
      return putFix({ ...fix, state: 'offered', problem: null, undo: [], changes: fix.undo.map(({ path, before, after }) => ({ path, before: after, after: before })) })
    },
  }

  return {
    handlers,
    registry,
    agents,
    won: (): number => [...suspended.values()].reduce((sum, entry) => sum + entry.wonBytes, 0),
    events: (): Omit<HistoryEvent, 'id'>[] => [...happened, ...(scenario.emptyHistory ? [] : pastEvents(running(), startMs))],
  }
}
