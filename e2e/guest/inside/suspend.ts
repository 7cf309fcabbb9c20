import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, read, same, tryRun, until, type Test } from './harness.ts'
import { checkNothingFrozen, hearBeat, isBeating, isFrozen, startAgent } from './fake-agent.ts'
import { DEV, EVE } from './users.ts'
import { cgroupOf, good, helper } from './world.ts'

const MIB = 1024 * 1024

interface Suspension {
  readonly cgroup: string
  readonly wonBytes: number
  readonly before: { readonly costBytes: number }
  readonly after: { readonly costBytes: number }
  readonly stoppedBy: string | null
}

export const suspendTests: readonly Test[] = [
  {
    name: 'the helper suspends an agent: scope of its own, frozen, paged out to zram, and resumes it',
    run: async () => {
      const agent = await startAgent(60)
      const home = cgroupOf(agent.pid)
      const found = good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend') as unknown as Suspension
      check(found.cgroup.includes(`/agent-${agent.pid}-`) && found.cgroup.endsWith('.scope'), `cgroup ${found.cgroup}`)
      check(isFrozen(found.cgroup), 'not frozen')
      check(!(await isBeating(agent)), 'its heart beats')
      check(found.wonBytes > 30 * MIB, `won ${found.wonBytes / MIB} MiB of ${found.before.costBytes / MIB}, ${found.stoppedBy ?? 'all'}`)
      console.log(`# cost ${Math.round(found.before.costBytes / MIB)} -> ${Math.round(found.after.costBytes / MIB)} MiB`)
      const answer = good(await helper(DEV, 'Resume', { agentIds: [agent.id], cause: 'user' }), 'Resume') as unknown as { resumed: unknown[] }
      same(answer.resumed.length, 1, 'resumed')
      await hearBeat(agent)
      checkNothingFrozen()
      check(cgroupOf(agent.pid) === home || cgroupOf(agent.pid).includes('/agent-'), `it is in ${cgroupOf(agent.pid)}`)
      await agent.end()
    },
  },
  {
    name: 'another user may neither suspend nor resume it',
    run: async () => {
      const agent = await startAgent(10)
      const theirs = await helper(EVE, 'Suspend', { agent: agent.target, cause: 'user' })
      check(!theirs.ok && /authorization|not-yours/u.test(theirs.error.code), JSON.stringify(theirs))
      good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend')
      const resumed = await helper(EVE, 'Resume', { agentIds: [agent.id], cause: 'user' })
      check(!resumed.ok || (resumed.value as unknown as { resumed: unknown[] }).resumed.length === 0, JSON.stringify(resumed))
      check(!(await isBeating(agent)), 'it runs')
      good(await helper(DEV, 'Resume', { agentIds: null, cause: 'user' }), 'Resume')
      await agent.end()
    },
  },
  {
    name: 'the guard runs as a unit of its own, small and locked',
    run: async () => {
      const agent = await startAgent(10)
      good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend')
      same(tryRun('systemctl', ['is-active', 'agentmem-guard.service']).out.trim(), 'active', 'unit')
      const pid = tryRun('systemctl', ['show', '-P', 'MainPID', 'agentmem-guard.service']).out.trim()
      const status = read(`/proc/${pid}/status`)
      check(Number(/^VmLck:\s+(\d+)/mu.exec(status)?.[1] ?? 0) > 0, 'its memory is not locked')
      same(read(`/proc/${pid}/oom_score_adj`), '-1000', 'oom_score_adj')
      const pss = Number(/^Pss:\s+(\d+)/mu.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)
      check(pss > 0 && pss < 2048, `PSS ${pss} KiB`)
      const ticks = (): number => read(`/proc/${pid}/stat`).split(' ').slice(13, 15).reduce((sum, field) => sum + Number(field), 0)
      const before = ticks()
      await sleep(10_000)
      console.log(`# PSS ${pss} KiB, ${(ticks() - before) * 10} ms of CPU time in 10 s with one agent held, ${before * 10} ms before`)
      good(await helper(DEV, 'Resume', { agentIds: null, cause: 'user' }), 'Resume')
      await agent.end()
    },
  },
  {
    name: 'SIGKILL of the helper: what it froze runs again',
    run: async () => {
      const agent = await startAgent(10)
      good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend')
      tryRun('systemctl', ['kill', '--signal=KILL', '--kill-whom=main', 'agentmem-helper.service'])
      await until('the agent to run', () => isBeating(agent, 1000))
      await until('the helper to be back', async () => (await helper(DEV, 'Status')).ok)
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'SIGKILL of the guard: what it stood for runs again',
    run: async () => {
      const agent = await startAgent(10)
      good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend')
      tryRun('systemctl', ['kill', '--signal=KILL', 'agentmem-guard.service'])
      await until('the agent to run', () => isBeating(agent, 1000))
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'stopping both units thaws: nothing is left frozen without them',
    run: async () => {
      const agent = await startAgent(10)
      good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend')
      tryRun('systemctl', ['stop', 'agentmem-helper.service', 'agentmem-guard.service'])
      await until('the agent to run', () => isBeating(agent, 1000))
      checkNothingFrozen()
      const journals = '/var/lib/agentmem/journal/agents'
      good(await helper(DEV, 'Status'), 'Status')
      await until('its journals to be closed', () => !existsSync(journals) || readdirSync(journals).every((name) => !name.endsWith('.open') || read(`${journals}/${name}`).includes(' move ')))
      await agent.end()
    },
  },
]
