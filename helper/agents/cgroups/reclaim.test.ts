import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { readHealth, verdict, STALLED_LOOKS } from './health.ts'
import { reclaimGroup } from './reclaim.ts'

const MIB = 1024 * 1024
const FOLDER = '/sys/fs/cgroup/a.slice/agent-1-2.scope'

describe('paging out of one cgroup', () => {
  let made: MadeRoot
  let charged = 0
  const set = (bytes: number, swap = 0): void => {
    charged = bytes
    made.put(`${FOLDER}/memory.current`, `${bytes}\n`)
    made.put(`${FOLDER}/memory.swap.current`, `${swap}\n`)
  }
  /** A kernel that gives at most so much in all, and knows swappiness or not. */
  const kernel = (gives: number, knowsSwappiness: boolean, asked: string[]) => ({
    read: () => ({ value: null, reason: 'not-supported' as const }),
    makeGroup: () => ok(null),
    removeGroup: () => ok(null),
    write: async (_path: string, value: string): Promise<Result<null>> => {
      asked.push(value)
      const [amount = '0', word] = value.split(' ')
      if (word !== undefined && !knowsSwappiness) return fail('write-refused', 'no', { got: 'EINVAL' })
      const some = Math.min(Number(amount), Math.max(0, gives))
      gives -= some
      set(charged - some)
      return some < Number(amount) ? fail('write-refused', 'less', { got: 'EAGAIN' }) : ok(null)
    },
  })

  beforeEach(() => {
    made = makeRoot()
    set(100 * MIB)
    made.put('/proc/pressure/memory', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n')
  })
  afterEach(() => made.remove())

  it('takes what was asked for, in pieces', async () => {
    const asked: string[] = []
    const done = await reclaimGroup({ root: made.root, kernel: kernel(100 * MIB, true, asked), folder: FOLDER, target: { bytes: 40 * MIB }, swappiness: 'max' })
    expect(done.ok && [done.value.achievedBytes, done.value.stoppedBy]).toEqual([40 * MIB, null])
    expect(asked.length).toBeGreaterThan(1)
    expect(asked[0]).toMatch(/ swappiness=max$/u)
  })

  it('goes on without the second word where the kernel does not know it', async () => {
    const asked: string[] = []
    const done = await reclaimGroup({ root: made.root, kernel: kernel(100 * MIB, false, asked), folder: FOLDER, target: { percent: 10 }, swappiness: 'max' })
    expect(done.ok && done.value.achievedBytes).toBe(10 * MIB)
    expect(asked.filter((text) => text.includes('swappiness'))).toHaveLength(1)
  })

  it('says how much it got where the rest does not go', async () => {
    const done = await reclaimGroup({ root: made.root, kernel: kernel(20 * MIB, true, []), folder: FOLDER, target: { percent: 100 } })
    expect(done.ok && done.value.achievedBytes).toBe(20 * MIB)
    expect(done.ok && done.value.stoppedBy).toContain('nothing more would go')
  })

  it('says so when the cgroup is gone', async () => {
    const done = await reclaimGroup({ root: made.root, kernel: kernel(1, true, []), folder: '/sys/fs/cgroup/gone', target: { percent: 100 } })
    expect(done.ok ? null : done.error.code).toBe('process-gone')
  })

  it('judges a limit by what was ended and by standing still, not by being slowed down', () => {
    made.put(`${FOLDER}/memory.events`, 'low 0\nhigh 5\nmax 0\noom 0\noom_kill 0\n')
    made.put(`${FOLDER}/memory.pressure`, 'some avg10=80.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=60.00 avg60=0.00 avg300=0.00 total=0\n')
    const before = readHealth(made.root, FOLDER)
    if (before === null) throw new Error('no health')
    expect(before.stalledPercent).toBe(60)
    expect(verdict(before, { ...before, highEvents: 5000, maxEvents: 3 }, 1)).toBeNull()
    expect(verdict(before, { ...before, oomKills: 1 }, 0)).toContain('ended 1 times')
    expect(verdict(before, before, STALLED_LOOKS)).toContain('stood still for 60 %')
  })
})
