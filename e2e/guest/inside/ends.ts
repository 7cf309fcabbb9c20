import { existsSync, writeFileSync } from 'node:fs'
import { check, read, run, same, Skip, tryRun, until, type Test } from './harness.ts'
import { checkNothingFrozen, frozenGroups, isBeating, isFrozen, startAgent } from './fake-agent.ts'
import { known, suspendOwn } from './own.ts'
import { dropCallersOf } from './caller.ts'
import { DEV, EVE, type User } from './users.ts'
import { good, helper, linger, session } from './world.ts'

/** What the session role kept for the history, as text. */
const spool = (user: User): string => run('sh', '-c', `cat /home/${user.name}/.local/state/agentmem/spool/*.ndjson`)

/** Ends sessions and systemd of a user, as a logout does, and lets the user's systemd start again. */
export const logOut = async (user: User): Promise<void> => {
  await dropCallersOf(user)
  run('loginctl', 'terminate-user', user.name)
  await until('the user\'s systemd to end', () => !existsSync(`/sys/fs/cgroup/user.slice/user-${user.uid}.slice/user@${user.uid}.service`), 60_000)
}

export const logIn = async (user: User): Promise<void> => {
  run('systemctl', 'start', `user@${user.uid}.service`)
  await linger(user)
}

export const endTests: readonly Test[] = [
  {
    name: 'sleep of the machine: logind says so, and what the session role suspended runs again',
    run: async () => {
      if (!existsSync('/sys/power/pm_test')) throw new Skip('needs a kernel with CONFIG_PM_DEBUG')
      await until('the session role to be back', async () => (await session(EVE, 'Status')).ok)
      const agent = await startAgent(10, 'run', EVE)
      await known(agent)
      const found = await suspendOwn(agent)
      check(isFrozen(found.cgroup), 'not frozen')

      const { pid } = good(await session(EVE, 'Status'), 'Status')
      await until('the session role to listen to logind', () => new RegExp(`^:\\S+\\s+${String(pid)}\\s`, 'mu').test(tryRun('busctl', ['--system', '--no-legend', 'list']).out), 60_000)
      // The real way through systemd and the kernel, as far as stopping all processes for five seconds; then the kernel turns back by itself.
      writeFileSync('/sys/power/pm_test', 'freezer')
      const slept = tryRun('systemctl', ['suspend'])
      check(slept.status === 0, slept.out)
      await until('the agent to run', () => isBeating(agent, 1000))
      await until('the machine to be awake', () => tryRun('systemctl', ['is-active', 'systemd-suspend.service']).out.trim() === 'inactive')
      writeFileSync('/sys/power/pm_test', 'none')
      await until('its record', () => spool(EVE).includes('"machine-sleep"'))
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'logout with a suspended agent of one\'s own systemd: it ends like everything else, nothing stays frozen',
    run: async () => {
      await until('the session role to be back', async () => (await session(EVE, 'Status')).ok)
      const agent = await startAgent(10, 'run', EVE)
      await known(agent)
      await suspendOwn(agent)
      await logOut(EVE)
      check(!existsSync(`/proc/${agent.pid}`), 'the agent is there still')
      same(frozenGroups(), [], 'frozen')
      await logIn(EVE)
      check((await session(EVE, 'Status')).ok, 'no session role after the next login')
    },
  },
  {
    name: 'logout of a login session: what the helper suspended of it runs again, nothing stays frozen',
    run: async () => {
      const agent = await startAgent(10, 'login')
      const id = /\/session-(\w+)\.scope/u.exec(read(`/proc/${agent.pid}/cgroup`))?.[1] ?? ''
      check(id !== '', `no login session: ${read(`/proc/${agent.pid}/cgroup`)}`)
      const { cgroup } = good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend') as unknown as { cgroup: string }
      check(isFrozen(cgroup), 'not frozen')
      await logOut(DEV)
      // It left its session with its move, and ends by its terminal's hang-up, if it has one: awake it can hear that.
      await until('nothing to be frozen', () => frozenGroups().length === 0)
      await until('it to end, or to run', async () => !existsSync(`/proc/${agent.pid}`) || isBeating(agent, 1000))
      if (existsSync(`/proc/${agent.pid}`)) await agent.end()
      await logIn(DEV)
      const held = good(await helper(DEV, 'Held'), 'Held') as unknown as { suspended: unknown[] }
      same(held.suspended, [], 'what the helper holds')
    },
  },
]
