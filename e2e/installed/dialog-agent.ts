/**
 * A polkit authentication agent for another process of the same user: stands
 * for the desktop's password dialog. Every dialog is closed without an answer.
 * Arguments: address of the bus, pid of the program it answers for.
 */
import { readFileSync } from 'node:fs'
import { Message, MessageType, Variant, sessionBus } from 'dbus-next'

const POLKIT = 'org.freedesktop.PolicyKit1'
const OBJECT = '/org/agentmem/TestDialog'
const [address = '', pid = ''] = process.argv.slice(2)

const bus = sessionBus({ busAddress: address.replace('unix:path=', 'unix:socket=') })
await new Promise<void>((resolve, reject) => {
  bus.once('connect', resolve)
  bus.once('error', reject)
})

bus.addMethodHandler((message: Message): boolean => {
  if (message.path !== OBJECT) return false
  if (message.member === 'CancelAuthentication') bus.send(Message.newMethodReturn(message))
  if (message.member === 'BeginAuthentication') {
    process.stdout.write(`dialog ${String(message.body[0])}\n`)
    bus.send(new Message({ type: MessageType.ERROR, replySerial: message.serial as never, destination: message.sender, errorName: `${POLKIT}.Error.Cancelled`, signature: 's', body: ['closed by the user'] }))
  }
  return true
})

const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
const startTime = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0')
const subject = ['unix-process', { pid: new Variant('u', Number(pid)), 'start-time': new Variant('t', startTime) }]
await bus.call(new Message({
  destination: POLKIT, path: `/${POLKIT.replaceAll('.', '/')}/Authority`, interface: `${POLKIT}.Authority`,
  member: 'RegisterAuthenticationAgent', signature: '(sa{sv})ss', body: [subject, 'C', OBJECT],
}))
process.stdout.write('ready\n')
