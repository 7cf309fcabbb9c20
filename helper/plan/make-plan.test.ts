import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { layOut } from '../change/testing/fake-tree.ts'
import { nothingToUndo, planSchema, type Plan } from '../contract/plan.ts'
import { layerPresetId, PAGE_OUT_PRESET_ID, presetSchema, PRUNE_LEVELS, pruneCachePresetId, type PresetSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { AgentTarget } from '../contract/requests.ts'
import type { SwapDevice } from '../contract/snapshot.ts'
import { readProbe } from '../observe/probe.ts'
import { canonicalJson, planDigest } from './digest.ts'
import { makePlan } from './make-plan.ts'

const root = mkdtempSync(join(tmpdir(), 'agentmem-plan-'))
layOut(root)
const base = readProbe(root)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const GIB = 1024 ** 3
const BOOT = '11111111-2222-4333-8444-555555555555'

interface Change {
  files?: Record<string, string | null>
  machine?: Partial<Probe['machine']>
  more?: Partial<Probe>
}

/** The base machine, changed. */
const probe = ({ files = {}, machine = {}, more = {} }: Change = {}): Probe => ({
  ...base,
  ...more,
  files: { ...base.files, ...Object.fromEntries(Object.entries(files).map(([path, value]) => [path, value === null ? { value: null, reason: 'not-supported' as const } : { value }])) },
  machine: { ...base.machine, ...machine },
})

const noZram: Change = { machine: { zram: [] }, more: { zramControl: false, swapFolder: { path: '/var/lib', fileSystem: 'ext4', freeBytes: { value: 100 * GIB } } } }
const swap = (path: string, kind: SwapDevice['kind'], gib: number, priority = -2): SwapDevice => ({ path, kind, sizeBytes: gib * GIB, usedBytes: 0, priority })
const agent = (title: string, idleMs: number | null, pid = 100): AgentTarget => ({ id: `${BOOT}:${pid}:5`, title, idleMs, processes: [{ pid, startTimeTicks: 5 }] })

const plan = (settings: PresetSettings, on: Probe = probe(), agents: readonly AgentTarget[] = [], ourSwap: readonly string[] = []): Plan => planSchema.parse(makePlan({ settings, probe: on, agents, ourSwap }))
/** A plan as a review reads it. */
const lines = ({ steps }: Plan): string[] => steps.map(({ operation: o, target, old }) => {
  switch (o.op) {
    case 'write':
      return `${o.path} <- ${o.value} (was ${old})`
    case 'write-first-kept':
      return `${o.path} <- first of ${o.values.join(' ')} (was ${old})`
    case 'zram-init':
      return `zram-init ${o.device} ${o.algorithms.join(',')} ${o.sizeBytes}`
    case 'make-swap-file':
      return `make-swap-file ${o.path} ${o.sizeBytes}`
    case 'swap-on':
      return `swap-on ${o.path} priority ${o.priority}`
    case 'make-swap':
    case 'swap-off':
      return `${o.op} ${o.path}`
    case 'reclaim':
      return `reclaim ${o.title}`
    case 'prune-cache':
      return `prune-cache ${o.level}`
    case 'module-load':
    case 'module-unload':
    case 'module-backing':
    case 'compact':
    case 'ksm-unmerge':
    default:
      return `${o.op} ${target} (was ${old})`
  }
})
const skipped = ({ skipped }: Plan): string[] => skipped.map((skip) => `${skip.kind}: ${skip.what}: ${skip.reason}`)

describe('presets', () => {
  const folder = new URL('../../assets/presets/', import.meta.url).pathname
  const presets = readdirSync(folder).map((name) => ({ name, preset: presetSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))) }))

  test('are four, with a switch for each layer and single actions, each in the file of its name, and keep secrets off the disk', () => {
    const ids = (scope: string): string[] => presets.filter(({ preset }) => (preset.scope ?? 'preset') === scope).map(({ preset }) => preset.id).toSorted()
    expect(ids('preset')).toEqual(['balanced', 'battery', 'everything-off', 'more-agents'])
    expect(ids('layer')).toEqual((['compressed-swap', 'kernel-module', 'ksm'] as const).flatMap((layer) => [layerPresetId(layer, 'off'), layerPresetId(layer, 'on')]))
    expect(ids('action')).toEqual([PAGE_OUT_PRESET_ID, ...PRUNE_LEVELS.map(pruneCachePresetId)])
    for (const { name, preset } of presets) {
      expect(name).toBe(`${preset.id}.json`)
      expect(preset.settings.compressedSwap?.shrinker ?? false).toBe(false)
    }
  })

  test.each(presets.map(({ preset }) => [preset.id, preset] as const))('%s on a plain laptop', (_, preset) => {
    const made = plan(preset.settings, probe({ files: { '/sys/kernel/mm/ksm/run': '1' } }), [agent('Claude Code', 3_600_000)])
    expect(lines(made)).toMatchSnapshot()
    for (const step of made.steps) {
      expect(step.why.length).toBeGreaterThan(10)
      expect(step.undo.length).toBeGreaterThan(5)
    }
  })
})

describe('KSM', () => {
  const merge: PresetSettings = { ksm: { mode: 'merge', pagesToScan: 1000, sleepMs: 20, smartScan: true } }

  test('what is so already is not done again', () => {
    const on = probe({ files: { '/sys/kernel/mm/ksm/run': '1', '/sys/kernel/mm/ksm/pages_to_scan': '1000', '/sys/kernel/mm/ksm/smart_scan': '1' } })
    const made = plan(merge, on)
    expect(made.steps).toEqual([])
    expect(made.skipped.every((skip) => skip.kind === 'already-so')).toBe(true)
  })

  test('a kernel without it: an empty plan and the reason', () => {
    const files = Object.fromEntries(Object.keys(base.files).filter((path) => path.includes('/ksm/')).map((path) => [path, null]))
    const made = plan(merge, probe({ files }))
    expect(made.steps).toEqual([])
    expect(skipped(made)).toEqual([expect.stringMatching(/^impossible: merging identical pages: needs a kernel built with CONFIG_KSM; Linux 6.18 here has no/u)])
  })

  test('an older kernel: what is missing is named with the kernel that has it', () => {
    const made = plan({ ksm: { ...merge.ksm, mode: 'merge', advisor: 'scan-time' } }, probe({
      files: { '/sys/kernel/mm/ksm/smart_scan': null, '/sys/kernel/mm/ksm/advisor_mode': null },
      more: { kernelVersion: [6, 1], kernelRelease: '6.1.0', processMerge: false, mergeSurvivesExec: false },
    }))
    expect(skipped(made).join('\n')).toContain('smart scan: needs Linux 6.7, this is Linux 6.1')
    expect(skipped(made).join('\n')).toContain('scan advisor: needs Linux 6.8, this is Linux 6.1')
    expect(made.notes.join('\n')).toContain('Merging a whole program needs Linux 6.4, this is Linux 6.1')
    expect(lines(made).at(-1)).toBe('/sys/kernel/mm/ksm/run <- 1 (was 0)')
  })

  test('security, reach and CPU are said before pressing', () => {
    const notes = plan(merge, probe({ more: { kernelVersion: [6, 5], mergeSurvivesExec: false } })).notes.join('\n')
    expect(notes).toMatch(/security cost/u)
    expect(notes).toMatch(/agentmemctl run/u)
    expect(notes).toMatch(/Before Linux 6\.7 \(this is Linux 6\.5\) the opt-in is lost/u)
    expect(notes).toMatch(/% of one core/u)
  })

  test('the advisor is switched off before a fixed rate is written, and the old rate is what the kernel leaves then', () => {
    const made = plan({ ksm: { mode: 'merge', advisor: 'none', pagesToScan: 1000 } }, probe({ files: { '/sys/kernel/mm/ksm/advisor_mode': 'none [scan-time]', '/sys/kernel/mm/ksm/pages_to_scan': '1234' } }))
    expect(lines(made)).toEqual(['/sys/kernel/mm/ksm/advisor_mode <- none (was scan-time)', '/sys/kernel/mm/ksm/pages_to_scan <- 1000 (was 100)', '/sys/kernel/mm/ksm/run <- 1 (was 0)'])
  })

  test('before the advisor takes over, the value it would overwrite is kept for the undo', () => {
    expect(lines(plan({ ksm: { mode: 'merge', advisor: 'scan-time', pagesToScan: 500 } }))).toEqual(['/sys/kernel/mm/ksm/pages_to_scan <- 100 (was 250)', '/sys/kernel/mm/ksm/advisor_mode <- scan-time (was none)', '/sys/kernel/mm/ksm/run <- 1 (was 0)'])
  })

  test('stopping, unmerging, and neither when there is nothing', () => {
    const running = probe({ files: { '/sys/kernel/mm/ksm/run': '1' } })
    expect(lines(plan({ ksm: { mode: 'keep' } }, running))).toEqual(['/sys/kernel/mm/ksm/run <- 0 (was 1)'])
    expect(lines(plan({ ksm: { mode: 'unmerge' } }, running))).toEqual(['ksm-unmerge /sys/kernel/mm/ksm/run (was 1)'])
    expect(plan({ ksm: { mode: 'keep' } }).skipped[0]?.kind).toBe('already-so')
    expect(plan({ ksm: { mode: 'unmerge' } }).skipped[0]?.kind).toBe('already-so')
  })

  test('merged pages with merging stopped are still taken apart', () => {
    const ksm = base.machine.ksm.value
    if (ksm === null) throw new Error('the base machine has KSM')
    expect(lines(plan({ ksm: { mode: 'unmerge' } }, probe({ machine: { ksm: { value: { ...ksm, pagesSharing: 10 } } } })))).toEqual(['ksm-unmerge /sys/kernel/mm/ksm/run (was 0)'])
  })

  test('undoing into "unmerged" needs memory, any other value does not', () => {
    const classes = (run: string) => plan({ ksm: { mode: 'merge' } }, probe({ files: { '/sys/kernel/mm/ksm/run': run } })).steps.map((step) => step.undoClass)
    expect(classes('2')).toEqual(['when-it-fits'])
    expect(classes('0')).toEqual(['now'])
  })
})

describe('compressed swap', () => {
  const auto: PresetSettings = { compressedSwap: { mode: 'auto', compressors: ['zstd', 'lz4'] } }

  test('auto takes zram where the kernel has it, with the first compressor it offers', () => {
    const made = plan(auto)
    expect(lines(made)).toEqual(['zram-init zram0 lz4 8388608000', 'make-swap /dev/zram0', 'swap-on /dev/zram0 priority 100'])
    expect(skipped(made)).toEqual(['impossible: compressor zstd: zram of this kernel offers lzo-rle, lzo, lz4'])
  })

  test('a device in use is never touched: a new one is made', () => {
    const used = base.machine.zram.map((device) => ({ ...device, diskSizeBytes: GIB }))
    const made = plan(auto, probe({ machine: { zram: used }, more: { zramControl: true } }))
    expect(lines(made)).toEqual(['zram-init new lz4 8388608000', 'make-swap zram:new', 'swap-on zram:new priority 100'])
  })

  test('swap the machine has stays, and ours goes before it', () => {
    const made = plan(auto, probe({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 4, 200)] } }))
    expect(lines(made).at(-1)).toBe('swap-on /dev/zram0 priority 201')
    expect(lines(made).join()).not.toContain('sda2')
  })

  test('without zram: zswap on, its compressor tried, then a file no larger than the pool', () => {
    const made = plan({ compressedSwap: { mode: 'auto', compressors: ['zstd', 'lz4'], sizePercentOfMemory: 100, poolPercent: 30 } }, probe(noZram))
    expect(lines(made)).toEqual([
      '/sys/module/zswap/parameters/enabled <- Y (was N)',
      '/sys/module/zswap/parameters/compressor <- first of zstd lz4 (was lzo)',
      '/sys/module/zswap/parameters/max_pool_percent <- 30 (was 20)',
      'make-swap-file /var/lib/agentmem/swap/agentmem-1.swap 5033164800',
      'swap-on /var/lib/agentmem/swap/agentmem-1.swap priority 100',
    ])
    expect(5_033_164_800).toBeLessThanOrEqual(base.machine.memory.totalBytes * 0.3)
    expect(made.notes.join('\n')).toMatch(/modprobe zram/u)
    expect(made.notes.join('\n')).toMatch(/4\.7 GB of disk/u)
  })

  test('with the shrinker the file may be larger, and the plan says what that means', () => {
    const made = plan({ compressedSwap: { mode: 'zswap', sizePercentOfMemory: 100, shrinker: true } }, probe(noZram))
    expect(lines(made)).toContain('/sys/module/zswap/parameters/shrinker_enabled <- Y (was N)')
    expect(made.notes.join('\n')).toMatch(/unencrypted/u)
  })

  test('the shrinker is switched off where it is on, unless asked for', () => {
    expect(lines(plan({ compressedSwap: { mode: 'zswap' } }, probe({ ...noZram, files: { '/sys/module/zswap/parameters/shrinker_enabled': 'Y' } })))).toContain('/sys/module/zswap/parameters/shrinker_enabled <- N (was Y)')
  })

  test('before swap the machine has, zswap needs no file', () => {
    const made = plan({ compressedSwap: { mode: 'zswap', compressors: ['lzo'] } }, probe({ ...noZram, machine: { zram: [], swapDevices: [swap('/dev/sda2', 'partition', 8)] } }))
    expect(lines(made)).toEqual(['/sys/module/zswap/parameters/enabled <- Y (was N)'])
  })

  test.each([
    ['too little disk', { path: '/var/lib', fileSystem: 'ext4', freeBytes: { value: 2 * GIB } }, /needs 3\.1 GB and 1\.0 GB to spare, \/var\/lib has 2\.0 GB free/u],
    ['a file system without swap files', { path: '/var/lib', fileSystem: 'btrfs', freeBytes: { value: 500 * GIB } }, /cannot be made on btrfs/u],
  ])('%s: impossible, with the figures, and nothing of it is planned', (_, swapFolder, reason) => {
    const made = plan({ compressedSwap: { mode: 'auto' } }, probe({ ...noZram, more: { zramControl: false, swapFolder } }))
    expect(made.steps).toEqual([])
    expect(skipped(made).join('\n')).toMatch(reason)
  })

  test('neither zram nor zswap: impossible, never plain disk swap', () => {
    const made = plan(auto, probe({ ...noZram, files: { '/sys/module/zswap/parameters/enabled': null } }))
    expect(made.steps).toEqual([])
    expect(skipped(made)).toEqual([expect.stringMatching(/impossible: compressed swap: neither zram \(.*modprobe zram.*\) nor zswap: needs a kernel built with CONFIG_ZSWAP/u)])
  })

  test('enough of it is enough; zswap before plain swap counts, plain swap does not', () => {
    const enough = (change: Change) => plan({ compressedSwap: { mode: 'auto', sizePercentOfMemory: 25 } }, probe(change)).skipped.some((skip) => skip.kind === 'already-so')
    expect(enough({ machine: { swapDevices: [swap('/dev/zram1', 'zram', 4, 100)] } })).toBe(true)
    expect(enough({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 16)] } })).toBe(false)
    expect(enough({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 16)] }, files: { '/sys/module/zswap/parameters/enabled': 'Y' } })).toBe(true)
    // Pages would go to the disk first.
    expect(enough({ machine: { swapDevices: [swap('/dev/zram1', 'zram', 4, 1), swap('/dev/sda2', 'partition', 4, 5)] } })).toBe(false)
  })

  test('of zswap that is there only what is asked for is changed, and "auto" leaves it', () => {
    const there = probe({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 16)] }, files: { '/sys/module/zswap/parameters/enabled': 'Y', '/sys/module/zswap/parameters/max_pool_percent': '20', '/sys/module/zswap/parameters/compressor': 'lzo', '/sys/module/zswap/parameters/shrinker_enabled': 'Y' } })
    const change = (settings: object) => lines(plan({ compressedSwap: { mode: 'zswap', ...settings } }, there))
    expect(change({ poolPercent: 35 })).toEqual(['/sys/module/zswap/parameters/max_pool_percent <- 35 (was 20)'])
    expect(change({ compressors: ['zstd', 'lz4'] })).toEqual(['/sys/module/zswap/parameters/compressor <- first of zstd lz4 (was lzo)'])
    expect(change({ poolPercent: 20 })).toEqual([])
    expect(change({})).toEqual([])
    expect(lines(plan({ compressedSwap: { mode: 'auto', poolPercent: 35, compressors: ['zstd'] } }, there))).toEqual([])
  })

  test('off removes what is ours and nothing else', () => {
    const on = probe({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 8), swap('/dev/zram0', 'zram', 4, 100)] } })
    const made = plan({ compressedSwap: { mode: 'off' } }, on, [], ['/dev/zram0'])
    expect(lines(made)).toEqual(['swap-off /dev/zram0'])
    expect(made.steps[0]?.undoClass).toBe('when-it-fits')
    expect(skipped(made)).toEqual(['not-needed: /dev/sda2: this program did not add it, so it stays as it is'])
    expect(plan({ compressedSwap: { mode: 'off' } }, on).steps).toEqual([])
  })
})

describe('reclaim', () => {
  const settings: PresetSettings = { reclaim: { minIdleMs: 300_000 } }
  const zramActive = probe({ machine: { swapDevices: [swap('/dev/zram1', 'zram', 8, 100)] } })

  test('idle agents only; the others with the reason', () => {
    const made = plan(settings, zramActive, [agent('Codex', 600_000), agent('Gemini CLI', 12_000, 101), agent('opencode', null, 102)])
    expect(lines(made)).toEqual(['reclaim Codex'])
    expect(skipped(made)).toEqual(['not-needed: Gemini CLI: it was busy 12 s ago; this preset waits for 5 min of idleness', 'not-needed: opencode: it is not known yet how long it has been idle'])
  })

  test('agents chosen by hand are paged out as they are, and the plan says which are active', () => {
    const made = plan({ reclaim: { minIdleMs: 0 } }, zramActive, [agent('Codex', 600_000), agent('Gemini CLI', 2_000, 101), agent('opencode', null, 102)])
    expect(lines(made)).toEqual(['reclaim Codex', 'reclaim Gemini CLI', 'reclaim opencode'])
    expect(skipped(made)).toEqual([])
    expect(made.steps.map((step) => step.why.slice(0, 10))).toEqual(['It is idle', 'It is acti', 'It is acti'])
    expect(made.notes).toEqual([expect.stringMatching(/^2 of these 3 agents are active, not idle \(Gemini CLI, opencode\): .* come back soon/u)])
    expect(plan({ reclaim: { minIdleMs: 0 } }, zramActive, [agent('Codex', 600_000)]).notes).toEqual([])
    expect(plan({ reclaim: { minIdleMs: 0 } }, zramActive, [agent('Codex', 0)]).notes).toEqual([expect.stringMatching(/^This agent is active/u)])
  })

  test('without compressed swap, or with plain swap before it, it is not done', () => {
    const idle = [agent('Codex', 600_000)]
    for (const on of [probe(), probe({ machine: { swapDevices: [swap('/dev/sda2', 'partition', 8)] } }), probe({ machine: { swapDevices: [swap('/dev/zram1', 'zram', 8, 1), swap('/dev/sda2', 'partition', 8, 2)] } })]) {
      const made = plan(settings, on, idle)
      expect(made.steps).toEqual([])
      expect(made.skipped).toMatchObject([{ source: 'reclaim', kind: 'impossible', reason: expect.stringMatching(/Turn on compressed swap first$/u) }])
    }
  })

  test('planned compressed swap is enough, and swap that goes is not', () => {
    const idle = [agent('Codex', 600_000)]
    expect(lines(plan({ ...settings, compressedSwap: { mode: 'auto' } }, probe(), idle)).at(-1)).toBe('reclaim Codex')
    expect(plan({ ...settings, compressedSwap: { mode: 'off' } }, zramActive, idle, ['/dev/zram1']).steps.map((step) => step.source)).not.toContain('reclaim')
  })
})

test('pruning says its level, and that there is nothing to undo', () => {
  const made = plan({ pruneCache: { level: 3 } })
  expect(lines(made)).toEqual(['prune-cache 3'])
  expect(made.steps[0]).toMatchObject({ old: null, undo: expect.stringMatching(/^nothing to undo/u) })
})

test('only what leaves nothing behind has nothing to undo', () => {
  const zramActive = probe({ machine: { swapDevices: [swap('/dev/zram1', 'zram', 8, 100)] } })
  const idle = [agent('Codex', 600_000)]
  expect(nothingToUndo(plan({ pruneCache: { level: 1 }, reclaim: { minIdleMs: 0 } }, zramActive, idle))).toBe(true)
  expect(nothingToUndo(plan({ pruneCache: { level: 1 }, ksm: { mode: 'merge', pagesToScan: 900 } }))).toBe(false)
  expect(nothingToUndo(plan({ compressedSwap: { mode: 'off' } }, zramActive, [], ['/dev/zram1']))).toBe(false)
})

describe('digest', () => {
  const settings: PresetSettings = { compressedSwap: { mode: 'auto' }, ksm: { mode: 'merge', pagesToScan: 900 }, reclaim: { minIdleMs: 1000 } }
  const digest = (on: Probe, agents = [agent('Codex', 600_000)]) => plan(settings, on, agents).digest

  test('does not depend on what changes by itself', () => {
    const { memory, vm } = base.machine
    const later = probe({
      machine: { memory: { ...memory, freeBytes: 1, availableBytes: 2, cachedBytes: 3, anonBytes: 4 }, vm: { ...vm, majorFaults: 99 } },
      more: { swapFolder: { ...base.swapFolder, freeBytes: { value: 77 * GIB } }, zswapCompressors: ['zstd'] },
    })
    expect(digest(later)).toBe(digest(probe()))
  })

  test('is the same where an ordinary user may not look into our folder', () => {
    const swapFolder = { path: '/var/lib', fileSystem: 'ext4', freeBytes: { value: null, reason: 'not-permitted' as const } }
    expect(plan({ compressedSwap: { mode: 'zswap' } }, probe({ ...noZram, more: { zramControl: false, swapFolder } })).digest).toBe(plan({ compressedSwap: { mode: 'zswap' } }, probe(noZram)).digest)
  })

  test('is the same for a later idle time, and another for another process, value or old value', () => {
    const now = digest(probe())
    expect(digest(probe(), [agent('Codex', 700_000)])).toBe(now)
    expect(digest(probe(), [agent('Codex', 600_000, 101)])).not.toBe(now)
    expect(digest(probe({ files: { '/sys/kernel/mm/ksm/pages_to_scan': '251' } }))).not.toBe(now)
    expect(plan({ ...settings, ksm: { mode: 'merge', pagesToScan: 901 } }, probe(), [agent('Codex', 600_000)]).digest).not.toBe(now)
  })

  test('words do not count, order does', () => {
    const { steps } = plan(settings)
    expect(planDigest(steps.map((step) => ({ ...step, why: 'other', undo: 'other' })))).toBe(planDigest(steps))
    expect(planDigest(steps.toReversed())).not.toBe(planDigest(steps))
  })

  test('canonical JSON sorts keys, whatever the order they were set in', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}')
  })
})
