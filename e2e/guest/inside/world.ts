/** The users of the guest and what they can ask for. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { check, read, run, tryRun, until, type Ran } from './harness.ts'

export const PRODUCT = '/mnt/guest/product'
export const INSTALLED = '/usr/lib/agentmem'
export const DEV = { name: 'dev', uid: 1000 } as const
export const EVE = { name: 'eve', uid: 1001 } as const
export type User = typeof DEV | typeof EVE

/** A command as this user, with the user's own bus. */
export const asUser = (user: User, ...command: string[]): string[] => [
  'runuser', '-u', user.name, '--', 'env', `HOME=/home/${user.name}`, `XDG_RUNTIME_DIR=/run/user/${user.uid}`, `DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${user.uid}/bus`, ...command,
]

export const tryAs = (user: User, ...command: string[]): Ran => {
  const [program = '', ...args] = asUser(user, ...command)
  return tryRun(program, args, 100_000)
}

export const runAs = (user: User, ...command: string[]): string => {
  const { status, out } = tryAs(user, ...command)
  check(status === 0, `${user.name}: ${command.join(' ')} ended with ${status}: ${out.slice(-800)}`)
  return out
}

export interface Answer {
  readonly ok: boolean
  readonly value: Record<string, unknown>
  readonly error: { readonly code: string; readonly message: string }
}

const ask = (user: User, bus: '--system' | '--user', role: 'Helper1' | 'Session1', method: string, request: unknown): Answer => {
  const name = `org.agentmem.${role}`
  const call = (): Ran => tryAs(user, 'busctl', bus, '--json=short', '--timeout=240', 'call', name, `/org/agentmem/${role}`, name, method, 's', JSON.stringify(request))
  let { status, out } = call()
  // The bus waits 25 s for a service to start: on a busy host an emulated one may need longer, and is there the next time.
  for (let again = 0; again < 5 && status !== 0 && /service_start_timeout|Connection timed out/u.test(out); again += 1) ({ status, out } = call())
  check(status === 0, `${role}.${method}: ${out.slice(-600)}`)
  const envelope: { data: [string] } = JSON.parse(out)
  return JSON.parse(envelope.data[0])
}

/** A request to the system role. */
export const helper = (user: User, method: string, request: unknown = {}): Answer => ask(user, '--system', 'Helper1', method, request)
/** A request to the user's own session role. */
export const session = (user: User, method: string, request: unknown = {}): Answer => ask(user, '--user', 'Session1', method, request)

export const good = (answer: Answer, what: string): Record<string, unknown> => {
  check(answer.ok, `${what}: ${JSON.stringify(answer.error)}`)
  return answer.value
}

/** Lets a user's systemd run without a login, as `loginctl enable-linger` does. */
export const linger = async (user: User): Promise<void> => {
  run('loginctl', 'enable-linger', user.name)
  await until(`the bus of ${user.name}`, () => existsSync(`/run/user/${user.uid}/bus`), 60_000)
}

/** `dev` may do everything without a password; nobody else may. */
export const allowDev = (): void => {
  mkdirSync('/etc/polkit-1/rules.d', { recursive: true })
  writeFileSync('/etc/polkit-1/rules.d/50-guest.rules', 'polkit.addRule(function (action, subject) {\n  if (action.id.indexOf("org.agentmem.") === 0 && subject.user === "dev") return polkit.Result.YES\n})\n')
}

/** The v2 path of a process. */
export const cgroupOf = (pid: number): string => /^0::(.*)$/mu.exec(read(`/proc/${pid}/cgroup`))?.[1] ?? ''

export const startTicks = (pid: number): number => {
  const stat = read(`/proc/${pid}/stat`)
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

export const bootId = (): string => read('/proc/sys/kernel/random/boot_id')
