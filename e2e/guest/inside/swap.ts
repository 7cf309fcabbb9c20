import { randomBytes } from 'node:crypto'
import { check, read, same, until, type Test } from './harness.ts'
import { DEV } from './users.ts'
import { good, helper } from './world.ts'

const settings = { compressedSwap: { mode: 'zram', compressors: ['zstd', 'lz4', 'lzo-rle'], sizePercentOfMemory: 50 } }

interface RunRecord {
  readonly state: string
}

export const stateOf = async (runId: string): Promise<string> => (good(await helper(DEV, 'Run', { runId }), 'Run') as unknown as RunRecord).state

/** Applies settings, and returns when the run waits for its answer. */
export const applyOpen = async (wanted: object): Promise<string> => {
  const plan = good(await helper(DEV, 'Plan', { settings: wanted, agents: [] }), 'Plan')
  const runId = `${new Date().toISOString().replaceAll(/[-:]|\.\d{3}/gu, '')}-${randomBytes(4).toString('hex')}`
  good(await helper(DEV, 'Apply', { runId, presetId: 'guest', presetTitle: 'Guest', settings: wanted, digest: plan['digest'], cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 3_600_000 }), 'Apply')
  await until('the run to wait for its answer', async () => !['started', 'applying', 'settling'].includes(await stateOf(runId)), 60_000)
  const record = good(await helper(DEV, 'Run', { runId }), 'Run')
  check(record['state'] === 'waiting', `the run does not wait for its answer: ${JSON.stringify(record['steps'] ?? record).slice(0, 1400)}`)
  return runId
}

/** Applies the preset and keeps it. */
const applyKept = async (): Promise<string> => {
  const runId = await applyOpen(settings)
  good(await helper(DEV, 'Keep', { runId }), 'Keep')
  return runId
}

export const swapTests: readonly Test[] = [
  {
    name: 'a preset sets up compressed swap under the sandbox, and undo removes it',
    run: async () => {
      const before = read('/sys/block/zram0/comp_algorithm')
      same(read('/proc/swaps').split('\n').length, 1, 'swaps at first')
      const runId = await applyKept()
      check(read('/proc/swaps').includes('zram'), `no zram in ${read('/proc/swaps')}`)
      good(await helper(DEV, 'Undo', { runId, cause: 'user-undo' }), 'Undo')
      await until('swap to go', () => !read('/proc/swaps').includes('zram'))
      same(read('/sys/block/zram0/comp_algorithm'), before, 'algorithm')
      same(read('/sys/block/zram0/disksize'), '0', 'size')
    },
  },
  {
    name: 'compressed swap for the tests that follow: zstd on zram',
    run: async () => {
      await applyKept()
      check(read('/sys/block/zram0/comp_algorithm').includes('[zstd]'), read('/sys/block/zram0/comp_algorithm'))
    },
  },
]
