import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { defaultPolicy, lifecycleEventSchema, type LifecycleEvent } from '../../contract/lifecycle.ts'
import { ok } from '../../contract/result.ts'
import type { AgentTree } from '../discover.ts'
import { createRegistry } from '../registry/registry.ts'
import { idleFor, madeAgent } from '../registry/testing.ts'
import type { Keeper } from './keeper.ts'
import { createPolicyEngine } from './policy.ts'
import { createTrimTally, type TrimTally } from './trim-tally.ts'

const MIB = 1024 * 1024
const MINUTE_MS = 60_000
const [a, b] = [madeAgent(10, { name: 'web' }), madeAgent(11, { name: 'shop' })]

let nowMs: number
let told: Omit<LifecycleEvent, 'seq'>[]
let tally: TrimTally
beforeEach(() => {
  nowMs = 1_000_000
  told = []
  tally = createTrimTally({ nowMs: () => nowMs, onEvent: (event) => { told.push(event) } })
})
/** A look every 15 s, as the loop does, with what is won at each. */
const pass = (minutes: number, step: () => void = () => {}): void => {
  for (const endMs = nowMs + minutes * MINUTE_MS; nowMs < endMs; nowMs += 15_000) {
    step()
    tally.look()
  }
}

describe('trimming told by the sweep', () => {
  it('is one line for all agents once it paused, with what each gave', () => {
    pass(5, () => { tally.add(a, MIB); tally.add(b, 2 * MIB) })
    expect(told).toEqual([])
    pass(15)
    expect(told.map(({ trimmed }) => trimmed)).toEqual([{ fromMs: 1_000_000, toMs: 1_285_000, agents: [
      { agentId: a.id, title: 'Claude Code', name: 'web', wonBytes: 20 * MIB },
      { agentId: b.id, title: 'Claude Code', name: 'shop', wonBytes: 40 * MIB },
    ] }])
    expect(told[0]?.text).toBe('2 idle agents were paged out by the policy in small steps: 60 MiB')
    // As the app will read it from the spool.
    expect(lifecycleEventSchema.parse({ seq: 1, ...told[0] })).toEqual({ seq: 1, ...told[0] })
  })

  it('is a line an hour where it never pauses, and the sums add up', () => {
    pass(24 * 60, () => { tally.add(a, MIB) })
    expect(told.length).toBeGreaterThanOrEqual(22)
    expect(told.length).toBeLessThanOrEqual(24)
    tally.end()
    expect(told.flatMap(({ trimmed }) => trimmed?.agents ?? []).reduce((sum, { wonBytes }) => sum + wonBytes, 0)).toBe(24 * 60 * 4 * MIB)
  })

  it('goes on through the rest of an agent that has nothing more to give, and says nothing of crumbs', () => {
    let step = 0
    // Every ten minutes three dry steps, one of which takes back what another gave.
    pass(6 * 60, () => { step += 1; if (step % 40 < 3) tally.add(a, step % 2 === 0 ? 8192 : -8192) })
    tally.end()
    expect(told).toEqual([])
  })

  it('is told at the end by whoever did it, and only once', () => {
    tally.add(a, 3 * MIB)
    tally.end()
    tally.end()
    pass(30)
    expect(told).toHaveLength(1)
  })
})

describe('the policy', () => {
  let made: MadeRoot
  beforeEach(() => { made = makeRoot() })
  afterEach(() => { made.remove() })

  it('hands over what each step won, and nothing of one that failed', async () => {
    made.put('/proc/swaps', 'Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1048576 0 100\n')
    made.put('/proc/10/status', 'RssAnon:\t  204800 kB\n')
    made.put('/proc/11/status', 'RssAnon:\t  204800 kB\n')
    const registry = createRegistry({ kept: { projects: [], agents: [], lastWordMs: 0 }, nowMs: () => nowMs, foundBy: () => 'discovered', onEvent: () => {} })
    registry.take([a, b], new Map([[a.id, idleFor(600_000)], [b.id, idleFor(600_000)]]))
    const keeper = {
      facts: () => ({ permission: 'given', suspend: { how: 'own-scope', text: '' } }), refreshedAtMs: () => nowMs,
      trim: async (id: string) => (id === a.id ? ok({ wonBytes: MIB, tookMs: 1, stoppedBy: null }) : { ok: false, error: { code: 'write-refused', message: 'no' } }),
    } as unknown as Keeper
    const tree = (pid: number) => ({ members: [{ stat: { pid, majorFaults: 0 } }] }) as unknown as AgentTree
    const won: [string, number][] = []
    const engine = createPolicyEngine({
      policy: { ...defaultPolicy, suspend: { ...defaultPolicy.suspend, auto: false }, trim: { auto: true, afterIdleMs: 60_000 } }, registry, keeper,
      trees: () => new Map([[a.id, tree(10)], [b.id, tree(11)]]), ask: async () => null, onTrimmed: (id, bytes) => { won.push([id, bytes]) }, root: made.root, nowMs: () => nowMs,
    })
    await engine.step()
    nowMs += 15_000
    await engine.step()
    expect(won).toEqual([[a.id, MIB], [a.id, MIB]])
  })
})
