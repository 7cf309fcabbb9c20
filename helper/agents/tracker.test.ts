import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeRoot, type MadeProcess, type MadeRoot } from '../test/proc-tree.ts'
import { snapshotSchema } from '../contract/snapshot.ts'
import { sessionRequests } from '../contract/requests.ts'
import { createAgentTracker, type AgentTracker } from './tracker.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from './signatures.ts'

const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!loaded.ok) throw new Error(loaded.error.message)
const signatures = loaded.value

const CLAUDE = '/home/dev/.local/share/claude/versions/2.1.197'
const claude: MadeProcess = { pid: 100, exe: CLAUDE, argv: ['claude', '--secret-token', 'abc'], pssKib: 1000 }
const bash: MadeProcess = { pid: 101, parent: 100, exe: '/usr/bin/bash', argv: ['bash'], pssKib: 100 }

let made: MadeRoot
let now = 0
beforeEach(() => {
  made = makeRoot()
  now = 1_000_000
})
afterEach(() => made.remove())

const tracker = (uid: number | null = null): AgentTracker => createAgentTracker({ root: made.root, signatures, uid, nowMs: () => now })
const one = (subject: AgentTracker) => {
  const { agents } = subject.look()
  const [agent] = agents
  if (agent === undefined || agents.length !== 1) throw new Error(`expected one agent, got ${agents.length}`)
  return agent
}
const stateOf = (subject: AgentTracker): [string, number | null] => {
  const agent = one(subject)
  return [agent.state, agent.idleMs.value]
}

describe('snapshot', () => {
  test('an agent with its tree, cost, folder and age', async () => {
    made.run(claude, bash)
    const snapshot = snapshotSchema.parse(await tracker().snapshot({ commandLines: false, privileged: true }))
    expect(snapshot.agents).toHaveLength(1)
    expect(snapshot.agents[0]).toMatchObject({
      id: '00000000-1111-4222-8333-444444444444:100:500000', kind: 'claude-code', name: 'project', projectFolder: { value: '/home/dev/project' }, uid: 1000,
      ageMs: 5_000_000, state: 'active', idleMs: { value: null, reason: 'not-measured' },
      cost: { costBytes: 1100 * 1024, pssBytes: 1100 * 1024, unmeasured: 0 },
    })
    expect(snapshot.counts).toEqual({ seen: 2, kernelThreads: 0, vanished: 0, unreadable: 0, ofAgents: 2 })
    expect(snapshot.cpuMs).toBeGreaterThan(0)
  })

  test('command lines only where asked for', async () => {
    made.run(claude)
    const subject = tracker()
    expect(JSON.stringify(await subject.snapshot({ commandLines: false, privileged: true }))).not.toContain('secret-token')
    expect(JSON.stringify(subject.look())).not.toContain('secret-token')
    expect((await subject.snapshot({ commandLines: true, privileged: true })).agents[0]?.processes[0]?.commandLine).toEqual(['claude', '--secret-token', 'abc'])
  })

  describe('agents that the caller knows by signatures of its own', () => {
    const id = '00000000-1111-4222-8333-444444444444:100:500000'
    const own: MadeProcess = { pid: 100, exe: '/home/dev/bin/my-agent', argv: ['my-agent'], pssKib: 500 }
    const named = [{ id, title: 'My agent', kind: 'my-agent' }]
    const look = async (subject: AgentTracker, agents: Parameters<AgentTracker['snapshot']>[0]['named'] = named) =>
      (await subject.snapshot({ commandLines: false, privileged: true, named: agents })).agents.map((agent) => [agent.id, agent.kind, agent.title, agent.processes.map(({ pid }) => pid)])

    test('are measured with their trees when named, and only then', async () => {
      made.run(own, bash)
      const subject = tracker(1000)
      expect(await look(subject)).toEqual([[id, 'my-agent', 'My agent', [100, 101]]])
      expect(await look(subject, [])).toEqual([])
    })

    test.each([
      ['a later process with that number', [{ id: id.replace('500000', '499999'), title: 'My agent', kind: 'my-agent' }], 1000],
      ['one of another boot', [{ id: id.replace('00000000', '99999999'), title: 'My agent', kind: 'my-agent' }], 1000],
      ['a process of somebody else', named, 1001],
      ['one whose kind is not told', [{ id, title: 'My agent' }], 1000],
    ])('%s is not', async (_, agents, uid) => {
      made.run(own, bash)
      expect(await look(tracker(uid), agents)).toEqual([])
    })

    test('count once where they run inside another agent, and keep what is known here as it is', async () => {
      made.run(claude, { ...own, pid: 102, parent: 100 })
      const inner = { id: id.replace(':100:', ':102:'), title: 'My agent', kind: 'my-agent' }
      expect(await look(tracker(1000), [...named, inner])).toEqual([
        [id, 'claude-code', 'Claude Code', [100]],
        [inner.id, 'my-agent', 'My agent', [102]],
      ])
    })
  })

  test('cost: the compressed share counts with its pool, the rest is on disk', async () => {
    made.run({ ...claude, swapPssKib: 400 })
    made.put('/proc/meminfo', 'MemTotal: 16000 kB\nSwapTotal: 8000 kB\nSwapFree: 6000 kB\nZswap: 250 kB\nZswapped: 1000 kB\n')
    made.put('/sys/module/zswap/parameters/enabled', 'Y')
    made.put('/sys/module/zswap/parameters/compressor', 'zstd')
    made.put('/sys/module/zswap/parameters/max_pool_percent', '20')
    // Half of what is swapped is in the pool, at a quarter of its size.
    expect((await tracker().snapshot({ commandLines: false, privileged: true })).agents[0]?.cost).toMatchObject({
      swapPssBytes: 400 * 1024, compressedBytes: 50 * 1024, diskSwapBytes: 200 * 1024, costBytes: 1050 * 1024,
    })
  })

  test('memory that cannot be read is counted and left out of the sums', async () => {
    made.run(claude, { pid: 101, parent: 100, exe: '/usr/bin/bash', argv: ['bash'] })
    const snapshot = await tracker().snapshot({ commandLines: false, privileged: false })
    expect(snapshot.agents[0]?.cost).toMatchObject({ pssBytes: 1000 * 1024, unmeasured: 1 })
    expect(snapshot.agents[0]?.processes[1]?.memory).toMatchObject({ value: null, reason: 'vanished' })
    expect(snapshot.counts).toMatchObject({ vanished: 1, ofAgents: 2 })
  })

  test('a user sees agents of their own; another user\'s child is listed, not measured', async () => {
    made.run(claude, { ...bash, uid: 0 }, { ...claude, pid: 300, uid: 1001 })
    const snapshot = await tracker(1000).snapshot({ commandLines: true, privileged: true })
    expect(snapshot.agents.map((agent) => agent.pid)).toEqual([100])
    expect(snapshot.agents[0]?.processes[1]?.memory).toMatchObject({ value: null, reason: 'not-permitted' })
    expect(snapshot.agents[0]?.processes[1]?.commandLine).toBeUndefined()
    expect(snapshot.counts).toMatchObject({ seen: 3, unreadable: 1 })
    expect((await tracker().snapshot({ commandLines: false, privileged: true })).agents).toHaveLength(2)
  })

  test('names are made printable, and a folder without a name falls back to the title', async () => {
    made.run({ ...claude, comm: 'a\nb', cwd: '/' })
    const agent = (await tracker().snapshot({ commandLines: false, privileged: true })).agents[0]
    expect(agent?.name).toBe('Claude Code')
    expect(agent?.processes[0]?.comm).toBe('a?b')
  })

  test('merging: all of the tree, or not', async () => {
    made.run(claude, bash)
    made.put('/proc/100/ksm_stat', 'ksm_merge_any: yes\n')
    const mergeable = async () => (await tracker().snapshot({ commandLines: false, privileged: true })).agents[0]?.mergeable
    expect(await mergeable()).toEqual({ value: true })
    made.put('/proc/101/ksm_stat', 'ksm_merge_any: no\n')
    expect(await mergeable()).toEqual({ value: false })
  })
})

describe('own cgroup', () => {
  const GROUP = '/user.slice/app.slice/agent.scope'
  const own = (): boolean => one(tracker()).ownCgroup
  beforeEach(() => {
    made.run(claude, bash)
    made.put('/proc/mounts', 'x /sys/fs/cgroup cgroup2 rw 0 0\n')
    made.put('/proc/100/cgroup', `0::${GROUP}\n`)
    made.put(`/sys/fs/cgroup${GROUP}/memory.reclaim`, '')
    made.put(`/sys/fs/cgroup${GROUP}/cgroup.procs`, '100\n101\n')
  })

  test('exactly the tree', () => {
    expect(own()).toBe(true)
  })
  test('a stranger in it, also further down', () => {
    made.put(`/sys/fs/cgroup${GROUP}/tools/cgroup.procs`, '999\n')
    expect(own()).toBe(false)
  })
  test('part of the tree elsewhere', () => {
    made.put(`/sys/fs/cgroup${GROUP}/cgroup.procs`, '100\n')
    expect(own()).toBe(false)
  })
  test('a path that leads out of the namespace, and the root group', () => {
    made.put('/proc/100/cgroup', `0::/..${GROUP}\n`)
    expect(own()).toBe(false)
    made.put('/proc/100/cgroup', '0::/\n')
    expect(own()).toBe(false)
  })
  test('cgroup v1 has no memory.reclaim', () => {
    made.put('/proc/100/cgroup', `4:memory:${GROUP}\n`)
    expect(own()).toBe(false)
  })
})

describe('idleness', () => {
  test('unknown at first, then counted from the first look', () => {
    made.run({ ...claude, cpuTicks: 50_000 })
    const subject = tracker()
    expect(stateOf(subject)).toEqual(['active', null])
    now += 3000
    expect(stateOf(subject)).toEqual(['active', 3000])
    now += 3000
    expect(stateOf(subject)).toEqual(['idle', 6000])
  })

  test('looks close together are not judged', () => {
    made.run(claude)
    const subject = tracker()
    stateOf(subject)
    made.run({ ...claude, cpuTicks: 1 })
    now += 50
    expect(stateOf(subject)).toEqual(['active', null])
  })

  test('noteworthy CPU time wakes it, a little does not', () => {
    made.run(claude)
    const subject = tracker()
    stateOf(subject)
    now += 10_000
    made.run({ ...claude, cpuTicks: 11 })
    expect(stateOf(subject)).toEqual(['idle', 10_000])
    now += 10_000
    // 1.3 % for 10 s, as a burst of garbage collection at the prompt: forgiven while it stays one.
    made.run({ ...claude, cpuTicks: 11 + 13 })
    expect(stateOf(subject)).toEqual(['idle', 20_000])
    // Going on at that rate is work: 520 ms in looks in a row.
    for (const ticks of [26, 39]) {
      now += 10_000
      made.run({ ...claude, cpuTicks: 11 + ticks })
      expect(stateOf(subject)[0]).toBe('idle')
    }
    now += 10_000
    made.run({ ...claude, cpuTicks: 11 + 52 })
    expect(stateOf(subject)).toEqual(['active', 0])
    // A quiet look ends the row: the next burst is forgiven again.
    now += 10_000
    expect(stateOf(subject)).toEqual(['idle', 10_000])
    now += 10_000
    made.run({ ...claude, cpuTicks: 11 + 52 + 40 })
    expect(stateOf(subject)).toEqual(['idle', 20_000])
  })

  test('what a prompt takes differs by kind', () => {
    made.run({ ...claude, exe: '/home/dev/.opencode/bin/opencode', argv: ['opencode'] })
    const subject = tracker()
    stateOf(subject)
    now += 10_000
    made.run({ ...claude, exe: '/home/dev/.opencode/bin/opencode', argv: ['opencode'], cpuTicks: 20 })
    expect(stateOf(subject)).toEqual(['idle', 10_000])
  })

  test('a tool keeps it awake however quiet, its end counts what it used', () => {
    made.run(claude, bash)
    const subject = tracker()
    stateOf(subject)
    made.run({ pid: 102, parent: 101, exe: '/usr/bin/sleep', argv: ['sleep', '99'] })
    now += 20_000
    expect(stateOf(subject)).toEqual(['active', 0])
    made.end(102)
    now += 6000
    expect(stateOf(subject)).toEqual(['idle', 6000])
    made.run({ ...bash, endedChildrenTicks: 500 })
    now += 6000
    expect(stateOf(subject)).toEqual(['active', 0])
  })

  test('servers at rest do not', () => {
    made.run(claude, { pid: 102, parent: 100, exe: '/usr/bin/gopls', argv: ['gopls'] })
    const subject = tracker()
    stateOf(subject)
    now += 6000
    expect(stateOf(subject)).toEqual(['idle', 6000])
  })

  test('a tool at the first look is known to be at work', () => {
    made.run(claude, { pid: 102, parent: 100, exe: '/usr/bin/rg', argv: ['rg'] })
    expect(stateOf(tracker())).toEqual(['active', 0])
  })

  test('stopped is suspended', () => {
    made.run({ ...claude, state: 'T' }, bash)
    expect(stateOf(tracker())[0]).toBe('suspended')
  })

  test('a reused pid starts anew', () => {
    made.run(claude)
    const subject = tracker()
    stateOf(subject)
    now += 60_000
    made.run({ ...claude, startTicks: 600_000 })
    expect(stateOf(subject)).toEqual(['active', null])
  })
})

describe('look', () => {
  test('carries what the last snapshot measured, and forgets agents that went', async () => {
    made.run(claude)
    const subject = tracker()
    const agents = () => sessionRequests.Agents.response.parse(subject.look()).agents
    expect(agents()[0]).toMatchObject({ cost: null, mergeable: { value: null, reason: 'not-measured' }, processes: [{ memory: { value: null, reason: 'not-measured' } }] })
    await subject.snapshot({ commandLines: false, privileged: true })
    made.run(bash)
    expect(agents()[0]).toMatchObject({ cost: { pssBytes: 1000 * 1024 }, processes: [{ memory: { value: { pssBytes: 1000 * 1024 } } }, { memory: { reason: 'not-measured' } }] })
    made.end(100)
    expect(agents()).toEqual([])
    made.run(claude)
    expect(agents()[0]?.cost).toBeNull()
  })

  test('other signatures from now on', () => {
    made.run(claude)
    const subject = tracker()
    subject.setSignatures({ version: 1, agents: [], children: [] })
    expect(subject.look().agents).toEqual([])
  })
})

test('the real machine: no exception, and this process is seen', async () => {
  const snapshot = snapshotSchema.parse(await createAgentTracker({ root: '/', signatures, uid: null }).snapshot({ commandLines: false, privileged: false }))
  expect(snapshot.counts.seen).toBeGreaterThan(0)
})
