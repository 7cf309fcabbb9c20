import { EventEmitter } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readKernelRelease, readUptimeMs } from '../../helper/observe/kernel.ts'
import type { Payload, Answer, CallName, EventName, Request } from '../contract/channels.ts'
import { createDiagnose, type Diagnose } from './diagnose/diagnose.ts'
import { causeTitle, didNotFall } from './diagnose/did-not-fall.ts'
import { kernelFeatures } from './diagnose/features.ts'
import { createLeakWatch, growthOfOne } from './diagnose/growth.ts'
import { machineLook } from './diagnose/machine-look.ts'
import { rules } from './diagnose/rules/all.ts'
import { LEAK_LIMITS, leakRule } from './diagnose/rules/leaks-of-history.ts'
import { createSessionClient, type SessionClient } from './helper-client/session-client.ts'
import { sessionProgram } from './helper-client/session-child.ts'
import { createSystemClient, type SystemClient } from './helper-client/system-client.ts'
import { systemBusAddress, usualSessionBus } from './helper-client/bus.ts'
import { openHistory, openHistoryInMemory } from './history/open.ts'
import type { History } from './history/types.ts'
import { createInstaller } from './install/installer.ts'
import { dispatch } from './ipc/dispatch.ts'
import { createHandlers } from './ipc/handlers.ts'
import { createDeeds } from './journal/deeds.ts'
import { createJournal } from './journal/journal.ts'
import { brokerLink, brokerSocket } from './units/broker-link.ts'
import { createUnitSettings } from './units/settings.ts'
import { moduleLink } from './units/module-link.ts'
import { createUnits } from './units/units.ts'
import { createLifecycle, type Lifecycle } from './lifecycle/lifecycle.ts'
import { appPaths, type AppPaths } from './paths.ts'
import { createPresets, type Presets } from './presets/presets.ts'
import { createReports } from './report/reports.ts'
import { createPlanner, type Planner } from './runs/planner.ts'
import { createRuns, type Runs } from './runs/runs.ts'
import { helperState } from './sampling/helper-state.ts'
import { createSampler, type Sampler } from './sampling/sampler.ts'
import { createSettingsStore } from './settings/settings.ts'

export interface AppOptions {
  readonly paths?: Partial<AppPaths>
  /** Address of the system bus; the standard one otherwise. */
  readonly systemBus?: string
  /** Address of the session bus; null starts a private one; undefined takes the environment's. */
  readonly sessionBus?: string | null
  /** False: no timers, everything is read when asked. The command line works so. */
  readonly sampling?: boolean
  readonly startSession?: boolean
  readonly now?: () => number
}

/** The use-cases behind every host: Electron, browser, command line. */
export interface App {
  call<K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>>
  /** For hosts: a name and a body from outside, not yet trusted. */
  callUntrusted(name: CallName, request: unknown): Promise<Answer<CallName>>
  on<K extends EventName>(name: K, listener: (payload: Payload<K>) => void): () => void
  close(): void
  readonly paths: AppPaths
  /** For the command line, which needs more than the window's channels. */
  readonly inner: { runs: Runs; planner: Planner; sampler: Sampler; presets: Presets; history: History; system: SystemClient; session: SessionClient; lifecycle: Lifecycle; diagnose: Diagnose }
}

/** What History says when the helper comes or goes. */
const helperEvent: Record<ReturnType<SystemClient['state']>['system'], string> = {
  ready: 'The helper is ready',
  'not-installed': 'The helper is not installed any more',
  'no-bus': 'The system message bus went away',
  unreachable: 'The helper does not answer',
  'too-old': 'The helper is of another version than the app',
}

const ROLL_UP_MS = 60_000
const DAY_MS = 24 * 3600_000
const HELPER_LOOK_MS = 15_000
/** Nobody asks: rarely enough to cost nothing, often enough that findings are written down when they come. */
const DIAGNOSE_MS = 10 * 60_000
const FIRST_DIAGNOSE_MS = 60_000

export const createApp = (options: AppOptions = {}): App => {
  const now = options.now ?? Date.now
  const paths = appPaths(process.env, options.paths)
  const events = new EventEmitter()
  events.setMaxListeners(0)
  const emit = <K extends EventName>(name: K, payload: Payload<K>): void => { events.emit(name, payload) }
  const changed = (what: Payload<'changed'>['what'], runId: string | null = null): void => { emit('changed', { what, runId }) }

  const opened = openHistory(join(paths.stateDir, 'history.db'), { now })
  const history = opened.ok ? opened.value : openHistoryInMemory(opened.error)
  const settings = createSettingsStore(paths.configDir)
  let current = settings.get().settings
  let signaturesProblem: string | null = null
  const presets = createPresets({ builtInDir: join(paths.projectDir, 'assets', 'presets'), ownDir: join(paths.configDir, 'presets') })

  const system = createSystemClient(options.systemBus ?? systemBusAddress())
  const session = createSessionClient({
    address: options.sessionBus === undefined ? (process.env['DBUS_SESSION_BUS_ADDRESS'] ?? null) : options.sessionBus,
    usualAddress: options.sessionBus === undefined ? usualSessionBus() : null,
    runtimeDir: paths.runtimeDir,
    program: sessionProgram(paths.projectDir),
    startChild: options.startSession ?? true,
  })
  const stateNow = () => helperState(system.state(), session.state(), session.problem())

  const deeds = createDeeds({ history, kernelRelease: () => readKernelRelease(paths.root), onChanged: () => { changed('journal') }, now })
  const lifecycle = createLifecycle({ session, history, onRegistry: (registry) => { emit('lifecycle', registry) }, deeds, now })
  const sampler: Sampler = createSampler({
    root: paths.root,
    session,
    history,
    lifecycle,
    idleAfterMs: () => current.idleAfterMs,
    keepControl: () => current.keepControl,
    helper: stateNow,
    progress: () => runs.progress(),
    watched: () => events.listenerCount('live') > 0,
    onLive: (live) => { emit('live', live) },
    onProblem: (text) => { console.error(text) },
    now,
  })
  const planner = createPlanner({
    root: paths.root,
    system,
    presets,
    agents: () => sampler.agents(3_000),
    keepControl: () => current.keepControl,
    idleAfterMs: () => current.idleAfterMs,
    uid: process.getuid?.() ?? 0,
  })
  const runs: Runs = createRuns({
    system,
    planner,
    history,
    onProgress: (progress) => {
      if (progress !== null) emit('progress', progress)
      else sampler.hurry()
    },
    onChanged: (runId) => {
      changed('runs', runId)
      const state = runs.detail(runId)?.record.state
      // Measured: what is found at this moment belongs to it.
      if (state === 'waiting' || state === 'kept') diagnose.noteRun(runId).catch((error: unknown) => { console.error(error) })
      if (state !== undefined && state !== 'applying' && state !== 'settling') changed('journal')
    },
    now,
    bootedAtMs: () => {
      const uptimeMs = readUptimeMs(paths.root)
      return uptimeMs === null ? null : now() - uptimeMs
    },
  })
  const diagnose: Diagnose = createDiagnose({
    look: machineLook({ root: paths.root, sampler, session, system, uid: process.getuid?.() ?? 0 }),
    rules,
    features: kernelFeatures,
    didNotFall,
    leaks: createLeakWatch(history.reader, now, LEAK_LIMITS),
    history,
    planner,
    run: (runId) => runs.detail(runId),
    onChanged: () => {
      changed('diagnosis')
      changed('journal')
    },
    now,
  })
  const journal = createJournal({ history, found: () => diagnose.get({ leaks: true }), grown: (subject) => diagnose.grown(growthOfOne(history.reader, subject, now())), kernelRelease: () => readKernelRelease(paths.root), onChanged: () => { changed('journal') }, now })
  const link = brokerLink(brokerSocket(paths.runtimeDir))
  const brokerProgram = join(paths.projectDir, 'build/native/agentmem-broker')
  const units = createUnits({
    link,
    module: moduleLink(paths.root),
    settings: createUnitSettings(join(paths.configDir, 'broker.conf')),
    storePath: join(paths.stateDir, 'store'),
    programProblem: () => ([brokerProgram, '/usr/lib/agentmem/agentmem-broker'].some((path) => existsSync(path)) ? null : `The broker is missing: ${brokerProgram} is not there. Build it with "npm run build", or install the helper in Settings.`),
    agents: () => sampler.agents(15_000),
  })
  const reports = createReports({ history, ruleTitle: (id) => [...rules, leakRule(null)].find((rule) => rule.id === id)?.title ?? causeTitle(id) })
  const installer = createInstaller({ projectDir: paths.projectDir })
  const handlers = createHandlers({
    root: paths.root,
    sampler, system, session, lifecycle, helperState: stateNow, history, presets, settings, signaturesProblem: () => signaturesProblem, planner, runs, reports, installer, units, diagnose, journal,
    changed: (what) => { changed(what) },
    settingsChanged: (next) => { current = next },
    now,
  })

  let seenOnce = false
  system.onState((state) => {
    changed('helper')
    // The first look is no event: only what changes while the app runs.
    if (seenOnce) history.writer.addEvent({ atMs: now(), kind: 'helper', text: helperEvent[state.system], runId: null, agentId: null })
    seenOnce = true
  })
  session.onState((state) => {
    changed('helper')
    if (state !== 'ready' || options.sampling === false) return
    sampler.hurry()
    // A session role that was there before the app may have read an older agents.json.
    session.call('ReloadSignatures', {}).then(
      (answer) => {
        const problem = answer.ok ? answer.value.problem : null
        if (problem === signaturesProblem) return
        signaturesProblem = problem
        changed('settings')
      },
      (error: unknown) => { console.error(error) },
    )
  })

  const timers: NodeJS.Timeout[] = []
  if (options.sampling !== false) {
    sampler.start()
    history.writer.prune(now(), current.historyDays)
    timers.push(
      setInterval(() => { history.writer.rollUp(now()) }, ROLL_UP_MS),
      setInterval(() => { history.writer.prune(now(), current.historyDays) }, DAY_MS),
      setInterval(() => { diagnose.get({ leaks: true }).catch((error: unknown) => { console.error(error) }) }, DIAGNOSE_MS),
      setTimeout(() => { diagnose.get({ leaks: true }).catch((error: unknown) => { console.error(error) }) }, FIRST_DIAGNOSE_MS),
      setInterval(() => { system.refresh().catch((error: unknown) => { console.error(error) }) }, HELPER_LOOK_MS),
    )
    runs.adopt().catch((error: unknown) => { console.error(error) })
  }

  return {
    call: (name, request) => dispatch(handlers, name, request),
    callUntrusted: (name, request) => dispatch(handlers, name, request),
    on(name, listener) {
      events.on(name, listener)
      // The first window to look gets figures of now, not of the slow pace.
      if (name === 'live' && options.sampling !== false && events.listenerCount('live') === 1) sampler.hurry()
      return () => { events.off(name, listener) }
    },
    close() {
      for (const timer of timers) clearInterval(timer)
      link.close()
      sampler.close()
      runs.close()
      system.close()
      session.close()
      history.close()
      events.removeAllListeners()
    },
    paths,
    inner: { runs, planner, sampler, presets, history, system, session, lifecycle, diagnose },
  }
}
