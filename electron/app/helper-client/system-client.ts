import { EventEmitter } from 'node:events'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail } from '../../../helper/contract/result.ts'
import {
  PROTOCOL_VERSION,
  SYSTEM_BUS_NAME,
  SYSTEM_OBJECT_PATH,
  systemRequests,
  type SystemMethod,
  type SystemRequest,
  type SystemResponse,
} from '../../../helper/contract/requests.ts'
import { outcomeSchema, progressSchema, type Outcome, type Progress } from '../../../helper/contract/runs.ts'
import type { HelperState } from '../../contract/views.ts'
import { readAnswer } from './answer.ts'
import { connectBus, type Bus, type BusSignal } from './bus.ts'

export type SystemState = Pick<HelperState, 'system' | 'systemVersion'>

export interface SystemClient {
  call<M extends SystemMethod>(method: M, request: SystemRequest<M>): Promise<Result<SystemResponse<M>>>
  /** Last known state; `refresh` looks again without starting the helper when it sleeps. */
  state(): SystemState
  refresh(): Promise<SystemState>
  onProgress(listener: (progress: Progress) => void): () => void
  onOutcome(listener: (outcome: Outcome) => void): () => void
  /** The helper left the bus: it went to sleep, or it died. */
  onGone(listener: () => void): () => void
  onState(listener: (state: SystemState) => void): () => void
  close(): void
}

/** swapoff, unmerge and a password dialog each take minutes; the helper reports progress meanwhile. */
const LONG_MS = 30 * 60_000
const SHORT_MS = 60_000
const changing: ReadonlySet<SystemMethod> = new Set(['Apply', 'Keep', 'Undo', 'Rollback', 'Cancel', 'Reclaim', 'DropCaches', 'TraceRun'])

export const createSystemClient = (address: string): SystemClient => {
  const events = new EventEmitter<{ progress: [Progress]; outcome: [Outcome]; gone: []; state: [SystemState] }>()
  events.setMaxListeners(0)
  let bus: Bus | null = null
  let connecting: Promise<Result<Bus>> | null = null
  let state: SystemState = { system: 'unreachable', systemVersion: null }
  let ended = false

  const setState = (next: SystemState): SystemState => {
    const changed = next.system !== state.system || next.systemVersion !== state.systemVersion
    state = next
    if (changed) events.emit('state', next)
    return next
  }

  const parse = (body: readonly unknown[]): unknown => {
    try {
      return JSON.parse(String(body[0]))
    } catch {
      return null
    }
  }

  const heard = (signal: BusSignal): void => {
    if (signal.path !== SYSTEM_OBJECT_PATH) return
    if (signal.member === 'Progress') {
      const progress = progressSchema.safeParse(parse(signal.body))
      if (progress.success) events.emit('progress', progress.data)
    } else if (signal.member === 'Outcome') {
      const outcome = outcomeSchema.safeParse(parse(signal.body))
      if (outcome.success) events.emit('outcome', outcome.data)
    }
  }

  const connect = async (): Promise<Result<Bus>> => {
    if (bus !== null && !bus.closed) return { ok: true, value: bus }
    connecting ??= (async () => {
      const made = await connectBus(address)
      connecting = null
      if (!made.ok) {
        setState({ system: 'no-bus', systemVersion: null })
        return made
      }
      const connected = made.value
      if (ended) {
        connected.close()
        return fail('helper-gone', 'The app is closing.')
      }
      bus = connected
      connected.onSignal(heard)
      await connected.onOwner(SYSTEM_BUS_NAME, (owned) => { if (!owned) events.emit('gone') })
      connected.onClosed(() => { if (!ended) { setState({ system: 'no-bus', systemVersion: null }); events.emit('gone') } })
      return made
    })()
    return connecting
  }

  const send = async <M extends SystemMethod>(method: M, request: SystemRequest<M>): Promise<Result<SystemResponse<M>>> => {
    const to = await connect()
    if (!to.ok) return to
    const answer = await to.value.call({
      destination: SYSTEM_BUS_NAME,
      path: SYSTEM_OBJECT_PATH,
      member: method,
      json: JSON.stringify(request),
      interactive: changing.has(method),
      timeoutMs: changing.has(method) ? LONG_MS : SHORT_MS,
    })
    if (!answer.ok) {
      if (answer.error.code === 'helper-missing') setState({ system: 'not-installed', systemVersion: null })
      return answer
    }
    return readAnswer(method, answer.value, systemRequests[method].response) as Result<SystemResponse<M>>
  }

  const checkVersion = async (): Promise<SystemState> => {
    const status = await send('Status', {})
    if (!status.ok) {
      if (status.error.code === 'too-old') return setState({ system: 'too-old', systemVersion: null })
      return status.error.code === 'helper-missing' ? state : setState({ system: 'unreachable', systemVersion: null })
    }
    const { protocolVersion, version } = status.value
    return setState({ system: protocolVersion === PROTOCOL_VERSION ? 'ready' : 'too-old', systemVersion: version })
  }


  return {
    state: () => state,
    async call(method, request) {
      if (state.systemVersion === null && method !== 'Status') await checkVersion()
      if (state.system === 'too-old') {
        return fail('too-old', 'The installed helper speaks another version of the protocol than this app.', {
          expected: `protocol ${PROTOCOL_VERSION}`,
          got: `helper ${state.systemVersion ?? 'unknown'}`,
          advice: 'Install the helper again in Settings.',
        })
      }
      return send(method, request)
    },
    async refresh() {
      const to = await connect()
      if (!to.ok) return state
      const owned = await to.value.hasOwner(SYSTEM_BUS_NAME)
      const startable = await to.value.canStart(SYSTEM_BUS_NAME)
      if (!owned.ok || !startable.ok) return setState({ system: 'unreachable', systemVersion: null })
      if (!owned.value && !startable.value) return setState({ system: 'not-installed', systemVersion: null })
      // Once its version is known, a sleeping helper is left asleep.
      return state.system === 'ready' ? state : checkVersion()
    },
    onProgress(listener) {
      events.on('progress', listener)
      return () => { events.off('progress', listener) }
    },
    onOutcome(listener) {
      events.on('outcome', listener)
      return () => { events.off('outcome', listener) }
    },
    onGone(listener) {
      events.on('gone', listener)
      return () => { events.off('gone', listener) }
    },
    onState(listener) {
      events.on('state', listener)
      return () => { events.off('state', listener) }
    },
    close() {
      ended = true
      bus?.close()
      events.removeAllListeners()
    },
  }
}
