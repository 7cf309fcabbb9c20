import { randomBytes } from 'node:crypto'
import { check, read, same, until, type Test } from './harness.ts'
import { DEV, good, helper } from './world.ts'

const settings = { compressedSwap: { mode: 'zram', compressors: ['zstd', 'lz4', 'lzo-rle'], sizePercentOfMemory: 50 } }

interface RunRecord {
  readonly state: string
}

const stateOf = (runId: string): string => (good(helper(DEV, 'Run', { runId }), 'Run') as unknown as RunRecord).state

/** Applies the preset and keeps it. */
const applyKept = async (): Promise<string> => {
  const plan = good(helper(DEV, 'Plan', { settings, agents: [] }), 'Plan')
  const runId = `${new Date().toISOString().replaceAll(/[-:]|\.\d{3}/gu, '')}-${randomBytes(4).toString('hex')}`
  good(helper(DEV, 'Apply', { runId, presetId: 'guest', presetTitle: 'Guest', settings, digest: plan['digest'], cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 120_000 }), 'Apply')
  await until('the run to wait for its answer', () => !['started', 'applying', 'settling'].includes(stateOf(runId)), 60_000)
  good(helper(DEV, 'Keep', { runId }), `Keep (state ${stateOf(runId)})`)
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
      good(helper(DEV, 'Undo', { runId, cause: 'user-undo' }), 'Undo')
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
