import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hasEnded } from './actions/process-check.ts'
import { pruneCache } from './actions/prune-cache.ts'
import { reclaim } from './actions/reclaim.ts'
import { removeStaleInstances } from './actions/trace/instance.ts'
import { createTracer, removeStaleFiles } from './actions/trace/trace.ts'
import { cgroupLimits, limitAbility, systemCgroups } from './agents/cgroups/build.ts'
import type { AgentLimits } from './agents/cgroups/limits.ts'
import { agentJournals } from './agents/lifecycle/freeze.ts'
import { createLifecycle } from './agents/lifecycle/lifecycle.ts'
import type { Lifecycle } from './agents/lifecycle/lifecycle.ts'
import { guardForRuns } from './agents/lifecycle/run-guard.ts'
import { createAgentServices } from './agents/lifecycle/system-services.ts'
import { loadSignatures } from './agents/signatures.ts'
import { createAgentTracker } from './agents/tracker.ts'
import type { AgentTracker } from './agents/tracker.ts'
import { createAuthoriser } from './authorize.ts'
import type { Caller } from './authorize.ts'
import { openBus } from './bus.ts'
import type { Bus, BusClient, Service } from './bus.ts'
import { createRunManager } from './change/run-manager.ts'
import type { RunManager } from './change/run-manager.ts'
import { createKernelFiles } from './change/write.ts'
import type { SignaturesFile } from './contract/agents.ts'
import { ok } from './contract/result.ts'
import type { Result } from './contract/errors.ts'
import { PROTOCOL_VERSION, SYSTEM_BUS_NAME, SYSTEM_OBJECT_PATH, SYSTEM_SIGNALS, systemRequests } from './contract/requests.ts'
import type { Ability } from './contract/lifecycle.ts'
import type { RunRecord } from './contract/runs.ts'
import { createDispatcher } from './dispatch.ts'
import type { Audit, SystemServices } from './dispatch.ts'
import { createFollowers } from './followers.ts'
import { createGrants } from './grants.ts'
import type { Followers } from './followers.ts'
import { connectGuard } from './guard/client.ts'
import { createIdleExit } from './idle.ts'
import { systemTools } from './layers/compressed-swap/system-tools.ts'
import { isInForce, logLine, recordLines } from './log.ts'
import { readRootView } from './observe/evidence/root-view.ts'
import { layerStatus } from './observe/layer-status.ts'
import { readBootId } from './observe/kernel.ts'
import { readProbe } from './observe/probe.ts'
import { ownerOf } from './owner.ts'
import { builtInSignaturesPath, guardProgramPath, programVersion, reclaimProgramPath } from './places.ts'
import { createRecovery } from './recovery.ts'

/** The system role: root, on the system bus. Wiring only. */
const STATE_DIR = '/var/lib/agentmem'
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    'state-dir': { type: 'string', default: STATE_DIR },
    /** Socket of the guard; beside the state where that is not the usual one. */
    'guard-socket': { type: 'string' },
    bus: { type: 'string', default: process.env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket' },
    'idle-exit-seconds': { type: 'string', default: '300' },
    /** At boot: takes back what an interrupted run left behind, and ends. */
    recover: { type: 'boolean', default: false },
    /** Before uninstalling: undoes every run of every user, and ends; exit 1 where something could not be undone. */
    'rollback-all': { type: 'boolean', default: false },
  },
})

const version = programVersion()
const root = values.root === '/' ? '/' : values.root.replace(/\/+$/u, '')

const stop = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const signaturesOrStop = (): SignaturesFile => {
  // Never the user's own file: root reads nothing that a user can write.
  const loaded = loadSignatures(builtInSignaturesPath)
  return loaded.ok ? loaded.value : stop(`${loaded.error.message} Install the helper again.`)
}

/** CPU history is kept from look to look, for each user apart. */
const createTrackers = (signatures: SignaturesFile): ((uid: number) => AgentTracker) => {
  const trackers = new Map<number, AgentTracker>()
  return (uid) => {
    const known = trackers.get(uid)
    if (known !== undefined) return known
    const tracker = createAgentTracker({ root, signatures, uid })
    trackers.set(uid, tracker)
    return tracker
  }
}

const kernel = createKernelFiles({ root, onWrite: (line) => console.error(logLine(`write: ${line}`)) })

const stateDir = values['state-dir']
const guardSocket = values['guard-socket'] ?? (stateDir === STATE_DIR ? '/run/agentmem/guard.sock' : join(stateDir, 'guard.sock'))
/** Files of perf while it runs, in a folder of root's. */
const runtimeDir = dirname(guardSocket)
const grantsPath = stateDir === STATE_DIR ? '/run/agentmem/grants.json' : join(stateDir, 'grants.json')
const wordsPath = stateDir === STATE_DIR ? '/run/agentmem/guard-words.jsonl' : join(stateDir, 'guard-words.jsonl')

interface Agents extends Lifecycle {
  /** null where there is no cgroup v2. */
  limits: AgentLimits | null
  limitAbility: Ability
}

/** `bus` null: nobody to ask for scopes; what is there already is thawed and put back without. */
const createAgents = (signatures: SignaturesFile, bus: BusClient | null): Agents => {
  const bootId = (): string => readBootId(root)
  const deps = { root, kernel, role: 'system', bootId, journalFolder: agentJournals(stateDir) } as const
  const cgroups = systemCgroups(deps, bus)
  const log = (text: string): void => console.error(logLine(text))
  const lifecycle = createLifecycle({
    root,
    role: 'system',
    stateDir,
    kernel,
    bootId,
    signatures: () => signatures,
    connectGuard: (onlyRunning) => {
      // systemd makes it with the guard's unit; without one nobody has.
      if (!onlyRunning && !existsSync(dirname(guardSocket))) mkdirSync(dirname(guardSocket), { recursive: true, mode: 0o700 })
      return connectGuard({
        socketPath: guardSocket,
        program: onlyRunning ? null : { path: guardProgramPath, role: 'system', journalDir: join(stateDir, 'journal'), wordsPath, configPath: '/etc/agentmem/guard.conf' },
        log,
      })
    },
    wordsPath,
    placer: cgroups.ok ? cgroups.value.placer : { missing: `${cgroups.error.message} It needs ${cgroups.error.expected ?? 'cgroup v2'}.` },
    reclaimProgram: reclaimProgramPath,
    log,
    onResumed: ({ agentId, cause, tookMs }, { uid }) => console.error(logLine(`audit: uid=${uid} resumed ${agentId} by ${cause} in ${Math.round(tookMs)} ms`)),
  })
  return {
    ...lifecycle,
    limits: cgroups.ok ? cgroupLimits(cgroups.value, deps, { guard: () => lifecycle.link.get(), log }) : null,
    limitAbility: cgroups.ok ? limitAbility(cgroups.value) : { how: null, text: cgroups.error.message },
  }
}

const createRuns = (trackers: (uid: number) => AgentTracker, agents: Lifecycle, followers: Pick<Followers, 'progress' | 'outcome'>): RunManager =>
  createRunManager({
    root,
    stateDir,
    kernel,
    guard: guardForRuns(agents.link, wordsPath),
    probe: () => readProbe(root),
    takeSnapshot: (uid, named) => trackers(uid).snapshot({ commandLines: false, privileged: true, named }),
    reclaimProgram: reclaimProgramPath,
    onProgress: followers.progress,
    onOutcome: followers.outcome,
  })

const tellRecovered = (records: readonly RunRecord[]): void => {
  for (const line of records.flatMap(recordLines)) console.error(line)
}

/** One that was killed is in the kernel for a moment still when the next begins. */
const ENDING_MS = 500
const ENDING_TRIES = 10

/** Tracing that a helper left behind which was killed: its instance of tracefs, and files of perf. */
const forgetTraces = async (): Promise<void> => {
  removeStaleFiles(runtimeDir)
  for (let tries = 0; tries < ENDING_TRIES; tries += 1) {
    const { removed, problems, left } = removeStaleInstances(root, kernel, (pid) => pid === process.pid || !hasEnded(root, pid))
    if (removed > 0) console.error(logLine(`removed ${removed} tracing ${removed === 1 ? 'instance' : 'instances'} left behind`))
    for (const problem of problems) console.error(logLine(`tracing left behind: ${problem}`))
    if (left === 0) return
    await sleep(ENDING_MS, undefined, { ref: false })
  }
}

/** --recover and --rollback-all: nobody is served. Limits that systemd knows it has to forget as well, or it sets them again; at boot there are none. */
const withoutService = async (): Promise<number> => {
  await forgetTraces()
  const signatures = signaturesOrStop()
  const bus = values['rollback-all'] && root === '/' && existsSync('/run/systemd/system') ? await openBus(values.bus) : null
  const agents = createAgents(signatures, bus?.ok === true ? bus.value : null)
  const runs = createRuns(createTrackers(signatures), agents, { progress: () => undefined, outcome: () => undefined })
  try {
    // Takes the lock: no other helper is at work from here on.
    tellRecovered(await runs.recover())
    const left = [...((await agents.limits?.undoAll()) ?? []), ...(await agents.rollbackAll())]
    for (const problem of left) console.error(`Not put back: ${problem}`)
    if (!values['rollback-all']) return left.length > 0 ? 1 : 0
    const undone = await runs.rollback(0)
    if (!undone.ok) {
      console.error(undone.error.message)
      return 1
    }
    tellRecovered(undone.value)
    const open = runs.runs(0)
    if (!open.ok) return 1
    const inForce = open.value.filter((summary) => {
      const record = runs.run(0, summary.id)
      return !record.ok || isInForce(record.value)
    })
    if (inForce.length > 0) console.error(`Not undone: ${inForce.map((run) => `${run.id} (${run.state})`).join(', ')}`)
    return inForce.length > 0 || left.length > 0 ? 1 : 0
  } finally {
    await runs.close()
    await agents.link.leave()
  }
}

const audit: Audit = (caller, method, result) =>
  console.error(logLine(`audit: uid=${caller.uid} pid=${caller.pid} ${method} ${result.ok ? 'ok' : `${result.error.code}: ${result.error.message}`}`))

const serve = async (bus: Bus): Promise<void> => {
  const startedAtMs = Date.now()
  const signatures = signaturesOrStop()
  const trackers = createTrackers(signatures)
  const followers = createFollowers((sender, signal, payload) => bus.signal(sender, signal, payload))
  const agents = createAgents(signatures, bus)
  const runs = createRuns(trackers, agents, followers)
  agents.link.onWord((word) => {
    console.error(logLine(`guard: ${word.what}: ${word.text}`))
    if (word.what !== 'undone' || word.runId === null) return
    runs.guardUndid(word.runId).catch((error: unknown) => console.error(error))
    agents.limits?.guardUndid(word.runId).catch((error: unknown) => console.error(error))
  })
  // Without the bus's id nothing kept can be trusted: then it is kept in memory alone.
  const busId = await bus.call({ destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', member: 'GetId' }, '', [])
  const id = busId.ok && typeof busId.value[0] === 'string' ? busId.value[0] : ''
  const authoriser = createAuthoriser(bus, createGrants(id === '' ? null : grantsPath, id))

  void forgetTraces()
  const tracer = createTracer({ root, kernel, runtimeDir, ownerOf: (process) => ownerOf(root, process) })
  const callerGone = (sender: string): void => {
    authoriser.forget(sender)
    tracer.callerGone(sender)
    for (const runId of followers.drop(sender)) runs.callerGone(runId).catch((error: unknown) => console.error(error))
  }
  /** Asks the bus to say when this caller leaves; once for each. */
  const watched = new Set<string>()
  const watch = async (sender: string): Promise<void> => {
    if (watched.has(sender)) return
    watched.add(sender)
    await bus.watch(sender, () => {
      watched.delete(sender)
      callerGone(sender)
    })
  }

  const recovery = createRecovery(async () => {
    for (const problem of (await agents.limits?.undoAll()) ?? []) console.error(logLine(`recovery of limits: ${problem}`))
    // First what stands still: it may hold up what the rest needs.
    for (const { agentId } of await agents.recover()) console.error(logLine(`recovered: ${agentId} runs again`))
    tellRecovered(await runs.recover())
  })
  /** Until what is left of an interrupted run is taken back, nothing else is changed. */
  const recovered = async <T>(then: () => Promise<Result<T>>): Promise<Result<T>> => {
    const may = await recovery.ready()
    return may.ok ? then() : may
  }
  /** Undoing is possible while recovery runs: it is what recovery does. */
  const unlessBroken = async <T>(then: () => Promise<Result<T>>): Promise<Result<T>> => (recovery.problem() === null ? then() : recovered(then))
  const openRunOf = (uid: number): string | null => {
    const id = runs.openRunId()
    return id !== null && runs.run(uid, id).ok ? id : null
  }
  const services: SystemServices = {
    runs: {
      ...runs,
      apply: (uid, request) => recovered(() => runs.apply(uid, request)),
      undo: (uid, request) => unlessBroken(() => runs.undo(uid, request)),
      rollback: (uid) => unlessBroken(() => runs.rollback(uid)),
    },
    status: (uid) => ({ protocolVersion: PROTOCOL_VERSION, version, role: 'system', pid: process.pid, startedAtMs, openRunId: openRunOf(uid), recoveryProblem: recovery.problem() }),
    probe: () => {
      const probe = readProbe(root)
      return ok({ probe, layers: layerStatus(probe) })
    },
    snapshot: async (uid, commandLines) => ok(await trackers(uid).snapshot({ commandLines, privileged: true })),
    evidence: () => ok(readRootView(root)),
    reclaim: (uid, processes, advice) => reclaim({ program: reclaimProgramPath, uid, processes, advice }),
    dropCaches: (level) => pruneCache({ root, kernel, tools: systemTools, level }),
    agents: createAgentServices({ root, lifecycle: agents, limits: agents.limits, limitAbility: agents.limitAbility, recovered }),
    trace: (caller, request) => tracer.run(caller, request),
    ownerOf: (process) => ownerOf(root, process),
    own: (runId, caller) => followers.own(runId, caller),
    follow: (runId, caller) => followers.follow(runId, caller),
    expectRun: (caller: Caller) => followers.expect(caller),
  }
  const dispatch = createDispatcher(services, authoriser, audit)

  const leave = async (): Promise<void> => {
    try {
      await runs.close()
      await agents.link.leave()
    } finally {
      bus.close()
    }
  }
  const idle = createIdleExit({
    idleMs: Number(values['idle-exit-seconds']) * 1000,
    mayExit: () => !recovery.running() && runs.openRunId() === null && !agents.busy() && (agents.limits?.inForce() ?? 0) === 0,
    release: () => bus.release(),
    claim: async () => {
      const again = await bus.serve(service)
      if (!again.ok) console.error(again.error.message)
    },
    // What is suspended stays so: the guard goes on without this program, and the next one takes over.
    onIdle: () => void leave(),
  })
  // Undoes no run: an open journal is taken back at the next start, which a restart or the boot unit brings. Limits do not outlive who watches them.
  const stopped = async (): Promise<void> => {
    try {
      if ((agents.limits?.inForce() ?? 0) > 0) for (const problem of (await agents.limits?.undoAll()) ?? []) console.error(logLine(`limits: ${problem}`))
    } finally {
      process.exit(0)
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stopped())

  const service: Service = {
    name: SYSTEM_BUS_NAME,
    path: SYSTEM_OBJECT_PATH,
    methods: Object.keys(systemRequests),
    signals: SYSTEM_SIGNALS,
    handle: async (call) => {
      const end = idle.begin()
      try {
        await watch(call.sender)
        return await dispatch(call)
      } finally {
        end()
      }
    },
  }
  const served = await bus.serve(service)
  if (!served.ok) return stop(`${served.error.message} ${served.error.advice ?? ''}`)
  console.error(`agentmem system helper ${version} on ${values.bus}`)
  await recovery.first
  const reason = await bus.closed
  idle.stop()
  console.error(`ending: ${reason}`)
  process.exit(reason === 'closed' ? 0 : 1)
}

if (values.recover || values['rollback-all']) process.exit(await withoutService())
const opened = await openBus(values.bus)
if (opened.ok) await serve(opened.value)
else stop(opened.error.message)
