import { EventEmitter } from 'node:events'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { Message, MessageType, sessionBus, type MessageBus } from 'dbus-next'
import { z } from 'zod'
import { plainAddresses } from '../../../helper/contract/bus-address.ts'
import type { ErrorCode, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { errnoOf, messageOf } from '../files.ts'

/** The standard place; DBUS_SYSTEM_BUS_ADDRESS moves it, for tests. */
export const systemBusAddress = (env: NodeJS.ProcessEnv = process.env): string =>
  env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket'

/** Where systemd puts the user's session bus: tried when the environment names none, or one that is gone. */
export const usualSessionBus = (env: NodeJS.ProcessEnv = process.env): string | null => {
  const path = join(env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.() ?? 0}`, 'bus')
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isSocket() === true && found.uid === process.getuid?.() ? `unix:path=${path}` : null
}

/** D-Bus spec: lets the service ask for a password; without it polkit may only say that one would do. */
const ALLOW_INTERACTIVE = 4

export interface BusCall {
  readonly destination: string
  readonly path: string
  readonly member: string
  /** One JSON string in; none for methods of the bus itself. */
  readonly json: string | null
  readonly interactive: boolean
  /** Undo and unmerge can take minutes; silence longer than this is a dead helper. */
  readonly timeoutMs: number
}

export interface BusSignal {
  readonly path: string
  readonly member: string
  readonly sender: string
  readonly body: readonly unknown[]
}

export interface Bus {
  readonly address: string
  call(request: BusCall): Promise<Result<string>>
  /** True when some process owns the name now; asking does not start one. */
  hasOwner(name: string): Promise<Result<boolean>>
  /** True when the bus can start an owner. */
  canStart(name: string): Promise<Result<boolean>>
  /** Signals of a name's object. Answers the function that stops listening. */
  onSignal(listener: (signal: BusSignal) => void): () => void
  /** Watches one name: `true` when an owner appears, `false` when it goes. */
  onOwner(name: string, listener: (owned: boolean) => void): Promise<() => void>
  onClosed(listener: () => void): void
  readonly closed: boolean
  close(): void
}

const unreachable = (address: string, why: string) =>
  fail('helper-missing', `The message bus at ${address} cannot be reached.`, { got: why, about: address, advice: 'Start the D-Bus daemon of this machine; without it presets are shown as a simulation.' })

/** What a D-Bus error means for the user. Names are of the D-Bus specification. */
const codeOfBusError = (name: string): ErrorCode => {
  const last = name.slice(name.lastIndexOf('.') + 1)
  if (last === 'ServiceUnknown' || last === 'NameHasNoOwner' || name.includes('.Spawn.')) return 'helper-missing'
  if (last === 'NoReply' || last === 'Disconnected' || last === 'Timeout' || last === 'TimedOut') return 'helper-gone'
  if (last === 'AccessDenied' || last === 'AuthFailed') return 'authorization-denied'
  if (last === 'InteractiveAuthorizationRequired') return 'authorization-obtainable'
  if (last === 'UnknownMethod' || last === 'UnknownInterface' || last === 'UnknownObject') return 'too-old'
  if (last === 'InvalidArgs') return 'bad-request'
  return 'internal'
}

const adviceOf: Partial<Record<ErrorCode, string>> = {
  'helper-missing': 'Install the helper in Settings; until then presets are shown as a simulation.',
  'helper-gone': 'It is started again by itself and takes back what was open; look at the run in History.',
  'authorization-denied': 'Ask the administrator of this machine to allow the action.',
  'too-old': 'Install the helper again so that both have the same version.',
}

const busErrorSchema = z.object({ type: z.string(), text: z.string().optional() })

const failureOf = (request: BusCall, error: unknown) => {
  const known = busErrorSchema.safeParse(error)
  if (!known.success) return fail('internal', `${request.member}: ${messageOf(error)}`, { about: request.member })
  const code = codeOfBusError(known.data.type)
  const what: Partial<Record<ErrorCode, string>> = {
    'helper-missing': `Nobody answers as ${request.destination}, and nobody can start it.`,
    'helper-gone': `${request.destination} ended during ${request.member}.`,
  }
  const advice = adviceOf[code]
  return fail(code, what[code] ?? `${request.destination} refused ${request.member}.`, {
    got: `${known.data.type}: ${known.data.text ?? ''}`,
    about: request.member,
    ...(advice === undefined ? {} : { advice }),
  })
}

/** The library keeps its stream to itself; without it a bus that went away is never noticed. */
const streamOf = (wire: MessageBus): EventEmitter => (wire as MessageBus & Record<'_connection', { stream: EventEmitter }>)['_connection'].stream

/** Connects and says Hello, or answers why not within `timeoutMs` for each address given. */
export const connectBus = async (address: string, timeoutMs = 5_000): Promise<Result<Bus>> => {
  let last: Result<Bus> = unreachable(address, 'no address')
  for (const one of plainAddresses(address)) {
    last = await connectOne(address, one, timeoutMs)
    if (last.ok) return last
  }
  return last
}

const connectOne = async (address: string, plain: string, timeoutMs: number): Promise<Result<Bus>> => {
  let wire: MessageBus
  try {
    wire = sessionBus({ busAddress: plain })
  } catch (error) {
    return unreachable(address, messageOf(error))
  }
  const events = new EventEmitter()
  events.setMaxListeners(0)
  let closed = false
  const markClosed = (): void => {
    if (closed) return
    closed = true
    events.emit('closed')
  }
  const first = await new Promise<Result<void>>((resolve) => {
    const timer = setTimeout(() => { resolve(unreachable(address, `no answer within ${timeoutMs} ms`)) }, timeoutMs)
    const settle = (result: Result<void>): void => { clearTimeout(timer); resolve(result) }
    wire.on('connect', () => { settle(ok(undefined)) })
    // The library reports stream errors here; without a listener they would end the process.
    wire.on('error', (error: unknown) => { markClosed(); settle(unreachable(address, errnoOf(error) || messageOf(error))) })
    streamOf(wire).on('close', () => { markClosed(); settle(unreachable(address, 'closed at once')) })
    streamOf(wire).on('end', markClosed)
  })
  if (!first.ok) {
    wire.disconnect()
    return first
  }

  const raw = async (message: Message, timeout: number): Promise<Message> => {
    if (closed) throw Object.assign(new Error('closed'), { type: 'org.freedesktop.DBus.Error.Disconnected', text: 'the bus is gone' })
    let stop = (): void => {}
    const gone = new Promise<never>((_resolve, reject) => {
      const end = (text: string): void => { reject(Object.assign(new Error(text), { type: 'org.freedesktop.DBus.Error.NoReply', text })) }
      const onClosed = (): void => { end('the bus closed the connection') }
      const timer = setTimeout(() => { end(`no answer within ${timeout} ms`) }, timeout)
      events.once('closed', onClosed)
      stop = () => { clearTimeout(timer); events.off('closed', onClosed) }
    })
    try {
      const reply = await Promise.race([wire.call(message), gone])
      if (reply === null) throw new Error('expected a reply, got none')
      return reply
    } finally {
      stop()
    }
  }

  const ofBus = (member: string, signature: string, body: string[]): Message =>
    new Message({ destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', member, signature, body })

  const ask = async (member: string, argument: string | null): Promise<Result<unknown>> => {
    try {
      const reply = await raw(argument === null ? ofBus(member, '', []) : ofBus(member, 's', [argument]), 10_000)
      return ok(reply.body[0])
    } catch (error) {
      return failureOf({ destination: 'org.freedesktop.DBus', path: '/', member, json: null, interactive: false, timeoutMs: 0 }, error)
    }
  }

  const addMatch = async (rule: string): Promise<void> => { await ask('AddMatch', rule) }

  wire.on('message', (message) => {
    if (message.type === MessageType.SIGNAL) events.emit('signal', { path: message.path, member: message.member, sender: message.sender, body: message.body } satisfies BusSignal)
  })

  return ok<Bus>({
    address,
    get closed() { return closed },
    async call(request) {
      try {
        const message = new Message({
          destination: request.destination,
          path: request.path,
          interface: request.destination,
          member: request.member,
          ...(request.json === null ? {} : { signature: 's', body: [request.json] }),
          flags: request.interactive ? ALLOW_INTERACTIVE : 0,
        })
        const reply = await raw(message, request.timeoutMs)
        const text: unknown = reply.body[0]
        return typeof text === 'string' ? ok(text) : fail('internal', `${request.member} answered no text.`, { about: request.member })
      } catch (error) {
        return failureOf(request, error)
      }
    },
    async hasOwner(name) {
      const answer = await ask('NameHasOwner', name)
      return answer.ok ? ok(answer.value === true) : answer
    },
    async canStart(name) {
      const answer = await ask('ListActivatableNames', null)
      return answer.ok ? ok(Array.isArray(answer.value) && answer.value.includes(name)) : answer
    },
    onSignal(listener) {
      events.on('signal', listener)
      return () => { events.off('signal', listener) }
    },
    async onOwner(name, listener) {
      const heard = (signal: BusSignal): void => {
        if (signal.member === 'NameOwnerChanged' && signal.sender === 'org.freedesktop.DBus' && signal.body[0] === name) listener(signal.body[2] !== '')
      }
      events.on('signal', heard)
      await addMatch(`type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${name}'`)
      return () => { events.off('signal', heard) }
    },
    onClosed(listener) {
      if (closed) listener()
      else events.once('closed', listener)
    },
    close() {
      if (!closed) wire.disconnect()
      markClosed()
    },
  })
}
