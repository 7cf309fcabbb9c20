import { EventEmitter } from 'node:events'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail } from '../../../helper/contract/result.ts'
import {
  PROTOCOL_VERSION,
  SESSION_BUS_NAME,
  SESSION_OBJECT_PATH,
  sessionRequests,
  type SessionMethod,
  type SessionRequest,
  type SessionResponse,
} from '../../../helper/contract/requests.ts'
import type { HelperState } from '../../contract/views.ts'
import { readAnswer } from './answer.ts'
import { connectBus, type Bus } from './bus.ts'
import { startPrivateBus, type PrivateBus } from './private-bus.ts'
import { createSessionChild, type SessionChild } from './session-child.ts'

export interface SessionClient {
  call<M extends SessionMethod>(method: M, request: SessionRequest<M>): Promise<Result<SessionResponse<M>>>
  state(): HelperState['session']
  /** Why it is unreachable; null when it is not. */
  problem(): Failure | null
  onState(listener: (state: HelperState['session']) => void): () => void
  /** The bus in use, so that a second program of this user meets the same session role. */
  busAddress(): string | null
  /** True when this client started the session role, which ends with it. */
  isOwn(): boolean
  close(): void
}

export interface SessionOptions {
  /** null: no session bus in this environment, start one. */
  readonly address: string | null
  /** Where a session bus usually is, tried when `address` does not answer; null where there is no such socket. */
  readonly usualAddress?: string | null
  readonly runtimeDir: string
  readonly program: string
  /** False only where a test provides the session role itself. */
  readonly startChild: boolean
  /** For tests: how long the first call waits for a child. */
  readonly startWaitMs?: number
}

const TIMEOUT_MS = 60_000
/** Somebody may have to type a password before anything is done. */
const PASSWORD_MS = 5 * 60_000
/** Upper share of one agent: finding its working set, freezing, paging out a gigabyte with a slow compressor. */
const SUSPEND_MS = 60_000
const RESUME_MS = 20_000

/** Silence longer than this is a dead session role. Agents are treated one after another. */
export const timeoutOf = <M extends SessionMethod>(method: M, request: SessionRequest<M>): number => {
  const ids = 'ids' in request && Array.isArray(request.ids) ? request.ids.length : 50
  if (method === 'Suspend') return PASSWORD_MS + ids * SUSPEND_MS
  if (method === 'Resume') return TIMEOUT_MS + ids * RESUME_MS
  if (method === 'Limit' || method === 'SetPolicy' || method === 'AskToFree') return PASSWORD_MS
  return TIMEOUT_MS
}
/** How long the first call waits for a session role that was just started. */
const START_MS = 8_000
/** Once it has failed to start, nobody is kept waiting that long again. */
const RETRY_MS = 1_000

/** Connects to the session role; starts it, and a bus for it, where nobody else did. */
export const createSessionClient = (options: SessionOptions): SessionClient => {
  const events = new EventEmitter()
  let bus: Bus | null = null
  let ownBus: PrivateBus | null = null
  let child: SessionChild | null = null
  let ready: Promise<Result<Bus>> | null = null
  let state: HelperState['session'] = 'starting'
  let problem: Failure | null = null
  let lastLine = ''
  let starting: Promise<void> | null = null
  let ended = false
  /** Buses whose failure was said once. */
  const told = new Set<string>()

  const setState = (next: HelperState['session'], why: Failure | null): void => {
    problem = why
    if (next === state) return
    state = next
    events.emit('state', next)
  }

  const reachBus = async (): Promise<Result<Bus>> => {
    // A stale address in the environment is as good as none; `su` and old screens keep one.
    const known = new Set([options.address, options.usualAddress ?? null].filter((address) => address !== null))
    for (const address of known) {
      const made = await connectBus(address)
      if (made.ok) return made
      if (!told.has(address)) console.error(`${made.error.message} ${made.error.got ?? ''}`)
      told.add(address)
    }
    if (ownBus === null) {
      const started = await startPrivateBus(options.runtimeDir)
      if (!started.ok) return started
      ownBus = started.value
      if (ended) ownBus.close()
    }
    const made = await connectBus(ownBus.address)
    if (!made.ok) {
      ownBus.close()
      ownBus = null
    }
    return made
  }

  const connect = async (): Promise<Result<Bus>> => {
    const made = await reachBus()
    if (!made.ok) {
      setState('unreachable', made.error)
      return made
    }
    if (ended) {
      // Closed while connecting: nothing of it may stay.
      made.value.close()
      ownBus?.close()
      return fail('helper-gone', 'The app is closing.')
    }
    const connected = made.value
    bus = connected
    connected.onClosed(() => {
      bus = null
      ready = null
      child?.close()
      child = null
      if (!ended) setState('unreachable', { code: 'helper-gone', message: 'The session bus went away.' })
    })
    await connected.onOwner(SESSION_BUS_NAME, (owned) => {
      if (owned) setState('ready', null)
      else if (!ended) setState('starting', { code: 'helper-gone', message: 'The part that finds agents ended; it is being started again.' })
    })
    return made
  }

  const ensureOwner = async (to: Bus): Promise<void> => {
    const owned = await to.hasOwner(SESSION_BUS_NAME)
    if (!owned.ok || owned.value) return
    const startable = await to.canStart(SESSION_BUS_NAME)
    if ((startable.ok && startable.value) || !options.startChild || ended) return
    child ??= createSessionChild({ program: options.program, busAddress: to.address, onLine: (line) => { lastLine = line.slice(-500) } })
    child.ensure()
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        events.off('state', done)
        resolve()
      }
      const timer = setTimeout(done, options.startWaitMs ?? (state === 'unreachable' ? RETRY_MS : START_MS))
      events.on('state', done)
    })
  }

  return {
    state: () => state,
    problem: () => problem,
    async call<M extends SessionMethod>(method: M, request: SessionRequest<M>): Promise<Result<SessionResponse<M>>> {
      if (ended) return fail('helper-gone', 'The app is closing.')
      ready ??= connect()
      const to = await ready
      if (!to.ok) {
        ready = null
        return to
      }
      if (state !== 'ready') await (starting ??= ensureOwner(to.value).finally(() => { starting = null }))
      const answer = await to.value.call({ destination: SESSION_BUS_NAME, path: SESSION_OBJECT_PATH, member: method, json: JSON.stringify(request), interactive: false, timeoutMs: timeoutOf(method, request) })
      if (!answer.ok) {
        const { code } = answer.error
        if (code === 'helper-missing' || code === 'helper-gone') {
          setState(child?.running === true ? 'starting' : 'unreachable', {
            code,
            message: 'The part that finds your agents is not running.',
            ...(lastLine === '' ? {} : { got: lastLine }),
            advice: 'It is started again by itself; if this stays, restart the app from a terminal and look at what it prints.',
          })
          return { ok: false, error: problem ?? answer.error }
        }
        return answer
      }
      const read = readAnswer(method, answer.value, sessionRequests[method].response) as Result<SessionResponse<M>>
      if (read.ok) setState('ready', null)
      else if (read.error.code === 'too-old') setState('unreachable', { ...read.error, expected: `protocol ${PROTOCOL_VERSION}` })
      return read
    },
    onState(listener) {
      events.on('state', listener)
      return () => { events.off('state', listener) }
    },
    busAddress: () => bus?.address ?? null,
    isOwn: () => child !== null,
    close() {
      ended = true
      child?.close()
      bus?.close()
      ownBus?.close()
      events.removeAllListeners()
    },
  }
}
