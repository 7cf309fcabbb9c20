import { setTimeout as sleep } from 'node:timers/promises'
import { check, read, same, tryRun, until, type Test } from './harness.ts'
import { checkNothingFrozen, type FakeAgent, hearBeat, isBeating, isFrozen, startAgent } from './fake-agent.ts'
import { asUser, EVE } from './users.ts'
import { cgroupOf, good, session } from './world.ts'

const MIB = 1024 * 1024

interface Registry {
  readonly entries: { id: string; state: string }[]
  readonly limit: { how: string | null }
}

const systemctl = (...args: string[]): string => {
  const [program = '', ...rest] = asUser(EVE, 'systemctl', '--user', ...args)
  return tryRun(program, rest).out.trim()
}

export const known = async (agent: FakeAgent): Promise<void> =>
  until('the session role to find the agent', async () => (good(await session(EVE, 'Registry'), 'Registry') as unknown as Registry).entries.some((entry) => entry.id === agent.id), 60_000)

interface Answer {
  readonly suspended: { cgroup: string; wonBytes: number; before: { costBytes: number }; after: { costBytes: number } }[]
  readonly left: unknown[]
}

/** Asked again while it counts as busy: what was last seen of it may be from while it started. */
export const suspendOwn = async (agent: FakeAgent): Promise<Answer['suspended'][number]> => {
  let last = ''
  for (let tries = 0; tries < 20; tries += 1) {
    const answer = good(await session(EVE, 'Suspend', { ids: [agent.id], cause: 'user' }), 'Suspend') as unknown as Answer
    const [first] = answer.suspended
    if (first !== undefined) return first
    last = JSON.stringify(answer.left)
    if (!last.includes('"busy"')) break
    await sleep(2000)
  }
  throw new Error(`not suspended: ${last}`)
}

/** All as a user whom polkit gives nothing: what is done here is done without root. */
export const ownTests: readonly Test[] = [
  {
    name: 'agentmemctl run starts an agent in a scope of the user\'s own systemd',
    run: async () => {
      const agent = await startAgent(10, 'run', EVE)
      const path = cgroupOf(agent.pid)
      check(path.startsWith('/user.slice/user-1001.slice/user@1001.service/app.slice/app-agents.slice/'), `it is in ${path}`)
      check(path.endsWith(`/agent-${agent.id.split(':').slice(1).join('-')}.scope`), `it is in ${path}`)
      await agent.end()
      await until('the scope to go', () => read(`/sys/fs/cgroup${path}/cgroup.procs`) === '')
    },
  },
  {
    name: 'without root: the session role freezes it, pages it out by memory.reclaim, and resumes it',
    run: async () => {
      const agent = await startAgent(60, 'run', EVE)
      await known(agent)
      const found = await suspendOwn(agent)
      check(found.cgroup.includes('/user@1001.service/'), `cgroup ${found.cgroup}`)
      check(isFrozen(found.cgroup), 'not frozen')
      const swapped = Number(read(`${found.cgroup}/memory.swap.current`))
      console.log(`# cost ${Math.round(found.before.costBytes / MIB)} -> ${Math.round(found.after.costBytes / MIB)} MiB, ${Math.round(swapped / MIB)} MiB in swap`)
      check(swapped > 30 * MIB, `${swapped} bytes in swap`)
      check(found.wonBytes > 20 * MIB, `won ${found.wonBytes}`)
      check(!(await isBeating(agent)), 'its heart beats')
      good(await session(EVE, 'Resume', { ids: null, cause: 'user' }), 'Resume')
      await hearBeat(agent)
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'without root: limits of an agent that runs already, through the user\'s own systemd',
    run: async () => {
      const agent = await startAgent(10, 'user-service', EVE)
      const home = cgroupOf(agent.pid)
      await known(agent)
      const view = good(await session(EVE, 'Limit', { id: agent.id, limits: { highBytes: 300 * MIB, toolsHighBytes: 100 * MIB } }), 'Limit') as unknown as { cgroup: string }
      check(view.cgroup.includes('/user@1001.service/app.slice/app-agents.slice/'), `cgroup ${view.cgroup}`)
      same(read(`${view.cgroup}/memory.high`), String(300 * MIB), 'memory.high')
      same(read(`${view.cgroup}/tools/memory.high`), String(100 * MIB), 'memory.high of its tools')
      same(systemctl('show', '-P', 'MemoryHigh', view.cgroup.split('/').at(-1) ?? ''), String(300 * MIB), 'what systemd knows')
      good(await session(EVE, 'Limit', { id: agent.id, limits: { highBytes: null, toolsHighBytes: null } }), 'Limit')
      await until(`it to be back in ${home}`, () => cgroupOf(agent.pid) === home)
      await agent.end()
    },
  },
  {
    name: 'the session role killed: what it suspended runs again',
    run: async () => {
      const agent = await startAgent(10, 'run', EVE)
      await known(agent)
      await suspendOwn(agent)
      systemctl('kill', '--signal=KILL', '--kill-whom=main', 'agentmem-session.service')
      await until('the agent to run', () => isBeating(agent, 1000))
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'the session role stopped, as at logout: what it suspended runs again, limits go',
    run: async () => {
      const agent = await startAgent(10, 'run', EVE)
      await until('the session role to be back', async () => (await session(EVE, 'Status')).ok)
      await known(agent)
      const view = good(await session(EVE, 'Limit', { id: agent.id, limits: { highBytes: 300 * MIB } }), 'Limit') as unknown as { cgroup: string }
      await suspendOwn(agent)
      systemctl('stop', 'agentmem-session.service')
      await until('the agent to run', () => isBeating(agent, 1000))
      same(read(`${view.cgroup}/memory.high`), 'max', 'memory.high')
      checkNothingFrozen()
      await agent.end()
    },
  },
]
