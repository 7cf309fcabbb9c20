import { userInfo } from 'node:os'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { createSampler } from './agents/activity/sampler.ts'
import { mixedBackend, openOwnCgroups, type OwnCgroups } from './agents/cgroups/own-backend.ts'
import { createActivityWatch } from './agents/policy/activity-watch.ts'
import { systemBackend } from './agents/policy/backend.ts'
import { createKeeper } from './agents/policy/keeper.ts'
import { nextLookMs, startLoop, type Loop } from './agents/policy/loop.ts'
import { loadPolicy, savePolicy } from './agents/policy/policy-file.ts'
import { createPolicyEngine } from './agents/policy/policy.ts'
import { createTrimTally } from './agents/policy/trim-tally.ts'
import { createStanding } from './agents/policy/standing.ts'
import { createWatch } from './agents/policy/watch.ts'
import { createRegistry, launchedBy } from './agents/registry/registry.ts'
import { createSaver } from './agents/registry/saver.ts'
import { openSpool } from './agents/registry/spool.ts'
import { createRegistryStore } from './agents/registry/store.ts'
import { loadSignaturesOrBuiltIn } from './agents/signatures.ts'
import { createAgentTracker } from './agents/tracker.ts'
import { openBus } from './bus.ts'
import type { Call, Service } from './bus.ts'
import type { AgentId } from './contract/agents.ts'
import type { Failure, Result } from './contract/errors.ts'
import { fail, ok } from './contract/result.ts'
import type { LifecycleCause, LifecycleEvent } from './contract/lifecycle.ts'
import { PROTOCOL_VERSION, SESSION_BUS_NAME, SESSION_OBJECT_PATH, sessionRequests } from './contract/requests.ts'
import type { SessionMethod } from './contract/requests.ts'
import { parseRequest } from './dispatch.ts'
import { createIdleExit } from './idle.ts'
import { readMergeable } from './observe/process.ts'
import { builtInSignaturesPath, guardProgramPath, programVersion } from './places.ts'
import { createSessionExtras } from './session-extras.ts'
import { createSessionHandlers } from './session-handlers.ts'
import { sessionPlaces } from './session-places.ts'
import { createSystemClient, systemBusAddress } from './system-client.ts'
import { createTidy } from './tidy.ts'

/**
 * The session role: finds the user's own agents, knows what each does, and
 * suspends, trims and limits them as the user or the policy says. It answers
 * on the session bus, where everybody is the same user, and needs no privilege:
 * what does is asked of the system role.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    bus: { type: 'string', default: process.env['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${process.env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.()}`}/bus` },
    'idle-exit-seconds': { type: 'string', default: '300' },
  },
})

const isSessionMethod = (name: string): name is SessionMethod => Object.hasOwn(sessionRequests, name)

const stop = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const tell = (problem: Failure | null): void => {
  if (problem !== null) console.error(`${problem.message} ${problem.got ?? ''}`)
}

/** Started by systemd, an end is a logout; as a child of the window it is the window's end. */
const causeOfEnd = (): LifecycleCause => (process.env['INVOCATION_ID'] === undefined ? 'owner-gone' : 'logout')

const main = async (): Promise<void> => {
  const { root } = values
  const startedAtMs = Date.now()
  const version = programVersion()
  const uid = process.getuid?.() ?? null
  const places = sessionPlaces()
  const first = loadSignaturesOrBuiltIn(builtInSignaturesPath, places.signatures)
  if (!first.ok) return stop(`${first.error.message} ${first.error.advice ?? ''}`)
  tell(first.value.problem)

  const { signatures } = first.value
  const tracker = createAgentTracker({ root, signatures, uid })
  const sampler = createSampler({ root, signatures, uid })
  const store = createRegistryStore(places.registry)
  const { kept, problem } = store.load()
  tell(problem)
  const spool = openSpool({ folder: places.spool })
  let { lastWordMs } = kept

  const onEvent = (event: Omit<LifecycleEvent, 'seq'>): void => {
    const added = spool.add(event)
    if (!added.ok) tell(added.error)
    saver.soon()
  }
  const registry = createRegistry({
    kept,
    nowMs: Date.now,
    foundBy: (agent) => launchedBy(agent, readMergeable(root, agent.pid).value),
    onEvent,
  })
  const saver = createSaver(() => tell(save()))
  const save = (): Failure | null => {
    const saved = store.save({ ...registry.kept(), lastWordMs })
    return saved.ok ? null : saved.error
  }
  const client = createSystemClient(systemBusAddress())
  const backend = mixedBackend(systemBackend(client))
  let own: OwnCgroups | null = null
  const keeper = createKeeper({
    backend,
    registry,
    root,
    nowMs: Date.now,
    lastWordMs,
    onWord: (word) => {
      lastWordMs = Math.max(lastWordMs, word.atMs)
      const agent = word.agentId === null ? undefined : registry.get(word.agentId)?.agent
      onEvent({ agentId: word.agentId, title: agent?.title ?? '', name: agent?.name ?? '', transition: null, suspension: null, resumed: null, word, text: word.text, atMs: word.atMs })
    },
  })
  const extras = createSessionExtras({ root, signatures, uid, places, registry, onEvent, tell, look: () => watch.look() })
  const watch = createWatch({ tracker, registry, activity: createActivityWatch(sampler, extras.note), hookOf: extras.hooks.of, privileged: uid === 0, monotonicMs: () => performance.now() })
  const loaded = loadPolicy(places.policy)
  let policyProblem = loaded.problem
  if (policyProblem !== null) console.error(policyProblem)
  const trims = createTrimTally({ nowMs: Date.now, onEvent })
  const onTrimmed = (id: AgentId, wonBytes: number): void => {
    const agent = registry.get(id)?.agent
    if (agent !== undefined) trims.add(agent, wonBytes)
  }
  const engine = createPolicyEngine({ policy: loaded.policy, registry, keeper, trees: watch.trees, ask: extras.ask, onTrimmed, root, nowMs: Date.now })

  const { gc } = globalThis
  const tidy = createTidy(gc === undefined ? undefined : (how) => { gc(how) })
  let loop: Loop | null = null
  const lookSoon = (): void => loop?.soon()
  const stand = createStanding({ policy: engine.policy, registry, keeper, places: () => own, tell: (text) => console.error(text), nowMs: Date.now })
  const handlers = createSessionHandlers({
    root,
    watch,
    registry,
    keeper,
    engine,
    spool,
    status: () => ({ protocolVersion: PROTOCOL_VERSION, version, role: 'session', pid: process.pid, startedAtMs, openRunId: null }),
    reloadSignatures: () => {
      const again = loadSignaturesOrBuiltIn(builtInSignaturesPath, places.signatures)
      if (!again.ok) return again
      tell(again.value.problem)
      tracker.setSignatures(again.value.signatures)
      sampler.setSignatures(again.value.signatures)
      extras.setSignatures(again.value.signatures)
      return ok({ kinds: again.value.signatures.agents.map((signature) => signature.kind), problem: again.value.problem?.message ?? null })
    },
    policyProblem: () => policyProblem,
    setPolicy: async (policy) => {
      const saved = savePolicy(places.policy, policy)
      if (!saved.ok) return saved
      const before = engine.policy().budgetBytes
      policyProblem = null
      engine.set(policy)
      if (before !== policy.budgetBytes) {
        const limited = await keeper.limit(null, { highBytes: policy.budgetBytes }, 'user', true)
        if (!limited.ok) return limited
      }
      lookSoon()
      return saved
    },
    changed: () => {
      saver.soon()
      lookSoon()
    },
    extra: extras.handlers,
  })
  const answer = async (call: Call): Promise<Result<unknown>> => {
    if (!isSessionMethod(call.method)) return fail('bad-request', `There is no request ${call.method}.`)
    const parsed = parseRequest(call.method, call.text, sessionRequests[call.method].request)
    if (!parsed.ok) return parsed
    // The request was parsed by the schema of this very method: the pair belongs together.
    const handler = handlers[call.method] as (request: unknown) => Promise<Result<unknown>> | Result<unknown>
    return handler(parsed.value)
  }

  const opened = await openBus(values.bus)
  if (!opened.ok) return stop(opened.error.message)
  const bus = opened.value
  if (uid !== null && places.runtime !== null) {
    const mine = await openOwnCgroups({ root, bus, user: { uid, name: userInfo().username }, stateDir: places.state, runtimeDir: places.runtime, guardProgram: guardProgramPath, signatures: () => signatures, log: (text) => console.error(text) })
    if (mine.ok) {
      own = mine.value
      backend.use(own)
    }
  }
  const claim = () => bus.serve(service)
  const anySuspended = (): boolean => registry.all().some(({ entry }) => entry.suspension !== null)
  const running = (): number => registry.all().filter(({ entry }) => entry.state !== 'gone' && entry.suspension === null).length
  const idle = createIdleExit({
    idleMs: Number(values['idle-exit-seconds']) * 1000,
    // The policy needs nobody who watches, only agents; and who froze an agent stays until it runs.
    mayExit: () => !anySuspended() && own?.busy() !== true && !(engine.acts() && running() > 0),
    release: () => bus.release(),
    claim: async () => {
      const again = await claim()
      // Another one was started in between: it answers from now on.
      if (!again.ok) bus.close()
    },
    onIdle: () => bus.close(),
  })

  let ending = false
  const end = async (cause: LifecycleCause): Promise<void> => {
    if (ending) return
    ending = true
    trims.end()
    // Nothing stays frozen without somebody who answers for it.
    if (anySuspended()) await keeper.resume(null, cause)
    await own?.close()
    bus.close()
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => void end(causeOfEnd()))
  client.onEndOfUse((why) => {
    if (anySuspended()) void keeper.resume(null, why)
  })
  client.onGone(() => {
    if (anySuspended() && !ending) lookSoon()
  })

  const service: Service = {
    name: SESSION_BUS_NAME,
    path: SESSION_OBJECT_PATH,
    methods: Object.keys(sessionRequests),
    signals: [],
    handle: async (call) => {
      const done = idle.begin()
      try {
        return JSON.stringify(await answer(call))
      } finally {
        done()
      }
    },
  }
  const served = await claim()
  if (!served.ok) return stop(served.error.message)
  console.error(`agentmem session helper ${version} on ${values.bus}`)
  loop = startLoop(async () => {
    await watch.look()
    extras.hooks.keep(new Set(registry.all().map(({ entry }) => entry.id)))
    // Before the first answer nothing is known of those that an earlier one of us suspended.
    if (keeper.check() || (keeper.refreshedAtMs() === null && anySuspended())) await keeper.refresh()
    await engine.step()
    trims.look()
    await stand()
    // Logind says on the system bus when the machine is about to sleep.
    if (anySuspended()) await client.connect()
    tidy()
    return nextLookMs({ running: running(), acts: engine.acts() })
  }, (error) => console.error(error))
  const hookServer = await extras.listen((id) => {
    // Words come with every tool call; only one that changes the state is worth a look.
    const entry = id === null ? null : registry.get(id)?.entry
    if (entry !== null && entry !== undefined && id !== null && (entry.state === 'active') !== (extras.hooks.of(id)?.turn === 'working')) lookSoon()
  })
  console.error(await bus.closed)
  await end('logout')
  loop.stop()
  idle.stop()
  hookServer?.close()
  saver.stop()
  tell(save())
  client.close()
}

await main()
