/** What the users of the guest can ask for. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { ask, type Answer } from './caller.ts'
import { check, read, run, tryRun, until, type Ran } from './harness.ts'
import { asUser, type User } from './users.ts'

export const tryAs = (user: User, ...command: string[]): Ran => {
  const [program = '', ...args] = asUser(user, ...command)
  return tryRun(program, args, 100_000)
}

export const runAs = (user: User, ...command: string[]): string => {
  const { status, out } = tryAs(user, ...command)
  check(status === 0, `${user.name}: ${command.join(' ')} ended with ${status}: ${out.slice(-800)}`)
  return out
}

/** A request to the system role. */
export const helper = (user: User, method: string, request: unknown = {}): Promise<Answer> => ask(user, 'Helper1', method, request)
/** A request to the user's own session role. */
export const session = (user: User, method: string, request: unknown = {}): Promise<Answer> => ask(user, 'Session1', method, request)

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
