import { setTimeout as sleep } from 'node:timers/promises'
import { check, read, same, tryRun, until, type Test } from './harness.ts'
import { checkNothingFrozen, type FakeAgent, hearBeat, startAgent } from './fake-agent.ts'
import type { Answer } from './caller.ts'
import { DEV } from './users.ts'
import { cgroupOf, good, helper } from './world.ts'

const MIB = 1024 * 1024

interface View {
  readonly agentId: string | null
  readonly cgroup: string
  readonly state: string
  readonly text: string
}

const limit = (agent: FakeAgent | null, limits: Record<string, number | null>): Promise<Answer> => helper(DEV, 'Limit', { agent: agent?.target ?? null, limits, cause: 'user' })
const limited = async (agent: FakeAgent | null, limits: Record<string, number | null>): Promise<View> => good(await limit(agent, limits), 'Limit') as unknown as View
const views = async (): Promise<View[]> => (good(await helper(DEV, 'Held'), 'Held') as unknown as { limits: View[] }).limits
const inForce = async (): Promise<View[]> => (await views()).filter((view) => view.state !== 'undone')
const bytes = (path: string): number => Number(read(path))

export const limitTests: readonly Test[] = [
  {
    name: 'limits: set through systemd, read back, watched, and taken away without a trace',
    run: async () => {
      const agent = await startAgent(20)
      const home = cgroupOf(agent.pid)
      const view = await limited(agent, { highBytes: 300 * MIB, maxBytes: 400 * MIB, swapMaxBytes: 200 * MIB, lowBytes: 16 * MIB })
      same(view.state, 'watching', 'state')
      same(bytes(`${view.cgroup}/memory.high`), 300 * MIB, 'memory.high')
      same(bytes(`${view.cgroup}/memory.max`), 400 * MIB, 'memory.max')
      same(bytes(`${view.cgroup}/memory.swap.max`), 200 * MIB, 'memory.swap.max')
      same(bytes(`${view.cgroup}/memory.low`), 16 * MIB, 'memory.low')
      const unit = view.cgroup.split('/').at(-1) ?? ''
      same(tryRun('systemctl', ['show', '-P', 'MemoryHigh', unit]).out.trim(), String(300 * MIB), 'what systemd knows')
      for (let at = view.cgroup.slice(0, view.cgroup.lastIndexOf('/')); at !== '/sys/fs/cgroup'; at = at.slice(0, at.lastIndexOf('/'))) check(bytes(`${at}/memory.low`) >= 16 * MIB, `${at} does not hand protection down`)
      tryRun('systemctl', ['daemon-reload'])
      same(bytes(`${view.cgroup}/memory.high`), 300 * MIB, 'memory.high after a reload of systemd')
      same((await limited(agent, { highBytes: null, maxBytes: null, swapMaxBytes: null, lowBytes: null })).state, 'undone', 'state')
      same(await inForce(), [], 'limits left')
      await until(`it to be back in ${home}`, () => cgroupOf(agent.pid) === home)
      for (const slice of ['/sys/fs/cgroup/user.slice', '/sys/fs/cgroup/user.slice/user-1000.slice']) same(read(`${slice}/memory.low`), '0', `memory.low of ${slice}`)
      await agent.end()
    },
  },
  {
    name: 'limits below 64 MiB and max without high are refused',
    run: async () => {
      const agent = await startAgent(10)
      for (const wrong of [{ highBytes: 63 * MIB }, { maxBytes: 200 * MIB }, { highBytes: 300 * MIB, maxBytes: 200 * MIB }]) {
        const answer = await limit(agent, wrong)
        check(!answer.ok && answer.error.code === 'bad-request', `${JSON.stringify(wrong)}: ${JSON.stringify(answer)}`)
      }
      same(await inForce(), [], 'limits')
      await agent.end()
    },
  },
  {
    name: 'high throttles and pages out before max ends anything',
    run: async () => {
      const agent = await startAgent(10)
      const view = await limited(agent, { highBytes: 80 * MIB, maxBytes: 300 * MIB })
      await agent.order('grow 100')
      await until('high to be felt', () => Number(/^high (\d+)/mu.exec(read(`${view.cgroup}/memory.events`))?.[1] ?? 0) > 0)
      same(/^oom_kill (\d+)/mu.exec(read(`${view.cgroup}/memory.events`))?.[1], '0', 'oom_kill')
      console.log(`# current ${Math.round(bytes(`${view.cgroup}/memory.current`) / MIB)}, swap ${Math.round(bytes(`${view.cgroup}/memory.swap.current`) / MIB)} MiB`)
      check(bytes(`${view.cgroup}/memory.swap.current`) > 5 * MIB, 'nothing went to swap')
      await hearBeat(agent)
      await limit(agent, { highBytes: null, maxBytes: null })
      await agent.end()
    },
  },
  {
    name: 'a limit that ends a process is seen and taken back by itself',
    run: async () => {
      const agent = await startAgent(10)
      const view = await limited(agent, { highBytes: 150 * MIB, maxBytes: 150 * MIB, swapMaxBytes: 0 })
      // The tool is larger than the agent: it is what the kernel ends.
      await agent.order('tool 400')
      await until('the limit to be taken back', async () => (await views()).some((one) => one.agentId === agent.id && one.state === 'undone'), 90_000)
      const last = (await views()).find((one) => one.agentId === agent.id)
      console.log(`# ${last?.text ?? ''}`)
      check(cgroupOf(agent.pid) !== '' , 'the agent itself was ended')
      const at = `/sys/fs/cgroup${cgroupOf(agent.pid)}`
      same(read(`${view.cgroup}/memory.max`) || 'max', 'max', 'memory.max')
      check(read(`${at}/memory.max`) === 'max', `${at} is limited`)
      await agent.end()
    },
  },
  {
    name: 'a burst of tools is bounded: stopped for a moment, never ended, never left frozen',
    run: async () => {
      const agent = await startAgent(10)
      await agent.order('tool 150')
      const tool = Number(tryRun('pgrep', ['-f', 'gemini-cli/tool.py']).out.trim().split('\n').at(-1))
      const view = await limited(agent, { toolsHighBytes: 64 * MIB })
      tryRun('sh', ['-c', `echo ${tool} >${view.cgroup}/tools/cgroup.procs`])
      same(bytes(`${view.cgroup}/tools/memory.high`), 64 * MIB, 'high of its tools')
      for (let more = 0; more < 3; more += 1) await agent.order(`tool 15${more}`)
      for (const pid of tryRun('pgrep', ['-f', 'gemini-cli/tool.py']).out.trim().split('\n')) tryRun('sh', ['-c', `echo ${pid} >${view.cgroup}/tools/cgroup.procs`])
      await sleep(6000)
      await hearBeat(agent)
      same(tryRun('pgrep', ['-fc', 'gemini-cli/tool.py']).out.trim(), '4', 'tools alive')
      await limit(agent, { toolsHighBytes: null })
      checkNothingFrozen()
      await agent.end()
    },
  },
  {
    name: 'a budget for all agents together, on their slice',
    run: async () => {
      const agent = await startAgent(10)
      good(await helper(DEV, 'Limit', { agent: agent.target, limits: { highBytes: 500 * MIB }, cause: 'user' }), 'Limit')
      const view = await limited(null, { highBytes: 600 * MIB })
      same(bytes(`${view.cgroup}/memory.high`), 600 * MIB, 'memory.high')
      check(`/sys/fs/cgroup${cgroupOf(agent.pid)}`.startsWith(`${view.cgroup}/`), `${cgroupOf(agent.pid)} is not below ${view.cgroup}`)
      await limited(null, { highBytes: null })
      await limit(agent, { highBytes: null })
      same(await inForce(), [], 'limits')
      await agent.end()
    },
  },
  {
    name: 'SIGKILL of the helper: limits do not outlive who watches them',
    run: async () => {
      const agent = await startAgent(10)
      const view = await limited(agent, { highBytes: 300 * MIB })
      tryRun('systemctl', ['kill', '--signal=KILL', '--kill-whom=main', 'agentmem-helper.service'])
      await until('the limit to go', () => ['max', ''].includes(read(`${view.cgroup}/memory.high`)), 60_000)
      await until('the helper to be back', async () => (await helper(DEV, 'Status')).ok)
      tryRun('systemctl', ['daemon-reload'])
      check(['max', ''].includes(read(`${view.cgroup}/memory.high`)), 'the limit came back with systemd')
      await agent.end()
    },
  },
]
