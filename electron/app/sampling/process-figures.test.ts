import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Agent } from '../../../helper/contract/agents.ts'
import { known } from '../../../helper/contract/known.ts'
import { ok } from '../../../helper/contract/result.ts'
import { makeRoot, type MadeRoot } from '../../../helper/test/proc-tree.ts'
import { sampleAgent } from '../report/sample.ts'
import { processFiguresSchema } from '../../contract/process-figures.ts'
import { processFigures } from './process-figures.ts'

const MB = 1024 ** 2
const ROLLUP = 'Pss: 7000 kB\nPss_Anon: 4096 kB\nPrivate_Dirty: 3072 kB\nShared_Dirty: 1024 kB\nAnonymous: 6144 kB\nAnonHugePages: 2048 kB\nShmemPmdMapped: 0 kB\nFilePmdMapped: 2048 kB\n'

let made: MadeRoot
beforeEach(() => {
  made = makeRoot()
  made.run({ pid: 100, argv: ['claude'], startTicks: 500 }, { pid: 101, parent: 100, argv: ['sh'], startTicks: 500 }, { pid: 102, argv: ['other'], startTicks: 500 })
  for (const pid of [100, 101, 102]) made.put(`/proc/${pid}/smaps_rollup`, ROLLUP)
})
afterEach(() => {
  made.remove()
})

const agentOf = (...pids: readonly number[]): Agent => {
  const agent = sampleAgent({ kind: 'claude-code', title: 'Claude Code', name: 'web-shop', pid: 100, folder: '/home/mara/x', anonMib: 133, fileMib: 60, children: [] })
  const [main] = agent.processes
  if (main === undefined) throw new Error('a sample without a process')
  return { ...agent, processes: pids.map((pid) => ({ ...main, pid, startTimeTicks: 500, label: `of the agent ${pid}` })) }
}

const figuresOf = async (agent: Agent, chosen: boolean) => {
  const answer = await processFigures({ root: made.root, sampler: { agents: async () => ok([agent]) }, now: () => 7 }, { agentId: chosen ? agent.id : null }, 1000)
  if (!answer.ok) throw new Error(answer.error.message)
  return processFiguresSchema.parse(answer.value)
}

test('page tables are walked of the chosen agent alone', async () => {
  const { takenAtMs, nodes, processes } = await figuresOf(agentOf(100, 101), true)
  expect({ takenAtMs, nodes, pids: processes.map(({ ref }) => ref.pid) }).toEqual({ takenAtMs: 7, nodes: [0], pids: [100, 101] })
  expect(processes[0]).toMatchObject({ title: 'of the agent 100', anonHugeBytes: known(2 * MB), fileHugeBytes: known(2 * MB), privateDirtyBytes: known(3 * MB), sharedDirtyBytes: known(MB), copyOnWriteBytes: known(2 * MB), numaBytes: { value: null, detail: 'one node' } })
  const all = await figuresOf(agentOf(100, 101), false)
  expect(all.processes.map(({ ref }) => ref.pid)).toEqual([100, 101, 102])
  for (const one of all.processes) expect([one.anonHugeBytes, one.fileHugeBytes, one.privateDirtyBytes, one.sharedDirtyBytes, one.copyOnWriteBytes].map(({ value }) => value)).toEqual([null, null, null, null, null])
})

test('placement is told by the number of the node, where there are several', async () => {
  made.put('/sys/devices/system/node/online', '0,2\n')
  for (const node of [0, 2]) made.put(`/sys/devices/system/node/node${node}/meminfo`, `Node ${node} MemTotal: 8000000 kB\nNode ${node} MemFree: 1000 kB\n`)
  made.put('/proc/100/numa_maps', '55 default heap anon=3 N0=2 N2=1 kernelpagesize_kB=4\n')
  const { nodes, processes } = await figuresOf(agentOf(100, 101), true)
  expect(nodes).toEqual([0, 2])
  expect(processes.map(({ numaBytes }) => numaBytes.value)).toEqual([[8192, 0, 4096], null])
  expect(processes[1]?.numaBytes).toMatchObject({ reason: 'vanished' })
})

test('a process that ends while it is read leaves gaps, no failure', async () => {
  made.end(101)
  made.run({ pid: 101, parent: 100, argv: ['sh'], startTicks: 500 })
  const { processes } = await figuresOf(agentOf(100, 101), true)
  expect(processes.find(({ ref }) => ref.pid === 101)?.copyOnWriteBytes).toMatchObject({ value: null, reason: 'vanished' })
})
