import { EventEmitter } from 'node:events'
import { Message, MessageType, sessionBus } from 'dbus-next'
import type { MessageBus } from 'dbus-next'
import { plainAddresses } from './contract/bus-address.ts'
import { fail } from './contract/result.ts'
import type { Failure, Result } from './contract/errors.ts'

/** D-Bus limits a message to 32 MiB on the system bus; no request of the contract needs a quarter of that. */
export const MAX_REQUEST_CHARS = 4 * 1024 * 1024

/** A daemon cuts off whoever sends more than its limit, 32 MiB on the system bus: no answer may come near it. */
const MAX_ANSWER_BYTES = 24 * 1024 * 1024

/** A caller waiting for a password has one call open; nobody has reason for more than this. */
const MAX_OPEN_CALLS_PER_CALLER = 32

const FLAG_NO_REPLY = 1
/** D-Bus specification, message flags: the caller is ready to wait for a password. */
const FLAG_ALLOW_INTERACTIVE_AUTHORIZATION = 4
const DBUS = 'org.freedesktop.DBus'
const NAME_PRIMARY_OWNER = 1
const NAME_DO_NOT_QUEUE = 4

/** One call of a method of ours, as the bus delivered it. */
export interface Call {
  /** Unique bus name, which the bus daemon vouches for: ":1.42". */
  sender: string
  method: string
  text: string
  /** The caller set ALLOW_INTERACTIVE_AUTHORIZATION. */
  mayAsk: boolean
}

export interface CallOptions {
  /** The service may keep the call waiting for a password. */
  mayAsk?: boolean
}

/** Calls to other services of the same bus. */
export interface BusClient {
  call(to: { destination: string; path: string; interface: string; member: string }, signature: string, body: unknown[], options?: CallOptions): Promise<Result<unknown[]>>
}

/** A signal of another service, named as in a match rule. */
export interface SignalOf {
  /** Well-known name: the bus daemon sees to it that nobody else's signal fits. */
  sender: string
  interface: string
  member: string
  /** First argument, where only one value of it is of interest. */
  arg0?: string
}

export interface Bus extends BusClient {
  /** Takes the name and answers calls from now on. */
  serve(service: Service): Promise<Result<null>>
  /** Gives the name back. Calls sent to it before still arrive, and before this settles. */
  release(): Promise<void>
  /** Sends a signal to one caller alone. */
  signal(destination: string, name: string, payload: unknown): void
  /** Calls back with the arguments of every such signal, for as long as the connection lasts. */
  listen(signal: SignalOf, onSignal: (body: unknown[]) => void): Promise<void>
  /** Calls back once when the caller leaves the bus. */
  watch(sender: string, onGone: () => void): Promise<void>
  /** Settles with the reason when the connection is lost or closed. */
  readonly closed: Promise<string>
  close(): void
}

export interface Service {
  name: string
  path: string
  methods: readonly string[]
  signals: readonly string[]
  /** Answers with the JSON text to send back; a rejection is a bug and is answered as `internal`. */
  handle(call: Call): Promise<string>
}

const introspection = (service: Service): string =>
  [
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">',
    '<node>',
    `  <interface name="${service.name}">`,
    ...service.methods.map((name) => `    <method name="${name}"><arg name="request" type="s" direction="in"/><arg name="result" type="s" direction="out"/></method>`),
    ...service.signals.map((name) => `    <signal name="${name}"><arg name="payload" type="s"/></signal>`),
    '  </interface>',
    '</node>',
    '',
  ].join('\n')

const answerOf = (error: Failure): string => JSON.stringify({ ok: false, error })

const failureOf = (error: unknown): { ok: false; error: Failure } => {
  const name = error instanceof Error && 'type' in error ? String(error.type) : ''
  return fail('internal', error instanceof Error ? error.message : String(error), name === '' ? {} : { got: name })
}

/** The answer, or a failure in its place where the bus would not carry it. What was asked for has been done by then. */
export const carried = (method: string, text: string): string =>
  Buffer.byteLength(text) <= MAX_ANSWER_BYTES
    ? text
    : answerOf(fail('internal', `${method} was done, but its answer is too long for the message bus.`, { about: method, expected: `at most ${MAX_ANSWER_BYTES} bytes`, advice: 'Ask for the runs one by one.' }).error)

/** The library tells nobody when the daemon closes the connection; its connection object does. */
const onEnd = (bus: MessageBus, listener: () => void): void => {
  const connection: unknown = Reflect.get(bus, '_connection')
  if (connection instanceof EventEmitter) connection.on('end', listener)
}

const connectTo = async (address: string): Promise<MessageBus> => {
  const opened = sessionBus({ busAddress: address })
  // One that failed may fail again while it is let go; nobody listens by then.
  opened.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    opened.once('connect', resolve)
    opened.once('error', reject)
    onEnd(opened, () => reject(new Error('the bus closed the connection')))
  })
  return opened
}

/** The first of the addresses that answers. */
const connectToAny = async (addresses: readonly string[]): Promise<MessageBus> => {
  let last: unknown = new Error('no address')
  for (const address of addresses) {
    try {
      return await connectTo(address)
    } catch (error) {
      last = error
    }
  }
  throw last
}

/** Connects to a bus daemon. `address` is a D-Bus address such as "unix:path=/run/dbus/system_bus_socket". */
export const openBus = async (address: string): Promise<Result<Bus>> => {
  let close: (reason: string) => void = () => undefined
  const closed = new Promise<string>((resolve) => {
    close = resolve
  })
  let bus: MessageBus
  try {
    bus = await connectToAny(plainAddresses(address))
  } catch (error) {
    return fail('helper-missing', `The message bus at ${address} cannot be reached: ${error instanceof Error ? error.message : String(error)}`)
  }
  onEnd(bus, () => close('the bus closed the connection'))

  const call: BusClient['call'] = async (to, signature, body, { mayAsk = false } = {}) => {
    try {
      const reply = await bus.call(new Message({ ...to, signature, body, flags: mayAsk ? FLAG_ALLOW_INTERACTIVE_AUTHORIZATION : 0 }))
      return { ok: true, value: reply?.body ?? [] }
    } catch (error) {
      return failureOf(error)
    }
  }
  const callDaemon = (member: string, signature: string, body: unknown[]) => call({ destination: DBUS, path: '/org/freedesktop/DBus', interface: DBUS, member }, signature, body)

  // An error is either one bad message or a dead socket: only asking tells.
  const askIfAlive = async (): Promise<void> => {
    const alive = await callDaemon('GetId', '', [])
    if (!alive.ok) close(`the bus does not answer: ${alive.error.message}`)
  }
  bus.on('error', (error: unknown) => {
    console.error(`bus: ${error instanceof Error ? error.message : String(error)}`)
    void askIfAlive()
  })

  const gone = new Map<string, (() => void)[]>()
  const matchFor = (sender: string) => `type='signal',sender='${DBUS}',interface='${DBUS}',member='NameOwnerChanged',arg0='${sender}'`
  bus.on('message', (message) => {
    if (message.type !== MessageType.SIGNAL || message.sender !== DBUS || message.member !== 'NameOwnerChanged') return
    const [name, , owner] = message.body as unknown[]
    if (typeof name !== 'string' || owner !== '') return
    const listeners = gone.get(name)
    if (listeners === undefined) return
    gone.delete(name)
    void callDaemon('RemoveMatch', 's', [matchFor(name)])
    for (const listener of listeners) listener()
  })

  const openCalls = new Map<string, number>()
  const answer = async (service: Service, message: Message): Promise<string> => {
    const text: unknown = message.body[0]
    if (message.signature !== 's' || typeof text !== 'string') {
      return answerOf(fail('bad-request', `${message.member}: expected one string of JSON`, { expected: 's', got: message.signature }).error)
    }
    if (text.length > MAX_REQUEST_CHARS) {
      return answerOf(fail('bad-request', `${message.member}: the request is too long`, { expected: `at most ${MAX_REQUEST_CHARS} characters`, got: String(text.length) }).error)
    }
    const { sender } = message
    const open = openCalls.get(sender) ?? 0
    if (open >= MAX_OPEN_CALLS_PER_CALLER) return answerOf(fail('busy', 'Too many requests are waiting for an answer.', { advice: 'Wait for the earlier ones.' }).error)
    openCalls.set(sender, open + 1)
    try {
      return await service.handle({ sender, method: message.member, text, mayAsk: (message.flags & FLAG_ALLOW_INTERACTIVE_AUTHORIZATION) !== 0 })
    } catch (error) {
      // The stack stays here: the caller learns that it is a bug, not where.
      console.error(error)
      return answerOf(fail('internal', `${message.member} failed because of a bug in the helper.`, { advice: 'The system log has the details; please report them.' }).error)
    } finally {
      const left = (openCalls.get(sender) ?? 1) - 1
      if (left > 0) openCalls.set(sender, left)
      else openCalls.delete(sender)
    }
  }

  let service: Service | null = null
  const reply = (message: Message, text: string): void => {
    if ((message.flags & FLAG_NO_REPLY) !== 0) return
    try {
      bus.send(Message.newMethodReturn(message, 's', [text]))
    } catch (error) {
      close(error instanceof Error ? error.message : String(error))
    }
  }
  bus.addMethodHandler((message: Message): boolean => {
    if (service === null || message.path !== service.path) return false
    if (message.interface === 'org.freedesktop.DBus.Introspectable' && message.member === 'Introspect') {
      reply(message, introspection(service))
      return true
    }
    // The interface may be left out of a call.
    const ours = [undefined, '', service.name].includes(message.interface)
    if (!ours || !service.methods.includes(message.member)) return false
    void answer(service, message).then((text) => reply(message, carried(message.member, text)))
    return true
  })

  return {
    ok: true,
    value: {
      call,
      closed,
      serve: async (offered) => {
        service = offered
        const got = await callDaemon('RequestName', 'su', [offered.name, NAME_DO_NOT_QUEUE])
        if (!got.ok) return fail('internal', `The bus name ${offered.name} was refused: ${got.error.message}`, { advice: 'Install the helper again: its bus policy is missing or not loaded.' })
        return got.value[0] === NAME_PRIMARY_OWNER ? { ok: true, value: null } : fail('busy', `Another helper already owns ${offered.name}.`)
      },
      release: async () => {
        if (service !== null) await callDaemon('ReleaseName', 's', [service.name])
      },
      signal: (destination, name, payload) => {
        if (service === null) return
        const message = new Message({
          type: MessageType.SIGNAL,
          destination,
          path: service.path,
          interface: service.name,
          member: name,
          signature: 's',
          body: [JSON.stringify(payload)],
        })
        try {
          bus.send(message)
        } catch (error) {
          close(error instanceof Error ? error.message : String(error))
        }
      },
      listen: async ({ sender, interface: iface, member, arg0 }, onSignal) => {
        // Signals carry the sender's unique name; the daemon delivers only what fits the rule, and others are told apart by the rest.
        bus.on('message', (message) => {
          const body = message.body as unknown[]
          if (message.type === MessageType.SIGNAL && message.interface === iface && message.member === member && (arg0 === undefined || body[0] === arg0)) onSignal(body)
        })
        await callDaemon('AddMatch', 's', [`type='signal',sender='${sender}',interface='${iface}',member='${member}'${arg0 === undefined ? '' : `,arg0='${arg0}'`}`])
      },
      watch: async (sender, onGone) => {
        const listeners = gone.get(sender)
        if (listeners !== undefined) {
          listeners.push(onGone)
          return
        }
        gone.set(sender, [onGone])
        await callDaemon('AddMatch', 's', [matchFor(sender)])
        // It may have left before the match was there.
        const here = await callDaemon('NameHasOwner', 's', [sender])
        if (here.ok && here.value[0] === false && gone.delete(sender)) onGone()
      },
      close: () => {
        bus.disconnect()
        close('closed')
      },
    },
  }
}
