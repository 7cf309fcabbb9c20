import { readdirSync } from 'node:fs'
import { check, read, run, same, tryRun, until, type Test } from './harness.ts'
import { checkNothingFrozen, hearBeat, isFrozen, startAgent } from './fake-agent.ts'
import { applyOpen, stateOf } from './swap.ts'
import { DEV } from './users.ts'
import { good, helper } from './world.ts'

const KSM = '/sys/kernel/mm/ksm'

/** What a run of KSM changes, as text. */
const ksm = (): string => readdirSync(KSM).filter((name) => ['run', 'pages_to_scan', 'sleep_millisecs', 'smart_scan', 'advisor_mode'].includes(name)).toSorted().map((name) => `${name}=${read(`${KSM}/${name}`)}`).join(' ')

interface Word {
  readonly what: string
  readonly text: string
  readonly runId: string | null
}

const words = async (): Promise<Word[]> => (good(await helper(DEV, 'Held'), 'Held') as unknown as { guard: { words: Word[] } }).guard.words

export const pressureTests: readonly Test[] = [
  {
    name: 'memory pressure: the guard takes an open run back, leaves word, and lets suspended agents sleep',
    run: async () => {
      const agent = await startAgent(10)
      const { cgroup } = good(await helper(DEV, 'Suspend', { agent: agent.target, cause: 'user' }), 'Suspend') as unknown as { cgroup: string }
      const before = ksm()
      const runId = await applyOpen({ ksm: { mode: 'merge', pagesToScan: 37, sleepMs: 210 } })
      check(ksm().includes('pages_to_scan=37'), `the run changed nothing: ${ksm()}`)
      // Holds far more than it may, and touches all of it: it stands still for memory, and nobody else needs the processors.
      run('systemd-run', '--quiet', '--collect', '--unit=hog', '--property=MemoryHigh=30M', '--property=MemorySwapMax=300M', '/usr/bin/python3', '/mnt/guest/inside/hog.py', '200')
      try {
        // Undoing may end the helper; the next one knows how the run ended.
        await until('the run to be taken back', async () => ['undone', 'partly-undone'].includes(await stateOf(runId).catch(() => '')), 90_000)
      } finally {
        console.log(`# ${read('/proc/pressure/memory').replaceAll('\n', ' / ')}`)
        tryRun('systemctl', ['kill', '--signal=KILL', 'hog.service'])
      }
      same(ksm(), before, 'settings of KSM')
      const said = (await words()).filter((word) => word.runId === runId)
      check(said.some((word) => word.what === 'undone'), `words: ${JSON.stringify(await words())}`)
      console.log(`# ${said.map((word) => word.text).join(' / ')}`)
      check(isFrozen(cgroup), 'the suspended agent was woken for want of memory')
      good(await helper(DEV, 'Resume', { agentIds: null, cause: 'user' }), 'Resume')
      await hearBeat(agent)
      checkNothingFrozen()
      await agent.end()
    },
  },
]
