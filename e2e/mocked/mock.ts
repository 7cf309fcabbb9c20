import { callNames, channels, type Answer, type CallName, type EventName, type Payload, type Request } from '../../electron/contract/channels.ts'
import { defaultSettings } from '../../electron/contract/settings.ts'
import type { HelperState, Live } from '../../electron/contract/views.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { nothingToUndo } from '../../helper/contract/plan.ts'
import { presetSchema, type Preset } from '../../helper/contract/presets.ts'
import { known, missing } from '../../helper/contract/known.ts'
import type { Progress, RunRecord, RunState } from '../../helper/contract/runs.ts'
import { snapshotDelta } from '../../helper/contract/snapshot-delta.ts'
import { createDiagnosis } from './diagnosis.ts'
import { createTrace } from './trace.ts'
import { makeFleet } from './fleet.ts'
import { createLifecycle } from './lifecycle.ts'
import { countsOf, makeMachine, makeSnapshot } from './machine.ts'
import { deltaOf, eventsOf, outcomesOf, pastRun, runIdAt, storedOf, undoLinesOf, viewOf, wave, type StoredSnapshot } from './past.ts'
import { makePlanFor } from './plan-data.ts'
import type { Scenario } from './scenarios.ts'
import { createUnits } from './units.ts'
import { builtInPresets, installPlan, machineView, type Switched } from './static-data.ts'

/** One handler a call of the schema: a renamed channel no longer compiles. */
type Handlers = { [K in CallName]: (request: Request<K>) => Answer<K> | Promise<Answer<K>> }
type Listener = (name: EventName, payload: unknown) => void

export interface Mock {
  /** Checks request and answer against the schema; a mismatch is thrown, not answered. */
  call(name: string, request: unknown): Promise<unknown>
  on(listener: Listener): () => void
  /** What was asked, in order. */
  readonly asked: { name: CallName; request: unknown }[]
  close(): void
}

const advice: Record<HelperState['system'], string> = {
  ready: '',
  'not-installed': 'Looking works. To change settings, install the helper in Settings.',
  'no-bus': 'This machine has no system bus; looking works, changing does not.',
  unreachable: 'The helper does not answer; looking works.',
  'too-old': 'The helper is of an older version; install it again in Settings.',
}

const isCallName = (name: string): name is CallName => callNames.some((known) => known === name)

const detailOf = ({ before: _before, after: _after, ...record }: RunRecord, whole: RunRecord) => ({ record, delta: deltaOf(whole) })

export const createMock = (scenario: Scenario): Mock => {
  const startMs = Date.now()
  const listeners = new Set<Listener>()
  const asked: Mock['asked'] = []
  const timers = new Set<NodeJS.Timeout>()
  const builtIn = builtInPresets()
  const own: Preset[] = []
  const tried: Preset[] = []
  const runs: RunRecord[] = []
  const snapshots: StoredSnapshot[] = []
  let settings = { ...defaultSettings }
  let helper: HelperState['system'] = scenario.helper
  let progress: Progress | null = null
  let paged = 0
  let ticks = 0
  let applied = 0
  let dead = false
  const begun = new Set<string>()

  const after = (ms: number, work: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve))

  const emit = <K extends EventName>(name: K, payload: Payload<K>): void => {
    channels[name].payload.parse(payload)
    for (const listener of listeners) listener(name, payload)
  }

  const preset = (id: string): Preset | undefined => [...builtIn, ...own, ...tried].find((entry) => entry.id === id)
  const wobbling = (): number => Math.sin(ticks / 7) * 0.004
  const lifecycle = createLifecycle({ scenario, fleet: (isSuspended) => makeFleet(scenario.agents, paged, wobbling(), scenario.unreadable, isSuspended), emit, sleep, startMs })
  const fleet = (wobble?: number) => (wobble === undefined ? lifecycle.agents() : makeFleet(scenario.agents, paged, wobble, scenario.unreadable))
  const helperState = (): HelperState => ({ system: helper, session: 'ready', systemVersion: helper === 'ready' ? '0.1.0' : null, advice: advice[helper] })
  const options = () => ({ ksm: scenario.ksm, wobbleBytes: Math.sin(ticks / 5) * 6e7 })

  const live = (): Live => {
    const agents = fleet()
    const machine = makeMachine(agents, options())
    const idle = agents.filter((agent) => agent.state === 'idle')
    const cost = agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0)
    const median = agents.map((agent) => agent.cost.costBytes).toSorted((a, b) => a - b)[Math.floor(agents.length / 2)] ?? 0
    const back = Math.round(idle.reduce((sum, agent) => sum + (agent.cost.anonBytes.value ?? 0) * 0.62, 0))
    const { availableBytes } = machine.memory
    return {
      atMs: Date.now(),
      machine,
      agents,
      counts: countsOf(agents),
      agentsMeasuredAtMs: Date.now() - 2300,
      totals: {
        agentsCostBytes: cost,
        agentsCount: agents.length,
        idleCount: idle.length,
        compressedBytes: agents.reduce((sum, agent) => sum + agent.cost.compressedBytes, 0),
        availableBytes,
        couldGetBackBytes: agents.length === 0 ? missing('not-measured', 'There are no agents.') : known(back),
        couldGetBackBasis: `Anonymous memory of ${idle.length} agents idle for two minutes or more, of which lz4 kept 0.3 on machines like this one.`,
        suspendedCount: agents.filter((agent) => agent.state === 'suspended').length,
        suspendedWonBytes: known(lifecycle.won()),
        roomFor: median === 0 ? missing('not-measured', 'There is no agent to take as a measure.') : known(Math.floor(availableBytes / median)),
        roomForAfter: median === 0 ? missing('not-measured') : known(Math.floor((availableBytes + back) / median)),
      },
      helper: helperState(),
      progress,
    }
  }

  /** What the runs of this window that are still in force have switched on or off. */
  const switched = (): Switched => {
    const now: Switched = { swapOn: scenario.swapOn || paged > 0, ksmOn: false, module: scenario.module }
    for (const record of runs.filter((run) => begun.has(run.id) && (run.state === 'kept' || run.state === 'waiting')).toReversed()) {
      const set = preset(record.presetId)?.settings
      if (set?.compressedSwap !== undefined) now.swapOn = set.compressedSwap.mode !== 'off'
      if (set?.kernelModule !== undefined && (now.module === 'off' || now.module === 'idle')) now.module = set.kernelModule.mode === 'load' ? 'idle' : 'off'
      if (set?.ksm !== undefined) now.ksmOn = set.ksm.mode === 'merge'
    }
    return now
  }
  const planFor = (settings: Preset['settings'], agentIds: readonly string[] | null) => makePlanFor(settings, fleet(0), agentIds, { ksm: scenario.ksm, swapPossible: scenario.swapPossible, ...switched() })

  const planView = (presetId: string, agentIds: readonly string[] | null): Answer<'plan.make'> => {
    const found = preset(presetId)
    if (found === undefined) return fail('bad-request', 'There is no such preset.')
    const { plan, treated, control } = planFor(found.settings, agentIds)
    return ok({ presetId, plan, simulation: helper !== 'ready', treated: treated.map((agent) => agent.id), control: control.map((agent) => agent.id), asksPassword: true })
  }

  const find = (id: string): RunRecord | undefined => runs.find((run) => run.id === id)
  const replace = (record: RunRecord): void => {
    runs[runs.findIndex((run) => run.id === record.id)] = record
  }
  const show = (next: Progress): void => {
    progress = next
    emit('progress', next)
    if (['kept', 'undone', 'partly-undone', 'failed'].includes(next.state)) progress = null
  }
  const finish = (record: RunRecord, text: string): void => {
    replace(record)
    show({ runId: record.id, state: record.state, fraction: 1, text, confirmUntilMs: null, canCancel: false })
    emit('changed', { what: 'runs', runId: record.id })
    emit('changed', { what: 'machine', runId: null })
  }
  const undone = (record: RunRecord, cause: NonNullable<RunRecord['undoCause']>): RunRecord => {
    paged = 0
    const undo = undoLinesOf(record, scenario.undoPartly)
    const state: RunState = scenario.undoPartly ? 'partly-undone' : 'undone'
    return { ...record, state, undo, undoCause: cause, confirmUntilMs: null, endedAtMs: Date.now() }
  }

  const waitForKeep = (record: RunRecord): void => {
    const confirmUntilMs = Date.now() + scenario.confirmMs
    const waiting: RunRecord = { ...record, state: 'waiting', confirmUntilMs }
    replace(waiting)
    show({ runId: record.id, state: 'waiting', fraction: 1, text: 'Waiting for you to keep or undo.', confirmUntilMs, canCancel: false })
    emit('changed', { what: 'runs', runId: record.id })
    emit('changed', { what: 'snapshots', runId: record.id })
    after(scenario.confirmMs, () => {
      const now = find(record.id)
      if (now?.state === 'waiting') finish(undone(now, 'confirm-timeout'), 'Undone: nobody pressed Keep.')
    })
  }

  const measured = (record: RunRecord): RunRecord => {
    const before = [makeSnapshot(makeFleet(scenario.agents, 0, 0.003), record.startedAtMs), makeSnapshot(makeFleet(scenario.agents, 0), record.startedAtMs + 3000)]
    if (record.plan.steps.some((step) => step.source === 'reclaim')) paged = scenario.paged
    const last = makeSnapshot(makeFleet(scenario.agents, paged, paged === 0 ? 0.001 : -0.008), Date.now())
    return { ...record, before, after: last, steps: outcomesOf(record) }
  }

  const isOpen = (record: RunRecord | undefined): boolean => record !== undefined && ['started', 'applying', 'settling', 'waiting', 'undoing'].includes(record.state)

  const work = async (id: string): Promise<void> => {
    const steps = find(id)?.plan.steps ?? []
    for (const [i, step] of steps.entries()) {
      const record = find(id)
      if (record === undefined || record.state === 'undone' || record.state === 'partly-undone') return
      replace({ ...record, state: 'applying', steps: outcomesOf(record, i) })
      show({ runId: id, state: 'applying', fraction: (i / steps.length) * 0.6, text: `Step ${i + 1} of ${steps.length}: ${step.target}`, confirmUntilMs: null, canCancel: true })
      await sleep(scenario.stepMs)
      if (scenario.killedAfterSteps !== null && i + 1 >= scenario.killedAfterSteps) {
        dead = true
        helper = 'unreachable'
        const killed = find(id)
        if (killed === undefined) return
        const error = fail('helper-gone', 'The helper stopped while the preset was being applied.', { advice: 'It was started again and put back what had been changed.' }).error
        helper = 'ready'
        finish({ ...killed, state: 'failed', error, undo: undoLinesOf(killed, false), undoCause: 'startup-recovery', endedAtMs: Date.now() }, 'The helper stopped.')
        return
      }
    }
    const settling = find(id)
    if (settling === undefined || !isOpen(settling)) return
    replace({ ...settling, state: 'settling' })
    show({ runId: id, state: 'settling', fraction: 0.8, text: 'Letting the machine settle before measuring.', confirmUntilMs: null, canCancel: true })
    await sleep(scenario.stepMs * 3)
    const record = find(id)
    if (record === undefined || !isOpen(record)) return
    if (nothingToUndo(record.plan)) finish({ ...measured(record), state: 'kept', endedAtMs: Date.now() }, 'Done')
    else waitForKeep(measured(record))
  }

  const begin = (presetId: string, agentIds: readonly string[] | null): RunRecord => {
    const chosen = preset(presetId) ?? builtIn[0]
    if (chosen === undefined) throw new Error('no presets in assets/presets')
    const { plan, treated, control } = planFor(chosen.settings, agentIds)
    const now = Date.now()
    const record: RunRecord = {
      version: 1, id: runIdAt(now, 0xfeed + runs.length), uid: 1000, presetId: chosen.id, presetTitle: chosen.title, cause: 'user-preset', state: 'started', startedAtMs: now, endedAtMs: null,
      plan, steps: [], treated: treated.map((agent) => agent.id), control: control.map((agent) => agent.id), before: [], after: null, confirmUntilMs: null, undo: [], undoCause: null, error: null,
    }
    runs.unshift(record)
    begun.add(record.id)
    return record
  }

  const seed = (): void => {
    const hours = (n: number): number => startMs - n * 3600_000
    const of = (id: string): Preset => builtIn.find((entry) => entry.id === id) ?? (builtIn[0] as Preset)
    if (!scenario.emptyHistory) {
      runs.push(
        pastRun({ id: runIdAt(hours(3), 1), atMs: hours(3), preset: of('more-agents'), state: 'kept', agents: 22, paged: 0.8 }),
        pastRun({ id: runIdAt(hours(21), 2), atMs: hours(21), preset: of('balanced'), state: 'undone', agents: 14, paged: 0.5 }),
        pastRun({ id: runIdAt(hours(27), 3), atMs: hours(27), preset: of('battery'), state: 'kept', agents: 9, paged: 0 }),
        pastRun({ id: runIdAt(hours(49), 4), atMs: hours(49), preset: of('more-agents'), state: 'failed', agents: 18, paged: 0.5 }),
        pastRun({ id: runIdAt(hours(72), 5), atMs: hours(72), preset: of('balanced'), state: 'partly-undone', agents: 16, paged: 0.6 }),
      )
      let id = 40
      for (const run of runs.toReversed()) {
        const last = run.before.at(-1)
        if (last !== undefined) snapshots.unshift(storedOf(id++, last, `Before ${run.presetTitle}`, 'run-before', run.id))
        if (run.after !== null) snapshots.unshift(storedOf(id++, run.after, `After ${run.presetTitle}`, 'run-after', run.id))
      }
      snapshots.unshift(storedOf(id, makeSnapshot(makeFleet(scenario.agents, 0, 0.02), startMs - 25 * 60_000), 'Before lunch', 'manual', null))
    }
    if (scenario.run !== 'none') {
      const record = begin('more-agents', null)
      if (scenario.run === 'waiting') waitForKeep(measured(record))
      else {
        const { steps } = record.plan
        replace({ ...record, state: 'applying', steps: outcomesOf(record, 6) })
        show({ runId: record.id, state: 'applying', fraction: 0.34, text: `Step 7 of ${steps.length}: ${steps[6]?.target ?? ''}`, confirmUntilMs: null, canCancel: true })
      }
    }
  }
  seed()

  const historyGone = () => (scenario.historyFails === null ? null : { ok: false as const, error: scenario.historyFails })

  const handlers: Handlers = {
    ...lifecycle.handlers,
    ...createDiagnosis({
      scenario, startMs, sleep,
      changed: (what) => { emit('changed', { what, runId: null }) },
      plan: (wanted) => {
        if (scenario.planFails !== null) return { ok: false, error: scenario.planFails }
        if (typeof wanted !== 'string') tried.push(wanted)
        return planView(typeof wanted === 'string' ? wanted : wanted.id, null)
      },
    }),
    ...createTrace({ scenario, sleep }),
    ...createUnits(scenario, () => { emit('changed', { what: 'units', runId: null }) }),
    'live.get': () => ok(live()),
    'machine.get': () => {
      const agents = fleet(0)
      const machine = makeMachine(agents, options())
      const zram = machine.zram[0]
      return ok(machineView(scenario.ksm, helper === 'ready', zram?.poolBytes ?? 0, zram?.storedBytes ?? 0, switched()))
    },
    'agent.get': ({ id }) => {
      const agent = fleet().find((entry) => entry.id === id)
      if (agent === undefined) return fail('process-gone', 'This agent has ended.')
      const now = Date.now()
      return ok({ agent, series: wave([`agent:${id}`], now - 600_000, now, 300, agent.cost.costBytes * 20, 16e9) })
    },
    'presets.list': () => ok({ presets: [...builtIn.map((entry) => ({ preset: entry, builtIn: true })), ...own.map((entry) => ({ preset: entry, builtIn: false }))], problems: [] }),
    'presets.save': ({ preset: next }) => {
      if (builtIn.some((entry) => entry.id === next.id)) return fail('bad-request', `"${next.id}" is built in; choose another name.`)
      const at = own.findIndex((entry) => entry.id === next.id)
      if (at < 0) own.push(next)
      else own[at] = next
      emit('changed', { what: 'presets', runId: null })
      return ok({ preset: next, builtIn: false })
    },
    'presets.remove': ({ id }) => {
      const at = own.findIndex((entry) => entry.id === id)
      if (at < 0) return fail('bad-request', 'There is no own preset of that name.')
      own.splice(at, 1)
      emit('changed', { what: 'presets', runId: null })
      return ok({})
    },
    'presets.export': ({ id }) => {
      const found = preset(id)
      return found === undefined ? fail('bad-request', 'There is no such preset.') : ok({ fileName: `${id}.json`, text: `${JSON.stringify(found, null, 2)}\n` })
    },
    'presets.import': ({ text }) => {
      try {
        const parsed = presetSchema.safeParse(JSON.parse(text))
        if (!parsed.success) return fail('bad-request', `The file is no preset: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`)
        own.push(parsed.data)
        emit('changed', { what: 'presets', runId: null })
        return ok({ preset: parsed.data, builtIn: false })
      } catch {
        return fail('bad-request', 'The file is no preset: it is not JSON.')
      }
    },
    'plan.make': async ({ presetId, agentIds }) => {
      await sleep(60)
      if (scenario.planFails !== null) return { ok: false, error: scenario.planFails }
      return planView(presetId, agentIds)
    },
    'run.apply': async ({ presetId, agentIds }) => {
      await sleep(40)
      applied += 1
      const failure = scenario.applyFails(applied)
      if (failure !== null) return { ok: false, error: failure }
      const open = runs.find(isOpen)
      if (open !== undefined) return fail('busy', 'Another run is open.', { runId: open.id })
      const record = begin(presetId, agentIds)
      emit('changed', { what: 'runs', runId: record.id })
      void work(record.id)
      return ok({ runId: record.id })
    },
    'run.keep': ({ runId }) => {
      const record = find(runId)
      if (scenario.keepFails !== null) return { ok: false, error: scenario.keepFails }
      if (record?.state !== 'waiting') return fail('no-such-run', 'This run is not waiting any more.')
      finish({ ...record, state: 'kept', confirmUntilMs: null, endedAtMs: Date.now() }, 'Kept.')
      return ok({})
    },
    'run.undo': async ({ runId }) => {
      const record = runId === null ? runs.find((run) => run.state === 'kept' || isOpen(run)) : find(runId)
      if (record === undefined) return fail('no-such-run', 'There is no such run.')
      if (scenario.undoFails !== null) return { ok: false, error: scenario.undoFails }
      replace({ ...record, state: 'undoing' })
      show({ runId: record.id, state: 'undoing', fraction: 0.4, text: 'Taking pages back out of compressed swap.', confirmUntilMs: null, canCancel: false })
      await sleep(scenario.stepMs * 3)
      const next = undone(record, 'user-undo')
      finish(next, 'Undone.')
      return ok(detailOf(next, next))
    },
    'run.cancel': async ({ runId }) => {
      const record = find(runId)
      if (record === undefined || !isOpen(record)) return fail('no-such-run', 'This run is not under way any more.')
      await sleep(30)
      finish({ ...undone(record, 'user-cancel'), error: fail('cancelled', 'You cancelled it.').error }, 'Cancelled.')
      return ok({})
    },
    'runs.list': ({ limit }) => historyGone() ?? ok(runs.slice(0, limit).map(viewOf)),
    'runs.get': ({ runId }) => {
      const record = find(runId)
      return record === undefined ? fail('no-such-run', 'The history has no such run.') : ok(detailOf(record, record))
    },
    'snapshots.list': ({ limit }) => historyGone() ?? ok(snapshots.slice(0, limit).map((entry) => entry.info)),
    'snapshots.take': ({ label }) => {
      const gone = historyGone()
      if (gone !== null) return gone
      const stored = storedOf((snapshots[0]?.info.id ?? 0) + 1, makeSnapshot(fleet(), Date.now(), options()), label, 'manual', null)
      snapshots.unshift(stored)
      emit('changed', { what: 'snapshots', runId: null })
      return ok(stored.info)
    },
    'compare.get': ({ fromId, toId }) => {
      const from = snapshots.find((entry) => entry.info.id === fromId)
      const to = snapshots.find((entry) => entry.info.id === toId)
      if (from === undefined || to === undefined) return fail('bad-request', 'One of the two snapshots is gone.')
      return ok(snapshotDelta({ before: [from.snapshot], after: to.snapshot, treated: [], control: [] }))
    },
    'history.series': ({ fromMs, toMs, series, maxPoints }) =>
      historyGone() ?? ok(scenario.emptyHistory ? { resolutionMs: 1000, atMs: [], series: series.map((id) => ({ id, label: id, unit: 'bytes', values: [] })) } : wave(series, fromMs, Math.min(toMs, Date.now()), maxPoints, live().totals.agentsCostBytes, 15.6 * 1024 ** 3)),
    'history.events': ({ fromMs, toMs, limit }) => historyGone() ?? ok(eventsOf(runs, lifecycle.events()).filter((event) => event.atMs >= fromMs && event.atMs <= toMs).slice(0, limit)),
    'report.make': async ({ format }) => {
      await sleep(80)
      const mediaTypes = { html: 'text/html', pdf: 'application/pdf', csv: 'text/csv', json: 'application/json', md: 'text/markdown' } as const
      return ok({ fileName: `agent-memory-run.${format}`, mediaType: mediaTypes[format], base64: Buffer.from(`report as ${format}`).toString('base64') })
    },
    'settings.get': () => ok({ settings, problem: scenario.settingsProblem }),
    'settings.set': ({ settings: next }) => {
      settings = next
      emit('changed', { what: 'settings', runId: null })
      return ok(settings)
    },
    'helper.get': () => ok(helperState()),
    'helper.install-plan': () => ok(installPlan(helper === 'ready')),
    'helper.install': async () => {
      await sleep(60)
      helper = 'ready'
      emit('changed', { what: 'helper', runId: null })
      emit('live', live())
      return ok(helperState())
    },
    'helper.uninstall': async () => {
      await sleep(60)
      helper = 'not-installed'
      emit('changed', { what: 'helper', runId: null })
      emit('live', live())
      return ok(helperState())
    },
  }

  const answer = async <K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>> => {
    asked.push({ name, request })
    const result = await handlers[name](request)
    if (result.ok) channels[name].response.parse(result.value)
    return result
  }

  const ticker = scenario.tickMs === 0 ? null : setInterval(() => {
    ticks += 1
    if (dead && helper !== 'ready') return
    emit('live', live())
    if (scenario.lifecycleFails === null) emit('lifecycle', lifecycle.registry())
  }, scenario.tickMs)

  return {
    asked,
    call: async (name, request) => {
      if (!isCallName(name)) throw new Error(`no channel ${name}`)
      return answer(name, channels[name].request.parse(request))
    },
    on: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {
      if (ticker !== null) clearInterval(ticker)
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
