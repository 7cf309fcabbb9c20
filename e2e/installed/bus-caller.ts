/**
 * One caller on the bus, run as the user under test: lines of JSON in, lines
 * of JSON out. It can also be its own polkit authentication agent, which is
 * how a password dialog looks from polkit's side.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Message, MessageType, Variant, sessionBus } from 'dbus-next'

/** "Helper1" or "Session1". */
const role = process.argv[3] ?? 'Helper1'
const HELPER = `org.agentmem.${role}`
const HELPER_PATH = `/org/agentmem/${role}`
const POLKIT = 'org.freedesktop.PolicyKit1'
const POLKIT_PATH = '/org/freedesktop/PolicyKit1/Authority'
const AGENT_PATH = '/org/agentmem/TestAgent'
const FLAG_ALLOW_INTERACTIVE_AUTHORIZATION = 4

const address = (process.argv[2] ?? '').replace('unix:path=', 'unix:socket=')
const bus = sessionBus({ busAddress: address })
const tell = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

const call = async (destination: string, path: string, iface: string, member: string, signature: string, body: unknown[], flags = 0): Promise<unknown[]> => {
  const reply = await bus.call(new Message({ destination, path, interface: iface, member, signature, body, flags }))
  return reply?.body ?? []
}

const dialogs: string[] = []
let how = 'cancel'

bus.on('message', (message) => {
  if (message.type === MessageType.SIGNAL && message.interface === HELPER) tell({ signal: message.member, payload: JSON.parse(String(message.body[0])) })
})

bus.addMethodHandler((message: Message): boolean => {
  if (message.path !== AGENT_PATH) return false
  const error = (name: string): void => bus.send(new Message({ type: MessageType.ERROR, replySerial: message.serial as never, destination: message.sender, errorName: name, signature: 's', body: ['as told'] }))
  if (message.member === 'CancelAuthentication') {
    bus.send(Message.newMethodReturn(message))
    tell({ signal: 'dialog-taken-away', payload: null })
    return true
  }
  if (message.member !== 'BeginAuthentication') return false
  const [action, , , , cookie] = message.body as [string, string, string, unknown, string]
  dialogs.push(action)
  tell({ signal: 'dialog', payload: { action, cookie } })
  if (how === 'cancel') error(`${POLKIT}.Error.Cancelled`)
  // Ends without having told polkit that the password was right.
  if (how === 'wrong-password') bus.send(Message.newMethodReturn(message))
  // The test, as root, tells polkit what the set-user-ID helper of a real agent would; then says "done".
  if (how === 'right-password') finish = () => bus.send(Message.newMethodReturn(message))
  return true
})
let finish = (): void => undefined

const register = async (): Promise<string> => {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const startTime = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0')
  const subject = ['unix-process', { pid: new Variant('u', process.pid), 'start-time': new Variant('t', startTime) }]
  try {
    await call(POLKIT, POLKIT_PATH, `${POLKIT}.Authority`, 'RegisterAuthenticationAgent', '(sa{sv})ss', [subject, 'C', AGENT_PATH])
    return 'registered'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const handle = async (request: { id: number; what: string; method: string; text: string; mayAsk: boolean; signature?: string; body?: unknown[]; how: string; uid: number; cookie: string }): Promise<unknown> => {
  switch (request.what) {
    case 'call':
      try {
        const [text] = await call(HELPER, HELPER_PATH, HELPER, request.method, request.signature ?? 's', request.body ?? [request.text], request.mayAsk ? FLAG_ALLOW_INTERACTIVE_AUTHORIZATION : 0)
        return text
      } catch (error) {
        const type = error instanceof Error && 'type' in error ? String(error.type) : 'unknown'
        return JSON.stringify({ ok: false, error: { code: `bus:${type}`, message: error instanceof Error ? error.message : String(error) } })
      }
    case 'agent':
      how = request.how
      return register()
    case 'dialog-done':
      finish()
      return 'done'
    case 'vouch':
      // What the set-user-ID helper of a real agent says once the password was right; polkit takes it from root alone.
      return call(POLKIT, POLKIT_PATH, `${POLKIT}.Authority`, 'AuthenticationAgentResponse2', 'us(sa{sv})', [request.uid, request.cookie, ['unix-user', { uid: new Variant('u', 0) }]])
    case 'dialogs':
      return dialogs
    default:
      return 'pong'
  }
}

await new Promise<void>((resolve, reject) => {
  bus.once('connect', resolve)
  bus.once('error', reject)
})
tell({ name: Reflect.get(bus, 'name') })
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as Parameters<typeof handle>[0]
    void handle(request).then((answer) => tell({ id: request.id, answer }))
  })
  .on('close', () => process.exit(0))
