import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { layOut } from '../change/testing/fake-tree.ts'
import { nothingToUndo, planSchema, type Plan } from '../contract/plan.ts'
import { presetSettingsSchema } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { TunableSettings } from '../contract/tunables.ts'
import { tunableFiles } from '../layers/tunables/files.ts'
import { readProbe } from '../observe/probe.ts'
import { TUNABLE_FILES } from '../observe/tunables.ts'
import { makePlan } from './make-plan.ts'

const MIB = 1024 ** 2
const root = mkdtempSync(join(tmpdir(), 'agentmem-tunables-'))
layOut(root)
const base = readProbe(root)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const changed = (files: Record<string, string | null>, more: Partial<Probe> = {}): Probe => ({
  ...base,
  ...more,
  files: { ...base.files, ...Object.fromEntries(Object.entries(files).map(([path, value]) => [path, value === null ? { value: null, reason: 'not-supported' as const } : { value }])) },
})
const plan = (tunables: TunableSettings, probe = base): Plan => planSchema.parse(makePlan({ settings: { tunables }, probe, agents: [], ourSwap: [] }))
const lines = ({ steps }: Plan): string[] => steps.map(({ operation, target, old, undoClass }) => `${target.replace('/proc/sys/vm/', '')}: ${old} -> ${operation.op === 'write' ? operation.value : operation.op}${undoClass === 'now' ? '' : ` (${undoClass})`}`)
const skips = ({ skipped }: Plan): string[] => skipped.map(({ source, kind, what, reason }) => `${source} ${kind}: ${what}: ${reason}`)

const everything: TunableSettings = {
  swappiness: 150, watermarkScaleFactor: 125, minFreeBytes: 128 * MIB, vfsCachePressure: 50, pageCluster: 0, dirtyBytes: 256 * MIB, dirtyBackgroundBytes: 64 * MIB, dirtyExpireMs: 1500,
  transparentHugePages: 'madvise', hugePageDefrag: 'defer+madvise', compactionProactiveness: 50, overcommitMemory: 1, lruMinTtlMs: 1005, hugePages: 0, compactNow: true,
}

test('each setting becomes one step, huge pages first, with the value from before', () => {
  expect(lines(plan(everything))).toEqual([
    '/sys/kernel/mm/transparent_hugepage/enabled: never -> madvise',
    '/sys/kernel/mm/transparent_hugepage/defrag: madvise -> defer+madvise',
    'watermark_scale_factor: 10 -> 125',
    'min_free_kbytes: 45056 -> 131072',
    'swappiness: 60 -> 150',
    'page-cluster: 3 -> 0',
    'vfs_cache_pressure: 100 -> 50',
    '/sys/kernel/mm/lru_gen/min_ttl_ms: 0 -> 1000',
    'overcommit_memory: 0 -> 1',
    'dirty_background_bytes: 10 % of memory -> 67108864',
    'dirty_bytes: 20 % of memory -> 268435456',
    'dirty_expire_centisecs: 3000 -> 150',
    'compaction_proactiveness: 20 -> 50',
    'nr_hugepages: 512 -> 112 (when-it-fits)',
    'compact_memory: null -> compact',
  ])
  expect(plan(everything).steps.every(({ source }) => source === 'tunables')).toBe(true)
})

test('every setting of the schema is planned, and every file it writes is declared and looked at', () => {
  expect(Object.keys(everything).toSorted()).toEqual(Object.keys(presetSettingsSchema.shape.tunables.unwrap().shape).toSorted())
  const declared = tunableFiles.filter(({ readable }) => readable).map(({ path }) => path)
  expect(declared.toSorted()).toEqual([...TUNABLE_FILES].toSorted())
  for (const { operation } of plan(everything).steps) if (operation.op === 'write') expect(tunableFiles.find(({ path }) => path === operation.path)?.values.test(operation.value), operation.path).toBe(true)
})

test('what is so already is left out, and a second plan after the first is empty', () => {
  const done = changed({
    '/proc/sys/vm/swappiness': '150', '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never', '/proc/sys/vm/dirty_bytes': '268435456', '/proc/sys/vm/dirty_ratio': '0',
  })
  const asked = plan({ swappiness: 150, transparentHugePages: 'madvise', dirtyBytes: 256 * MIB }, done)
  expect(asked.steps).toEqual([])
  expect(asked.skipped.map(({ kind }) => kind)).toEqual(['already-so', 'already-so', 'already-so'])
})

describe('limits', () => {
  test('of memory kept free at most 5 % is planned, and said', () => {
    const asked = plan({ minFreeBytes: 1024 * MIB })
    expect(asked.steps[0]?.new).toBe(String(Math.floor((16_384_000 * 0.05))))
    expect(asked.notes.join()).toContain('5 % of memory')
  })

  test('bytes over bytes go back to bytes; a ratio of 0 could not be taken back', () => {
    expect(plan({ dirtyBytes: 64 * MIB }, changed({ '/proc/sys/vm/dirty_bytes': '99999', '/proc/sys/vm/dirty_ratio': '0' })).steps[0]).toMatchObject({ old: '99999', undo: 'writes 99999 back' })
    const never = plan({ dirtyBytes: 64 * MIB }, changed({ '/proc/sys/vm/dirty_ratio': '0' }))
    expect(never.steps).toEqual([])
    expect(skips(never)[0]).toMatch(/^tunables impossible: most unsaved data: .*dirty_ratio holds 0.*taken back/u)
  })

  test('huge pages in use stay, more are not set aside, and unknown use changes nothing', () => {
    expect(lines(plan({ hugePages: 300 }))).toEqual(['nr_hugepages: 512 -> 300 (when-it-fits)'])
    expect(skips(plan({ hugePages: 513 }))[0]).toContain('not offered')
    expect(plan({ hugePages: 0 }, changed({ '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages': null })).steps).toEqual([])
  })

  test('overcommit that was forbidden is left so', () => {
    const asked = plan({ overcommitMemory: 0 }, changed({ '/proc/sys/vm/overcommit_memory': '2' }))
    expect(asked.steps).toEqual([])
    expect(skips(asked)[0]).toContain('holds 2')
  })
})

describe('older and smaller kernels', () => {
  test('name what they lack', () => {
    const old = changed(
      { '/proc/sys/vm/compaction_proactiveness': null, '/sys/kernel/mm/lru_gen/min_ttl_ms': null, '/sys/kernel/mm/transparent_hugepage/enabled': null, '/sys/kernel/mm/transparent_hugepage/defrag': 'always defer [madvise] never' },
      { kernelVersion: [4, 19], kernelRelease: '4.19.0' },
    )
    expect(skips(plan({ swappiness: 180, compactionProactiveness: 10, lruMinTtlMs: 1000, transparentHugePages: 'never', hugePageDefrag: 'defer+madvise' }, old)).map((line) => line.slice(0, 110))).toEqual([
      'tunables impossible: huge pages: needs a kernel built with CONFIG_TRANSPARENT_HUGEPAGE; Linux 4.19 here has no',
      'tunables impossible: making room for huge pages: Linux 4.19 offers always, defer, madvise, never for /sys/kern',
      'tunables impossible: swappiness: more than 100 needs Linux 5.8, this is Linux 4.19',
      'tunables impossible: protecting what was used lately: needs Linux 6.1 with CONFIG_LRU_GEN; Linux 4.19 here has',
      'tunables impossible: compacting in the background: needs Linux 5.9 with CONFIG_COMPACTION; Linux 4.19 here has',
    ])
  })
})

test('compacting alone leaves nothing to undo, anything else does', () => {
  expect(nothingToUndo(plan({ compactNow: true }))).toBe(true)
  expect(nothingToUndo(plan({ compactNow: true, swappiness: 10 }))).toBe(false)
})

test.each([{ swappiness: 201 }, { overcommitMemory: 2 }, { swappiness: 1.5 }, { minFreeBytes: 1 }, { transparentHugePages: 'sometimes' }, { compactNow: false }, { path: '/etc/passwd' }, { dirtyBytes: '64M' }])('%j is refused', (tunables) => {
  expect(presetSettingsSchema.safeParse({ tunables }).success).toBe(false)
})
