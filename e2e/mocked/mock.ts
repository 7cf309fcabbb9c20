import { callNames, channels, type Answer, type CallName, type EventName, type Request } from '../../electron/contract/channels.ts'
import { defaultSettings } from '../../electron/contract/settings.ts'
import type { HelperState, Live } from '../../electron/contract/views.ts'
import { known, missing } from '../../helper/contract/known.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import { createDiagnosis } from './diagnosis.ts'
import { makeFleet } from './fleet.ts'
import type { Emit, HandlersOf } from './handlers.ts'
import { createHistory } from './history.ts'
import { createLifecycle } from './lifecycle.ts'
import { countsOf, makeMachine, makeSnapshot } from './machine.ts'
import { pastRuns, wave } from './past.ts'
import { createPresets } from './presets.ts'
import { createRuns } from './runs.ts'
import type { Scenario } from './scenarios.ts'
import { installPlan, machineView } from './static-data.ts'
import { createTrace } from './trace.ts'
import { createUnits } from './units.ts'

type Listener = (name: EventName, payload: unknown) => void

export interface Mock {
  /** Checks request and answer against the schema; a mismatch is thrown, not answered. */
  call(name: string, request: unknown): Promise<unknown>
  on(listener: Listener): () => void
  /** What was asked, in order. */
  readonly asked: { name: CallName; request: unknown }[]
  /** Another program undoes the newest run that is kept. */
  undoElsewhere(): void
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

export const createMock = (scenario: Scenario): Mock => {
  const startMs = Date.now()
  const listeners = new Set<Listener>()
  const asked: Mock['asked'] = []
  const timers = new Set<NodeJS.Timeout>()
  let settings = { ...defaultSettings }
  let helper: HelperState['system'] = scenario.helper
  let ticks = 0

  const after = (ms: number, work: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve))

  const emit: Emit = (name, payload) => {
    channels[name].payload.parse(payload)
    for (const listener of listeners) listener(name, payload)
  }

  const presets = createPresets(emit)
  const past = scenario.emptyHistory ? [] : pastRuns(startMs, presets.findOrFirst)
  const runs = createRuns({ scenario, presets, past, emit, after, sleep, simulation: () => helper !== 'ready' })
  const fleetAt = (wobble: number, isSuspended?: (index: number) => boolean) => makeFleet(scenario.agents, runs.paged(), wobble, scenario.unreadable, isSuspended)
  const lifecycle = createLifecycle({ scenario, fleet: (isSuspended) => fleetAt(Math.sin(ticks / 7) * 0.004, isSuspended), emit, sleep, startMs })
  runs.seed()

  const helperState = (): HelperState => ({ system: helper, session: 'ready', systemVersion: helper === 'ready' ? '0.1.0' : null, advice: advice[helper] })
  const options = () => ({ ksm: scenario.ksm, wobbleBytes: Math.sin(ticks / 5) * 6e7 })

  const live = (): Live => {
    const agents = lifecycle.agents()
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
      progress: runs.progress(),
    }
  }

  const handlers: HandlersOf<CallName> = {
    ...presets.handlers,
    ...runs.handlers,
    ...createHistory({
      scenario, startMs, past, emit, sleep,
      runs: runs.all,
      look: () => makeSnapshot(lifecycle.agents(), Date.now(), options()),
      events: lifecycle.events,
      agentsCostBytes: () => live().totals.agentsCostBytes,
    }),
    ...lifecycle.handlers,
    ...createDiagnosis({
      scenario, startMs, sleep,
      changed: (what) => { emit('changed', { what, runId: null }) },
      plan: (wanted) => {
        if (typeof wanted === 'string') return runs.planView(wanted, null)
        presets.remember(wanted)
        return runs.planView(wanted.id, null)
      },
    }),
    ...createTrace({ scenario, sleep }),
    ...createUnits(scenario, () => { emit('changed', { what: 'units', runId: null }) }),
    'live.get': () => ok(live()),
    'machine.get': () => {
      const zram = makeMachine(fleetAt(0), options()).zram[0]
      return ok(machineView(scenario.ksm, helper === 'ready', zram?.poolBytes ?? 0, zram?.storedBytes ?? 0, runs.switched()))
    },
    'agent.get': ({ id }) => {
      const agent = lifecycle.agents().find((entry) => entry.id === id)
      if (agent === undefined) return fail('process-gone', 'This agent has ended.')
      const now = Date.now()
      return ok({ agent, series: wave([`agent:${id}`], now - 600_000, now, 300, agent.cost.costBytes * 20, 16e9) })
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
    emit('live', live())
    if (scenario.lifecycleFails === null) emit('lifecycle', lifecycle.registry())
  }, scenario.tickMs)

  return {
    asked,
    undoElsewhere: runs.undoElsewhere,
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
