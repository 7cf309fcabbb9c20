import { existsSync, readdirSync } from 'node:fs'
import { check, read, run, same, until, type Test } from './harness.ts'
import { startAgent } from './fake-agent.ts'
import { applyOpen, stateOf } from './swap.ts'
import { DEV, EVE } from './users.ts'
import { good, helper } from './world.ts'

const TRACEFS = '/sys/kernel/tracing'
const CLUSTER = '/proc/sys/vm/page-cluster'
const BYTES = '/proc/sys/vm/dirty_background_bytes'
const RATIO = '/proc/sys/vm/dirty_background_ratio'

export const traceTests: readonly Test[] = [
  {
    name: 'tunables: written under the sandbox, and a ratio that bytes stood over comes back',
    run: async () => {
      const before = [CLUSTER, BYTES, RATIO].map(read)
      const runId = await applyOpen({ tunables: { pageCluster: read(CLUSTER) === '0' ? 1 : 0, dirtyBackgroundBytes: 64 * 1024 ** 2 } })
      same(read(BYTES), String(64 * 1024 ** 2), 'bytes')
      // The guard's turn: with the helper gone nobody else is there to put it back.
      run('systemctl', 'kill', '--signal=KILL', 'agentmem-helper.service')
      await until('the settings to be back', () => [CLUSTER, BYTES, RATIO].map(read).join() === before.join(), 60_000)
      await until('the run to be closed', async () => (await stateOf(runId).catch(() => '')) === 'undone', 60_000)
    },
  },
  {
    name: 'looking deeper: an instance of tracefs under the sandbox, at one\'s own process, and gone afterwards',
    run: async () => {
      if (!existsSync(`${TRACEFS}/instances`)) run('mount', '-t', 'tracefs', 'tracefs', TRACEFS)
      const agent = await startAgent(10)
      const process = agent.target.processes[0]
      const seen = good(await helper(DEV, 'TraceRun', { id: 'ftrace.reclaim', process, seconds: 2 }), 'TraceRun') as unknown as { text: string; table: { columns: string[] } }
      check(seen.table.columns.includes('how often'), JSON.stringify(seen))
      console.log(`# ${seen.text.replaceAll('\n', ' / ')}`)
      same(readdirSync(`${TRACEFS}/instances`), [], 'instances')
      const foreign = await helper(EVE, 'TraceRun', { id: 'ftrace.reclaim', process, seconds: 2 })
      check(!foreign.ok && ['authorization-obtainable', 'authorization-denied'].includes(foreign.error.code), `another user: ${JSON.stringify(foreign)}`)
      // No tool in this machine: it says which, and how to have it.
      const none = await helper(DEV, 'TraceRun', { id: 'perf.page-faults', process: null, seconds: 1 })
      if (!existsSync('/usr/bin/perf')) check(!none.ok && none.error.message.includes('perf is not installed'), JSON.stringify(none))
      await agent.end()
    },
  },
  {
    name: 'looking deeper: what a killed helper leaves is taken away when it is started again',
    run: async () => {
      const asked = helper(DEV, 'TraceRun', { id: 'ftrace.oom', process: null, seconds: 60 })
      await until('the instance', () => readdirSync(`${TRACEFS}/instances`).length === 1, 30_000)
      run('systemctl', 'kill', '--signal=KILL', 'agentmem-helper.service')
      await asked
      await until('the next helper to take it away', async () => (await helper(DEV, 'Status')).ok && readdirSync(`${TRACEFS}/instances`).length === 0, 60_000)
    },
  },
]
