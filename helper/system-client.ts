import type { z } from 'zod'
import { openBus, type Bus } from './bus.ts'
import { resultSchema, type ErrorCode, type Failure, type Result } from './contract/errors.ts'
import { fail } from './contract/result.ts'
import { SYSTEM_BUS_NAME, SYSTEM_OBJECT_PATH, systemRequests, type SystemMethod, type SystemRequest, type SystemResponse } from './contract/requests.ts'

/** Why everything has to run again at once. */
export type EndOfUse = 'machine-sleep' | 'logout'

/** The session role's one connection to the system role: what the user allowed is remembered for this connection. */
export interface SystemClient {
  /** `mayAsk`: the user pressed a button and can be asked for a password. */
  call<M extends SystemMethod>(method: M, request: SystemRequest<M>, mayAsk: boolean): Promise<Result<SystemResponse<M>>>
  /** Connects, so that `onEndOfUse` is heard, without calling anybody. */
  connect(): Promise<void>
  /** The helper left the bus, or the bus itself went: to sleep, or dead. */
  onGone(listener: () => void): void
  /** The machine is about to sleep or to shut down, as logind says. */
  onEndOfUse(listener: (why: EndOfUse) => void): void
  close(): void
}

/** DBUS_SYSTEM_BUS_ADDRESS moves it, for tests. */
export const systemBusAddress = (env: NodeJS.ProcessEnv = process.env): string => env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket'

/** Paging out a large agent takes tens of seconds, a password dialog minutes. */
const LONG_MS = 10 * 60_000
const SHORT_MS = 60_000

const LOGIND = { sender: 'org.freedesktop.login1', interface: 'org.freedesktop.login1.Manager' }

/** What an error of the bus means here. Names are of the D-Bus specification. */
const codeOf = (name: string): ErrorCode => {
  const last = name.slice(name.lastIndexOf('.') + 1)
  if (last === 'ServiceUnknown' || last === 'NameHasNoOwner' || name.includes('.Spawn.')) return 'helper-missing'
  if (last === 'NoReply' || last === 'Disconnected' || last === 'Timeout' || last === 'TimedOut') return 'helper-gone'
  if (last === 'UnknownMethod' || last === 'UnknownInterface' || last === 'UnknownObject') return 'too-old'
  return last === 'AccessDenied' ? 'authorization-denied' : 'internal'
}

const sayOf: Partial<Record<ErrorCode, Pick<Failure, 'message' | 'advice'>>> = {
  'helper-missing': { message: 'The system helper is not installed.', advice: 'Install it in Settings: suspending and limiting agents needs it on this computer.' },
  'helper-gone': { message: 'The system helper ended before it answered.', advice: 'Try again: it is started again by itself, and takes back what was left open.' },
  'too-old': { message: 'The installed system helper does not know this request.', advice: 'Install the helper again in Settings.' },
  'authorization-denied': { message: 'The message bus does not let this user talk to the system helper.', advice: 'Install the helper again: its bus policy is missing or not loaded.' },
}

/** An answer in time, or a failure in its place. */
const within = async (timeoutMs: number, answer: Promise<Result<unknown[]>>, method: string): Promise<Result<unknown[]>> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Result<unknown[]>>((resolve) => {
    timer = setTimeout(() => resolve(fail('helper-gone', `The system helper did not answer ${method} within ${timeoutMs / 1000} s.`, { about: method })), timeoutMs)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

const tooOld = (method: string, got: string) =>
  fail('too-old', `The system helper answered ${method} in a form not known here.`, { about: method, got, advice: 'Install the helper again in Settings.' })

/** A schema for an answer is put together once a method. */
const schemas = new Map<SystemMethod, z.ZodType>()

/** The JSON text of an answer as a Result of the contract. */
export const readSystemAnswer = <M extends SystemMethod>(method: M, body: readonly unknown[]): Result<SystemResponse<M>> => {
  let json: unknown
  try {
    json = JSON.parse(String(body[0]))
  } catch {
    return tooOld(method, 'text that is not JSON')
  }
  const schema = schemas.get(method) ?? resultSchema(systemRequests[method].response)
  schemas.set(method, schema)
  const parsed = schema.safeParse(json)
  // The schema is made of this very method's answer.
  return parsed.success ? (parsed.data as Result<SystemResponse<M>>) : tooOld(method, `${parsed.error.issues[0]?.path.join('.') ?? ''}: ${parsed.error.issues[0]?.message ?? ''}`)
}

/** Connects with the first call, and again after the bus went away. */
export const createSystemClient = (address: string): SystemClient => {
  let bus: Promise<Result<Bus>> | null = null
  let ended = false
  const gone: (() => void)[] = []
  const endOfUse: ((why: EndOfUse) => void)[] = []
  const tellGone = (): void => { for (const listener of gone) listener() }

  const connect = async (): Promise<Result<Bus>> => {
    const opened = await openBus(address)
    if (!opened.ok) return opened
    const made = opened.value
    void made.closed.then(() => {
      bus = null
      if (!ended) tellGone()
    })
    await made.listen({ sender: 'org.freedesktop.DBus', interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged', arg0: SYSTEM_BUS_NAME }, ([, , owner]) => {
      if (owner === '') tellGone()
    })
    for (const [member, why] of [['PrepareForSleep', 'machine-sleep'], ['PrepareForShutdown', 'logout']] as const) {
      await made.listen({ ...LOGIND, member }, ([begins]) => {
        if (begins === true) for (const listener of endOfUse) listener(why)
      })
    }
    return opened
  }
  const reach = async (): Promise<Result<Bus>> => {
    bus ??= connect()
    const reached = await bus
    if (!reached.ok) bus = null
    return reached
  }

  return {
    call: async (method, request, mayAsk) => {
      if (ended) return fail('helper-gone', 'This program is about to end.')
      const reached = await reach()
      if (!reached.ok) return reached
      const to = { destination: SYSTEM_BUS_NAME, path: SYSTEM_OBJECT_PATH, interface: SYSTEM_BUS_NAME, member: method }
      const looking = systemRequests[method].action === 'org.agentmem.look'
      const lost = reached.value.closed.then(() => fail('helper-gone', 'The system message bus went away.'))
      const reply = await within(looking && method !== 'Resume' ? SHORT_MS : LONG_MS, Promise.race([reached.value.call(to, 's', [JSON.stringify(request)], { mayAsk }), lost]), method)
      if (reply.ok) return readSystemAnswer(method, reply.value)
      if (reply.error.code !== 'internal') return reply
      const code = codeOf(reply.error.got ?? '')
      const { message, advice } = sayOf[code] ?? { message: `The system helper refused ${method}: ${reply.error.message}` }
      return fail(code, message, { about: method, got: `${reply.error.got ?? ''}: ${reply.error.message}`, ...(advice === undefined ? {} : { advice }) })
    },
    connect: async () => {
      if (!ended) await reach()
    },
    onGone: (listener) => { gone.push(listener) },
    onEndOfUse: (listener) => { endOfUse.push(listener) },
    close: () => {
      ended = true
      void bus?.then((opened) => { if (opened.ok) opened.value.close() })
    },
  }
}
