import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { evidenceSchema } from '../contract/evidence.ts'
import { readEvidence } from '../observe/evidence/read.ts'
import { describeMachine } from './describe-machine.ts'

const MACHINES = new URL('machines', import.meta.url).pathname
const all = readdirSync(MACHINES, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
/** Of the others there are looks alone. */
const names = all.filter((name) => existsSync(join(MACHINES, name, 'expected.json')))

describe('captured machines', () => {
  test('there are those that the readers were written for', () => {
    expect(names.toSorted()).toEqual(['debian-12-linux-6.1', 'debian-12-linux-6.18-cgroup-v1', 'debian-13-linux-6.12-zswap', 'old-linux-4.19-zram', 'ubuntu-desktop-linux-6.8-cgroup-v2'])
  })

  test.each(names)('%s reads as expected.json says', async (name) => {
    const root = join(MACHINES, name)
    const expected: unknown = JSON.parse(readFileSync(join(root, 'expected.json'), 'utf8'))
    expect(JSON.parse(JSON.stringify(await describeMachine(root)))).toEqual(expected)
  })

  test.each(names)('%s gives a look for the rules, the same bytes each time', async (name) => {
    const look = () => readEvidence(join(MACHINES, name), { uid: null, privileged: false })
    const text = JSON.stringify(await look())
    expect(evidenceSchema.parse(JSON.parse(text)).tookMs).toBe(0)
    expect(JSON.stringify(await look()) === text).toBe(true)
    // Nor does it hang on where the tree lies.
    expect(text).not.toContain(MACHINES)
  })

  test('one was captured with all that the rules look at', async () => {
    const evidence = await readEvidence(join(MACHINES, 'debian-13-linux-6.12-zswap'), { uid: null, privileged: false })
    expect(evidence).toMatchObject({ privileged: true, cpus: 2, kernelVersion: [6, 12], rivals: [], zombieProcesses: 0 })
    expect(evidence.zones.map(({ zone, freeBlocks, fragmentationIndex }) => [zone, freeBlocks.length, fragmentationIndex.value?.length])).toEqual([['DMA', 11, 11], ['DMA32', 11, 11]])
    expect(evidence.zswapDebug['pool_limit_hit']).toBe(0)
    expect(evidence.slab.value?.[0]?.bytes).toBeGreaterThan(1024 ** 2)
    expect(evidence.kernelMessages).toEqual({ value: [] })
    expect(evidence.hardening).toMatchObject({ aslr: { value: 'full' }, noExecute: { value: true }, lockdown: { value: 'none' }, initOnAlloc: { value: true }, swapEncryption: [{ path: '/swapfile', state: 'unknown' }] })
    expect(evidence.memoryFileSystems.find(({ folder }) => folder === '/tmp')?.usedBytes.value).toBeGreaterThan(0)
    expect(evidence.config.value?.['CONFIG_LRU_GEN']).toBe('y')
    expect(evidence.mm['/sys/kernel/mm/lru_gen/enabled']).toEqual({ value: '0x0007' })
  })

  test.each(all.filter((name) => existsSync(join(MACHINES, name, 'looks'))))('looks of %s are of one boot, one after the other', (name) => {
    const folder = join(MACHINES, name, 'looks')
    const looks = readdirSync(folder).toSorted().map((file) => evidenceSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))))
    expect(looks.length).toBeGreaterThanOrEqual(3)
    expect(new Set(looks.map((look) => look.bootId)).size).toBe(1)
    expect(looks.map((look) => look.monotonicMs).toSorted((a, b) => a - b)).toEqual(looks.map((look) => look.monotonicMs))
  })
})
