import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Result } from '../../../helper/contract/errors.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { Fix, RegistryEntry, Suspension } from '../../../helper/contract/lifecycle.ts'
import type { LimitView } from '../../../helper/contract/limits.ts'
import type { Registry, SessionMethod } from '../../../helper/contract/requests.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { Finding, JournalEntry, Solution } from '../../contract/diagnosis.ts'
import { journalFileSchema } from '../../contract/journal-file.ts'
import { withJournal } from '../diagnose/advice.ts'
import { advice, command, endLeftovers, endUnneeded, limitAgents, suspendIdle } from '../diagnose/rules/offers.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import { openHistoryInMemory } from '../history/open.ts'
import type { History } from '../history/types.ts'
import { createLifecycle } from '../lifecycle/lifecycle.ts'
import { sampleEntry, sampleEvent, sampleRegistry, sampleSuspension } from '../lifecycle/sample.ts'
import { sampleAgent } from '../report/sample.ts'
import { createDeeds } from './deeds.ts'

const MIB = 1024 * 1024
const agents = [100, 200, 300].map((pid) => sampleAgent({ kind: 'claude-code', title: 'Claude Code', name: `web-${pid}`, pid, folder: '/p', anonMib: 300, fileMib: 0 }))
const [one, two, three] = agents
if (one === undefined || two === undefined || three === undefined) throw new Error('three agents')

const START = 10_000_000
let nowMs: number
let history: History
let entries: RegistryEntry[]
let more: Partial<Registry>
let answers: Partial<Record<SessionMethod, Result<unknown>>>
let asked: SessionMethod[]
let changes: number
/** A session role that answers as it was told to, with the registry as it stands. */
const session = {
  call: (async (method: SessionMethod) => {
    asked.push(method)
    if (method === 'Registry') return ok(sampleRegistry(entries, more))
    if (method === 'Events') return answers.Events ?? ok({ spool: 'one', events: [] })
    return answers[method] ?? fail('helper-gone', `${method} is not there.`)
  }) as unknown as SessionClient['call'],
}
const make = () => createLifecycle({ session, history, onRegistry: () => {}, deeds: createDeeds({ history, kernelRelease: () => '6.12.9', onChanged: () => { changes += 1 }, now: () => nowMs }), now: () => nowMs })

beforeEach(() => {
  nowMs = START
  history = openHistoryInMemory({ code: 'internal', message: 'test' })
  entries = agents.map((agent) => sampleEntry(agent))
  more = {}
  answers = {}
  asked = []
  changes = 0
})
afterEach(() => { history.close() })

const journal = (): JournalEntry[] => history.reader.journal({ text: '', limit: 100, beforeId: null }).entries
const asleep = (agent: typeof one, changed: Partial<Suspension> = {}): Suspension => sampleSuspension(agent, { cause: 'user', sinceMs: nowMs, wonBytes: 200 * MIB, ...changed })
const sleeping = (suspensions: readonly Suspension[]): void => {
  entries = agents.map((agent) => {
    const suspension = suspensions.find(({ agentId }) => agentId === agent.id)
    return suspension === undefined ? sampleEntry(agent) : sampleEntry(agent, { state: 'suspended', suspension })
  })
}
const finding = (...solutions: readonly (Omit<Solution, 'before'>)[]): Finding => ({
  rule: 'agents.idle', subject: '', severity: 'advice', topic: 'agents', title: 'Agents are idle', explanation: 'They hold memory.', figures: [{ what: 'x', value: 1, unit: 'count', source: 'y', threshold: null, history: null }],
  solutions: solutions.map((solution) => ({ ...solution, before: [] })), lookDeeper: [],
})
const shown = (...offers: readonly (Omit<Solution, 'before'>)[]): Solution[] => withJournal([finding(...offers)], history.reader)[0]?.solutions ?? []
const words = { id: 'by-hand', title: 'Do it', what: 'w', tradeOff: 't', sideEffects: 's', scope: 'x' }

const suspendTwo = async (lifecycle = make()): Promise<ReturnType<typeof make>> => {
  const suspensions = [asleep(one), asleep(two, { sinceMs: nowMs + 1_500.4, wonBytes: 100 * MIB })]
  answers.Suspend = ok({ suspended: suspensions, left: [{ agentId: three.id, error: { code: 'busy', message: 'It works.' } }] })
  sleeping(suspensions)
  await lifecycle.change('Suspend', { ids: agents.map(({ id }) => id), cause: 'user' })
  return lifecycle
}

describe('suspending', () => {
  test('is one entry with what it won, and every finding whose solution leads there tells it', async () => {
    await suspendTwo()
    expect(journal()).toMatchObject([{ kind: 'outcome', title: '2 agents suspended', outcome: 'kept', gainBytes: known(300 * MIB), rule: null, solution: 'suspend-idle', kernelRelease: '6.12.9' }])
    expect(journal()[0]?.text).toContain('1 left alone: It works.')
    expect(changes).toBe(1)
    const [first, second] = shown(endUnneeded(), suspendIdle())
    // What helped here comes first.
    expect(first).toMatchObject({ id: 'suspend-idle', before: [{ outcome: 'kept', gainBytes: known(300 * MIB) }] })
    expect(second).toMatchObject({ id: 'end-unneeded', before: [] })
    expect(shown(limitAgents())[0]?.before).toEqual([])
  })

  test('is taken back when the last one of it runs again, and still counts for the advice by what it won', async () => {
    const lifecycle = await suspendTwo()
    const [first, last] = entries
    if (first === undefined || last === undefined) throw new Error('entries')
    const resumed = (agent: typeof one) => ({ agentId: agent.id, cause: 'user' as const, suspendedForMs: 120_000, prefaultedBytes: 0, tookMs: 3 })
    nowMs += 120_000
    answers.Resume = ok({ resumed: [resumed(one)], left: [] })
    entries = entries.map((entry) => (entry.id === one.id ? sampleEntry(one) : entry))
    await lifecycle.change('Resume', { ids: [one.id], cause: 'user' })
    expect(journal()[0]).toMatchObject({ kind: 'action', title: '1 agent resumed', outcome: null })
    expect(shown(suspendIdle())[0]?.before).toMatchObject([{ outcome: 'kept' }])
    answers.Resume = ok({ resumed: [resumed(two)], left: [] })
    entries = agents.map((agent) => sampleEntry(agent))
    nowMs += 1_000
    await lifecycle.change('Resume', { ids: null, cause: 'command-line' })
    expect(journal()[0]).toMatchObject({ kind: 'outcome', title: '1 agent resumed', outcome: 'undone', gainBytes: known(300 * MIB) })
    expect(shown(endUnneeded(), suspendIdle())).toMatchObject([{ id: 'suspend-idle', before: [{ outcome: 'undone', gainBytes: known(300 * MIB) }] }, { before: [] }])
    // One sweep, one try.
    expect(history.reader.journalTotals()).toMatchObject({ tried: 1, helped: 0 })
  })

  test('that won nothing, or that this machine cannot do, is told as such; a busy agent is not worth a line', async () => {
    const lifecycle = make()
    answers.Suspend = ok({ suspended: [asleep(one, { wonBytes: -3 })], left: [] })
    await lifecycle.change('Suspend', { ids: [one.id], cause: 'user' })
    expect(journal()[0]).toMatchObject({ outcome: 'no-gain', gainBytes: known(-3) })
    answers.Suspend = ok({ suspended: [], left: [{ agentId: one.id, error: { code: 'busy', message: 'It works.' } }] })
    await lifecycle.change('Suspend', { ids: [one.id], cause: 'user' })
    expect(journal()).toHaveLength(1)
    answers.Suspend = ok({ suspended: [], left: [{ agentId: one.id, error: { code: 'not-supported', message: 'There is no swap.' } }] })
    nowMs += 1
    await lifecycle.change('Suspend', { ids: [one.id], cause: 'user' })
    expect(journal()[0]).toMatchObject({ outcome: 'failed', text: 'There is no swap.' })
  })
})

describe('what the policy does', () => {
  const events = (count: number, cause: Suspension['cause'] = 'policy') =>
    Array.from({ length: count }, (_, i) => sampleEvent(i + 1, agents[i % 3] ?? one, { atMs: START + i * 60_000, suspension: asleep(agents[i % 3] ?? one, { cause, sinceMs: START + i * 60_000, wonBytes: 10 * MIB }) }))

  test('is one entry a sweep, once nobody followed for a while, by whichever program looks', async () => {
    answers.Events = ok({ spool: 'one', events: events(5) })
    nowMs = START + 5 * 60_000
    await make().look()
    expect(journal()).toEqual([])
    nowMs = START + 4 * 60_000 + 10 * 60_000
    await make().look()
    await make().look()
    expect(journal()).toMatchObject([{ kind: 'outcome', title: '5 agents suspended by the policy', gainBytes: known(50 * MIB), outcome: 'kept' }])
    expect(shown(suspendIdle())[0]?.before).toHaveLength(1)
    answers.Events = ok({ spool: 'one', events: events(6) })
    nowMs += 60 * 60_000
    await make().look()
    expect(journal()).toHaveLength(2)
    expect(journal()[0]).toMatchObject({ title: '1 agent suspended by the policy', gainBytes: known(10 * MIB) })
  })

  test('is told every hour where it never pauses; what the user did is no part of it', async () => {
    answers.Events = ok({ spool: 'one', events: events(70) })
    nowMs = START + 70 * 60_000
    await make().look()
    expect(journal()).toHaveLength(1)
    history.close()
    history = openHistoryInMemory({ code: 'internal', message: 'test' })
    answers.Events = ok({ spool: 'one', events: events(5, 'user') })
    await make().look()
    expect(journal()).toEqual([])
  })
})

describe('what the policy trims', () => {
  const trimmed = (wonBytes: number, fromMs = START) => ({ fromMs, toMs: fromMs + 45 * 60_000, agents: [one, two].map(({ id, title, name }) => ({ agentId: id, title, name, wonBytes })) })

  test('is one entry a sweep with all its agents, at its own time, written once by whichever program takes it in', async () => {
    const atMs = START + 60 * 60_000
    answers.Events = ok({ spool: 'one', events: [sampleEvent(1, null, { atMs, text: '2 idle agents were paged out', trimmed: trimmed(30 * MIB) })] })
    nowMs = START + 9 * 3600_000
    await make().look()
    // A spool that another program reads anew, and one that counts anew.
    answers.Events = ok({ spool: 'two', events: [sampleEvent(1, null, { atMs, trimmed: trimmed(30 * MIB) })] })
    await make().look()
    expect(journal()).toMatchObject([{ kind: 'outcome', atMs, title: '2 idle agents paged out by the policy', outcome: 'kept', gainBytes: known(60 * MIB), rule: null, solution: null }])
    expect(journal()[0]?.text).toBe('web-100 (Claude Code) and web-200 (Claude Code): 60 MB in small steps over 45 min, measured at each. What an agent touches comes back.')
    expect(changes).toBe(1)
    expect(history.reader.events({ fromMs: 0, toMs: nowMs, limit: 9 }).map(({ text }) => text)).toEqual(['2 idle agents were paged out'])
    // Suspending is another thing to do.
    expect(shown(suspendIdle())[0]?.before).toEqual([])
  })

  test('that came to nothing is told as such', async () => {
    answers.Events = ok({ spool: 'one', events: [sampleEvent(1, null, { trimmed: trimmed(-4 * MIB) })] })
    await make().look()
    expect(journal()).toMatchObject([{ outcome: 'no-gain', gainBytes: known(-8 * MIB) }])
    const all = history.reader.journalAll()
    expect(journalFileSchema.parse({ version: 1, what: 'agentmem-journal', exportedAtMs: 0, entries: all }).entries).toHaveLength(1)
  })
})

describe('limits', () => {
  const view = (state: LimitView['state'], changed: Partial<LimitView> = {}): LimitView => ({ agentId: one.id, cgroup: '/x', limits: { highBytes: 2048 * MIB }, files: [], setAtMs: 77.25, state, watchUntilMs: 0, text: `It ${state}.`, ...changed })
  const limited = (limit: LimitView): void => { entries = [sampleEntry(one, { limit })] }

  test('are an action when set, and an outcome once it is known how they work out', async () => {
    const lifecycle = make()
    limited(view('watching'))
    answers.Limit = ok(view('watching'))
    await lifecycle.change('Limit', { id: one.id, limits: { highBytes: 2048 * MIB } })
    expect(journal()).toMatchObject([{ kind: 'action', solution: 'limit-agents', outcome: null, text: 'slowed down and paged out above (memory.high): 2.0 GB' }])
    limited(view('holds'))
    await lifecycle.look()
    await make().look()
    nowMs += 5
    limited(view('undone'))
    answers.Limit = ok(view('undone'))
    await lifecycle.change('Limit', { id: one.id, limits: {} })
    expect(journal().map(({ outcome }) => outcome)).toEqual(['undone', 'kept', null])
    expect(shown(limitAgents())[0]?.before).toMatchObject([{ outcome: 'undone', gainBytes: missing('not-measured') }])
  })

  test('that came with a login, by nobody here, are no try of anybody', async () => {
    limited(view('holds'))
    await make().look()
    expect(journal()).toEqual([])
  })

  test('a budget of the policy is told as the limit that it is', async () => {
    const lifecycle = make()
    await lifecycle.look()
    const policy = { ...sampleRegistry([]).policy, budgetBytes: 4096 * MIB }
    answers.SetPolicy = ok(policy)
    more = { policy, budget: view('watching', { agentId: null, limits: { highBytes: 4096 * MIB } }) }
    await lifecycle.change('SetPolicy', { policy })
    expect(journal()).toMatchObject([{ kind: 'action', title: 'All agents together: limited' }])
    const next = { ...policy, suspend: { auto: true, afterIdleMs: 600_000 } }
    answers.SetPolicy = ok(next)
    nowMs += 1
    await lifecycle.change('SetPolicy', { policy: next })
    expect(journal()[0]).toMatchObject({ kind: 'action', text: 'Idle agents are suspended after 10 min.' })
    expect(journal()).toHaveLength(2)
  })
})

describe('leftovers and fixes', () => {
  test('what was ended is told with what it held', async () => {
    const orphan = (pid: number, bytes: number | null) => ({ pid, startTimeTicks: 5, role: 'mcp-server', label: 'notes', costBytes: bytes === null ? missing('not-permitted') : known(bytes), ageMs: 1, why: '', children: [] })
    answers.Leftovers = ok({ orphans: [orphan(7, 50 * MIB), orphan(8, null), orphan(9, 999 * MIB)], duplicates: [] })
    answers.Reap = ok({ ended: [{ pid: 7, startTimeTicks: 5 }, { pid: 8, startTimeTicks: 5 }], left: [{ pid: 9, startTimeTicks: 5, reason: 'It is no orphan any more.' }] })
    await make().change('Reap', { processes: [7, 8, 9].map((pid) => ({ pid, startTimeTicks: 5 })) })
    expect(asked.slice(0, 2)).toEqual(['Leftovers', 'Reap'])
    expect(journal()).toMatchObject([{ title: '2 processes ended that outlived an agent', outcome: 'kept', gainBytes: known(50 * MIB), text: '2 of notes.\n1 left alone: It is no orphan any more.' }])
    expect(shown(endLeftovers())[0]?.before).toMatchObject([{ gainBytes: known(50 * MIB) }])
  })

  test('a fix that is taken back ends the try that it was', async () => {
    const lifecycle = make()
    const fix = (state: Fix['state']): Fix => ({ id: `one-server-${'x'.repeat(50)}`, kind: 'waste', title: 'One server for all', text: 'Writes a file.', state, savesBytes: missing('not-measured'), agents: [], changes: [], digest: '', undo: [], problem: null })
    answers.ApplyFix = ok(fix('applied'))
    await lifecycle.change('ApplyFix', { id: 'x', digest: '' })
    nowMs += 1_000
    answers.UndoFix = ok(fix('offered'))
    await lifecycle.change('UndoFix', { id: 'x' })
    expect(journal().map(({ title, outcome }) => [title, outcome])).toEqual([['One server for all: taken back', 'undone'], ['One server for all: applied', 'kept']])
    expect(history.reader.journalTotals().tried).toBe(1)
  })

  test('what failed, and looks alone, write nothing; all that is written fits an export', async () => {
    const lifecycle = make()
    await lifecycle.change('Suspend', { ids: [one.id], cause: 'user' })
    await lifecycle.look()
    expect(journal()).toEqual([])
    await suspendTwo(lifecycle)
    const all = history.reader.journalAll()
    expect(journalFileSchema.parse({ version: 1, what: 'agentmem-journal', exportedAtMs: 0, entries: all }).entries).toHaveLength(1)
  })
})

test('what is done by hand is of its own finding alone', () => {
  const offers = [advice(words), command({ ...words, id: 'typed' }, 'ls', false, 'Nothing.')]
  history.writer.addToJournal({ atMs: 5, kind: 'outcome', rule: 'agents.idle', subject: '', solution: 'typed', presetId: null, runId: null, title: '', text: '', outcome: 'kept', gainBytes: null, kernelRelease: '' })
  expect(shown(...offers)).toMatchObject([{ id: 'typed', before: [{ outcome: 'kept' }] }, { id: 'by-hand', before: [] }])
})
