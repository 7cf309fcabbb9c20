import { parseArgs } from 'node:util'
import { pruneCache } from './actions/prune-cache.ts'
import { reclaim } from './actions/reclaim.ts'
import { loadSignatures } from './agents/signatures.ts'
import { createAgentTracker } from './agents/tracker.ts'
import type { AgentTracker } from './agents/tracker.ts'
import { createAuthoriser } from './authorize.ts'
import type { Caller } from './authorize.ts'
import { openBus } from './bus.ts'
import type { Bus, Service } from './bus.ts'
import { createRunManager } from './change/run-manager.ts'
import type { RunManager } from './change/run-manager.ts'
import { createKernelFiles } from './change/write.ts'
import type { SignaturesFile } from './contract/agents.ts'
import { ok } from './contract/errors.ts'
import type { Result } from './contract/errors.ts'
import { PROTOCOL_VERSION, SYSTEM_BUS_NAME, SYSTEM_OBJECT_PATH, SYSTEM_SIGNALS, systemRequests } from './contract/requests.ts'
import type { RunRecord } from './contract/runs.ts'
import { createDispatcher } from './dispatch.ts'
import type { Audit, SystemServices } from './dispatch.ts'
import { createFollowers } from './followers.ts'
import type { Followers } from './followers.ts'
import { createIdleExit } from './idle.ts'
import { systemTools } from './layers/compressed-swap/system-tools.ts'
import { isInForce, logLine, recordLines } from './log.ts'
import { layerStatus } from './observe/layer-status.ts'
import { readProbe } from './observe/probe.ts'
import { ownerOf } from './owner.ts'
import { builtInSignaturesPath, programVersion, reclaimProgramPath } from './places.ts'
import { createRecovery } from './recovery.ts'

/** The system role: root, on the system bus. Wiring only. */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    'state-dir': { type: 'string', default: '/var/lib/agentmem' },
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

const createRuns = (trackers: (uid: number) => AgentTracker, followers: Pick<Followers, 'progress' | 'outcome'>): RunManager =>
  createRunManager({
    root,
    stateDir: values['state-dir'],
    kernel,
    probe: () => readProbe(root),
    takeSnapshot: (uid, named) => trackers(uid).snapshot({ commandLines: false, privileged: true, named }),
    reclaimProgram: reclaimProgramPath,
    onProgress: followers.progress,
    onOutcome: followers.outcome,
  })

const tellRecovered = (records: readonly RunRecord[]): void => {
  for (const line of records.flatMap(recordLines)) console.error(line)
}

/** Without a bus: --recover and --rollback-all. */
const withoutBus = async (): Promise<number> => {
  const runs = createRuns(createTrackers(signaturesOrStop()), { progress: () => undefined, outcome: () => undefined })
  try {
    tellRecovered(await runs.recover())
    if (!values['rollback-all']) return 0
    const undone = await runs.rollback(0)
    if (!undone.ok) {
      console.error(undone.error.message)
      return 1
    }
    tellRecovered(undone.value)
    const left = runs.runs(0)
    if (!left.ok) return 1
    const inForce = left.value.filter((summary) => {
      const record = runs.run(0, summary.id)
      return !record.ok || isInForce(record.value)
    })
    if (inForce.length > 0) console.error(`Not undone: ${inForce.map((run) => `${run.id} (${run.state})`).join(', ')}`)
    return inForce.length > 0 ? 1 : 0
  } finally {
    await runs.close()
  }
}

const audit: Audit = (caller, method, result) =>
  console.error(logLine(`audit: uid=${caller.uid} pid=${caller.pid} ${method} ${result.ok ? 'ok' : `${result.error.code}: ${result.error.message}`}`))

const serve = async (bus: Bus): Promise<void> => {
  const startedAtMs = Date.now()
  const trackers = createTrackers(signaturesOrStop())
  const followers = createFollowers((sender, signal, payload) => bus.signal(sender, signal, payload))
  const runs = createRuns(trackers, followers)
  const authoriser = createAuthoriser(bus)

  const callerGone = (sender: string): void => {
    authoriser.forget(sender)
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

  const recovery = createRecovery(() => runs.recover().then(tellRecovered))
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
    reclaim: (uid, processes, advice) => reclaim({ program: reclaimProgramPath, uid, processes, advice }),
    dropCaches: (level) => pruneCache({ root, kernel, tools: systemTools, level }),
    ownerOf: (process) => ownerOf(root, process),
    own: (runId, caller) => followers.own(runId, caller),
    follow: (runId, caller) => followers.follow(runId, caller),
    expectRun: (caller: Caller) => followers.expect(caller),
  }
  const dispatch = createDispatcher(services, authoriser, audit)

  const idle = createIdleExit({
    idleMs: Number(values['idle-exit-seconds']) * 1000,
    mayExit: () => !recovery.running() && runs.openRunId() === null,
    release: () => bus.release(),
    claim: async () => {
      const again = await bus.serve(service)
      if (!again.ok) console.error(again.error.message)
    },
    onIdle: () => void runs.close().finally(() => bus.close()),
  })
  // Undoes nothing: an open journal is taken back at the next start, which a restart or the boot unit brings.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))

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

if (values.recover || values['rollback-all']) process.exit(await withoutBus())
const opened = await openBus(values.bus)
if (opened.ok) await serve(opened.value)
else stop(opened.error.message)
