import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadSignaturesOrBuiltIn } from './agents/signatures.ts'
import { createAgentTracker } from './agents/tracker.ts'
import { openBus } from './bus.ts'
import type { Call, Service } from './bus.ts'
import type { Failure, Result } from './contract/errors.ts'
import { fail, ok } from './contract/errors.ts'
import { PROTOCOL_VERSION, SESSION_BUS_NAME, SESSION_OBJECT_PATH, sessionRequests } from './contract/requests.ts'
import type { SessionMethod, SessionRequest, SessionResponse } from './contract/requests.ts'
import { parseRequest } from './dispatch.ts'
import { createIdleExit } from './idle.ts'
import { builtInSignaturesPath, programVersion } from './places.ts'

/**
 * The session role: finds the user's own agents and answers on the session
 * bus, where everybody is the same user. It needs no privilege and writes
 * nothing.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    bus: { type: 'string', default: process.env['DBUS_SESSION_BUS_ADDRESS'] ?? `unix:path=${process.env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.()}`}/bus` },
    'idle-exit-seconds': { type: 'string', default: '300' },
  },
})

type Handlers = { [M in SessionMethod]: (request: SessionRequest<M>) => Promise<Result<SessionResponse<M>>> | Result<SessionResponse<M>> }

const isSessionMethod = (name: string): name is SessionMethod => Object.hasOwn(sessionRequests, name)

const ownSignaturesPath = join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'agentmem', 'agents.json')

const stop = (message: string): never => {
  console.error(message)
  process.exit(1)
}

const main = async (): Promise<void> => {
  const startedAtMs = Date.now()
  const version = programVersion()
  const first = loadSignaturesOrBuiltIn(builtInSignaturesPath, ownSignaturesPath)
  if (!first.ok) return stop(`${first.error.message} ${first.error.advice ?? ''}`)
  const tell = (problem: Failure | null): void => {
    if (problem !== null) console.error(`${problem.message} ${problem.got ?? ''}`)
  }
  tell(first.value.problem)
  const tracker = createAgentTracker({ root: values.root, signatures: first.value.signatures, uid: process.getuid?.() ?? null })

  const handlers: Handlers = {
    Status: () => ok({ protocolVersion: PROTOCOL_VERSION, version, role: 'session', pid: process.pid, startedAtMs, openRunId: null }),
    Snapshot: async ({ commandLines }) => ok(await tracker.snapshot({ commandLines, privileged: process.getuid?.() === 0 })),
    Agents: () => ok(tracker.look()),
    ReloadSignatures: () => {
      const again = loadSignaturesOrBuiltIn(builtInSignaturesPath, ownSignaturesPath)
      if (!again.ok) return again
      tell(again.value.problem)
      tracker.setSignatures(again.value.signatures)
      return ok({ kinds: again.value.signatures.agents.map((signature) => signature.kind), problem: again.value.problem?.message ?? null })
    },
  }
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
  const claim = () => bus.serve(service)
  const idle = createIdleExit({
    idleMs: Number(values['idle-exit-seconds']) * 1000,
    mayExit: () => true,
    release: () => bus.release(),
    claim: async () => {
      const again = await claim()
      // Another one was started in between: it answers from now on.
      if (!again.ok) bus.close()
    },
    onIdle: () => bus.close(),
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => bus.close())
  const service: Service = {
    name: SESSION_BUS_NAME,
    path: SESSION_OBJECT_PATH,
    methods: Object.keys(sessionRequests),
    signals: [],
    handle: async (call) => {
      const end = idle.begin()
      try {
        return JSON.stringify(await answer(call))
      } finally {
        end()
      }
    },
  }
  const served = await claim()
  if (!served.ok) return stop(served.error.message)
  console.error(`agentmem session helper ${version} on ${values.bus}`)
  await bus.closed
  idle.stop()
}

await main()
