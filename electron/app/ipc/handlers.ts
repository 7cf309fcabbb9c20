import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { snapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { layerStatus } from '../../../helper/observe/layer-status.ts'
import { readProbe } from '../../../helper/observe/probe.ts'
import type { Answer, CallName, Payload, Request } from '../../contract/channels.ts'
import type { Settings } from '../../contract/settings.ts'
import type { HelperState, MachineView } from '../../contract/views.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { Diagnose } from '../diagnose/diagnose.ts'
import { leaksSince } from '../diagnose/growth.ts'
import type { SystemClient } from '../helper-client/system-client.ts'
import type { History } from '../history/types.ts'
import type { Journal } from '../journal/journal.ts'
import type { Installer } from '../install/installer.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { agentsBack, fixesBack } from '../lifecycle/take-back.ts'
import type { Presets } from '../presets/presets.ts'
import type { Reports } from '../report/reports.ts'
import type { Planner } from '../runs/planner.ts'
import type { Runs } from '../runs/runs.ts'
import type { Sampler } from '../sampling/sampler.ts'
import type { SettingsStore } from '../settings/settings.ts'
import { diagnosisHandlers } from './diagnosis-handlers.ts'
import { traceHandlers } from './trace-handlers.ts'
import { withUnits } from '../units/layers.ts'
import type { Units } from '../units/units.ts'

export interface HandlerDeps {
  readonly root: string
  readonly sampler: Pick<Sampler, 'live' | 'agents' | 'snapshot' | 'hurry'>
  readonly system: Pick<SystemClient, 'call' | 'refresh'>
  readonly session: Pick<SessionClient, 'call'>
  readonly lifecycle: Pick<Lifecycle, 'look' | 'takeEvents' | 'change'>
  readonly helperState: () => HelperState
  readonly history: History
  readonly presets: Presets
  readonly settings: SettingsStore
  /** What is wrong with the user's own agents.json; null when nothing is. */
  readonly signaturesProblem: () => string | null
  readonly planner: Planner
  readonly runs: Runs
  readonly reports: Reports
  readonly installer: Installer
  readonly units: Units
  readonly diagnose: Diagnose
  readonly journal: Journal
  readonly changed: (what: Payload<'changed'>['what']) => void
  readonly settingsChanged: (settings: Settings) => void
  readonly now: () => number
}

/** One handler a channel: a missing one, or one of the wrong type, does not compile. */
export type Handlers = { readonly [K in CallName]: (request: Request<K>) => Promise<Answer<K>> }

/** The last ten minutes of one agent, for its details. */
const AGENT_SERIES_MS = 10 * 60_000
/** Figures this old are still good enough to name an agent by. */
const AGENT_MAX_AGE_MS = 15_000

const gone = (id: string) => fail('process-gone', 'This agent is no longer running.', { about: id, advice: 'Its past is in History.' })

export const createHandlers = (deps: HandlerDeps): Handlers => {
  const { history, presets, settings, sampler, runs, system, session, lifecycle } = deps

  const tell = <T>(what: Payload<'changed'>['what'], result: Result<T>): Result<T> => {
    if (result.ok) deps.changed(what)
    return result
  }

  /** The helper sees more than the user; asking it to look never asks for a password. */
  const machineView = async (): Promise<Answer<'machine.get'>> => {
    const state = await system.refresh()
    // Broker and store are the user's own: root knows nothing of them.
    const units = await deps.units.view()
    if (state.system === 'ready') {
      const answer = await system.call('Probe', {})
      if (answer.ok) {
        const { probe, layers } = answer.value
        return ok<MachineView>({ kernelRelease: probe.kernelRelease, capabilities: probe.capabilities, layers: withUnits(layers, units), privileged: true })
      }
    }
    const probe = readProbe(deps.root)
    return ok<MachineView>({ kernelRelease: probe.kernelRelease, capabilities: probe.capabilities, layers: withUnits(layerStatus(probe), units), privileged: false })
  }

  const settingsAnswer = (): Answer<'settings.get'> => {
    const { settings: now, problem } = settings.get()
    const sentences = [problem, deps.signaturesProblem(), ...history.notices, history.trouble()?.message ?? null].filter((text) => text !== null)
    return ok({ settings: now, problem: sentences.length === 0 ? null : sentences.join(' ') })
  }

  /** What agents cost has changed: measure again, whatever the answer was. */
  const hurryAfter = async <T>(done: Promise<Result<T>>): Promise<Result<T>> => {
    const answer = await done
    sampler.hurry()
    return answer
  }

  return {
    'live.get': async () => ok(await sampler.live()),
    'machine.get': machineView,
    'agent.get': async ({ id }) => {
      const agents = await sampler.agents(AGENT_MAX_AGE_MS)
      if (!agents.ok) return agents
      const agent = agents.value.find((one) => one.id === id)
      if (agent === undefined) return gone(id)
      const toMs = deps.now()
      return ok({ agent, series: history.reader.agentSeries(id, { fromMs: toMs - AGENT_SERIES_MS, toMs, maxPoints: 600 }) })
    },

    'presets.list': async () => ok(presets.list()),
    'presets.save': async ({ preset }) => tell('presets', presets.save(preset)),
    'presets.remove': async ({ id }) => tell('presets', presets.remove(id)),
    'presets.export': async ({ id }) => presets.exportText(id),
    'presets.import': async ({ text }) => tell('presets', presets.importText(text)),

    'plan.make': async (wish) => deps.planner.plan(wish),
    'run.apply': async ({ presetId, digest }) => runs.apply({ presetId, digest, cause: 'user-preset' }),
    'run.keep': async ({ runId }) => runs.keep(runId),
    'run.undo': async ({ runId }) => runs.undo(runId),
    'run.cancel': async ({ runId }) => runs.cancel(runId),
    'runs.list': async ({ limit }) => ok(runs.list(limit)),
    'runs.get': async ({ runId }) => {
      const detail = runs.detail(runId)
      return detail === null ? fail('no-such-run', 'This run is not in the history.', { about: runId }) : ok(detail)
    },

    'snapshots.list': async ({ limit }) => ok(history.reader.snapshots(limit)),
    'snapshots.take': async ({ label }) => {
      const snapshot = await sampler.snapshot(false)
      if (!snapshot.ok) return snapshot
      const id = history.writer.addSnapshot(snapshot.value, label, 'manual', null)
      if (!id.ok) return id
      const info = history.reader.snapshotInfo(id.value)
      deps.changed('snapshots')
      return info === null ? fail('internal', 'The snapshot was stored and cannot be read back.') : ok(info)
    },
    'compare.get': async ({ fromId, toId }) => {
      const from = history.reader.snapshot(fromId)
      const to = history.reader.snapshot(toId)
      if (from === null || to === null) return fail('bad-request', 'One of the two snapshots is no longer in the history.', { about: from === null ? String(fromId) : String(toId), advice: 'Choose two from the list.' })
      return ok(snapshotDelta({ before: [from], after: to, treated: [], control: [] }))
    },

    'history.series': async (request) => ok(history.reader.series(request)),
    'history.events': async (range) => ok(history.reader.events(range)),

    'report.make': async (request) => deps.reports.make(request),

    'settings.get': async () => settingsAnswer(),
    'settings.set': async (request) => {
      const result = tell('settings', settings.set(request.settings))
      if (result.ok) deps.settingsChanged(result.value)
      return result
    },

    'lifecycle.get': async () => lifecycle.look(),
    'agents.suspend': async (request) => hurryAfter(lifecycle.change('Suspend', request)),
    'agents.resume': async (request) => hurryAfter(lifecycle.change('Resume', request)),
    'agents.set': async (request) => lifecycle.change('SetAgent', request),
    'agents.limit': async (request) => lifecycle.change('Limit', request),
    'agents.ask-to-free': async (request) => hurryAfter(lifecycle.change('AskToFree', request)),
    'agents.timeline': async ({ id, fromMs, toMs }) => {
      // What the session role noted a moment ago belongs to it; without it the past is shown all the same.
      await lifecycle.takeEvents()
      return ok(history.reader.timeline(id, { fromMs, toMs }))
    },
    'policy.set': async (request) => lifecycle.change('SetPolicy', request),
    'leftovers.get': async (request) => session.call('Leftovers', request),
    'leftovers.reap': async (request) => hurryAfter(lifecycle.change('Reap', request)),
    'fixes.get': async (request) => session.call('Fixes', request),
    'fixes.apply': async (request) => lifecycle.change('ApplyFix', request),
    'fixes.undo': async (request) => lifecycle.change('UndoFix', request),

    'units.get': async () => ok(await deps.units.view()),
    'units.list': async ({ agent, backend }) => deps.units.list(agent, backend),
    'units.set': async (request) => {
      const result = tell('units', await deps.units.set(request.settings))
      if (result.ok) deps.changed('machine')
      return result
    },

    ...diagnosisHandlers(deps),
    ...traceHandlers(deps),
    'leaks.get': async ({ thresholds, fromMs }) => deps.diagnose.leaks(leaksSince(history.reader, fromMs, deps.now(), thresholds), thresholds),

    'helper.get': async () => {
      await system.refresh()
      return ok(deps.helperState())
    },
    'helper.install-plan': async () => deps.installer.plan(),
    'helper.install': async ({ scriptSha256 }) => {
      const result = await deps.installer.install(scriptSha256)
      if (!result.ok) return result
      await system.refresh()
      deps.changed('helper')
      return ok(deps.helperState())
    },
    'helper.uninstall': async () => {
      // Waking is harmless where uninstalling is then refused; taking hooks out of the user's files is not, so it comes after.
      const agents = await agentsBack(lifecycle, 'user')
      const result = await deps.installer.uninstall()
      const files = result.ok ? await fixesBack(session) : { problems: [] }
      // What could not be taken back is told, and keeps nobody from leaving.
      for (const { message } of [...agents.problems, ...agents.left.map(({ error }) => error), ...files.problems]) {
        history.writer.addEvent({ atMs: deps.now(), kind: 'problem', text: `While uninstalling: ${message}`, runId: null, agentId: null })
      }
      if (!result.ok) return result
      await system.refresh()
      deps.changed('helper')
      return ok(deps.helperState())
    },
  }
}

