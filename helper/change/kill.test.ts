import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { PresetSettings } from '../contract/presets.ts'
import { builtModule, layOut, moduleFiles, settingsOf } from './testing/fake-tree.ts'
import { startChild, type ChildOptions, type ChildResult } from './testing/start-child.ts'

const zram: PresetSettings = { compressedSwap: { mode: 'zram', compressors: ['lz4'] }, ksm: { mode: 'merge', pagesToScan: 1000, sleepMs: 50, smartScan: true, lowerWhenFlat: true } }
const zswap: PresetSettings = { compressedSwap: { mode: 'zswap', compressors: ['zstd', 'deflate'], sizePercentOfMemory: 10, poolPercent: 30 }, ksm: { mode: 'merge', advisor: 'scan-time' } }

const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
}, 60_000)

/** A tree as `prepare` leaves it, with what its settings are then. */
const fresh = async (prepare: (root: string) => void | Promise<void> = () => {}): Promise<{ root: string; before: Record<string, string> }> => {
  const root = mkdtempSync(join(tmpdir(), 'agentmem-kill-'))
  roots.push(root)
  layOut(root)
  await prepare(root)
  return { root, before: settingsOf(root) }
}

const swapFiles = (root: string): string[] => {
  try {
    return readdirSync(join(root, '/var/lib/agentmem/swap'))
  } catch {
    return []
  }
}

/** A whole run that is not killed: its checkpoints are where the others are. */
const whole = async (mode: ChildOptions['mode'], settings: PresetSettings, prepare?: (root: string) => void | Promise<void>): Promise<ChildResult & { root: string }> => {
  const { root } = await fresh(prepare)
  const result = await startChild({ mode, root, killAt: 0, settings })
  expect(result.stderr).toBe('')
  expect(result.status).toBe(0)
  return { ...result, root }
}

interface Killed {
  /** Which step it was, for messages. */
  at: string
  root: string
  before: Record<string, string>
  recovered: ChildResult
}

/** Kills one run at each of these checkpoints, each on a tree of its own, recovers it in a new process, and looks. */
const killAtEach = async (
  { mode, settings, names, from = 0, prepare }: { mode: 'apply' | 'undo'; settings: PresetSettings; names: readonly string[]; from?: number; prepare?: (root: string) => void | Promise<void> },
  look: (killed: Killed) => void,
): Promise<void> => {
  const left = names.map((name, index) => ({ name, killAt: index + 1 })).slice(from)
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { root, before } = await fresh(prepare)
      const at = `after a kill at ${next.killAt}, ${next.name}`
      const killed = await startChild({ mode, root, killAt: next.killAt, settings })
      expect(killed.signal, `${at}: ${killed.stderr}`).toBe('SIGKILL')
      const recovered = await startChild({ mode: 'recover', root, killAt: 0, settings })
      expect(recovered.status, `${at}: ${recovered.stderr}`).toBe(0)
      look({ at, root, before, recovered })
    }
  }
  await Promise.all([worker(), worker(), worker()])
}

const tunables: PresetSettings = { tunables: { transparentHugePages: 'always', minFreeBytes: 100 * 1024 ** 2, swappiness: 150, dirtyBytes: 64 * 1024 ** 2, dirtyBackgroundBytes: 16 * 1024 ** 2, hugePages: 200, compactNow: true } }

describe.each([
  ['zram and merging', zram],
  ['zswap on a swap file and the scan advisor', zswap],
  ['tunables', tunables],
] as const)('killed at every step of a run with %s', (_, settings) => {
  test('every setting comes back with the next start', async () => {
    const { names } = await whole('apply', settings)
    expect(names.length).toBeGreaterThan(20)
    expect(names.indexOf('kept')).toBe(names.length - 1)
    await killAtEach({ mode: 'apply', settings, names: names.slice(0, -1) }, ({ at, root, before, recovered }) => {
      expect(settingsOf(root), at).toEqual(before)
      expect(swapFiles(root), at).toEqual([])
      expect(recovered.stdout, at).toContain('"state":"undone"')
    })
  }, 240_000)

  test('killed right after the decision, the run is kept', async () => {
    const { names, root: kept } = await whole('apply', settings)
    await killAtEach({ mode: 'apply', settings, names, from: names.length - 1 }, ({ root, recovered }) => {
      expect(settingsOf(root)).toEqual(settingsOf(kept))
      expect(recovered.stdout).toContain('"state":"kept"')
    })
  }, 60_000)

  test('killed at every step of undoing, the next start ends it', async () => {
    const { names } = await whole('undo', settings)
    const from = names.indexOf('waiting') + 1
    expect(names.length - from).toBeGreaterThan(8)
    await killAtEach({ mode: 'undo', settings, names, from }, ({ at, root, before }) => {
      expect(settingsOf(root), at).toEqual(before)
      expect(swapFiles(root), at).toEqual([])
    })
  }, 240_000)
})

test('killed at every step of everything off, the swap of the kept run is there again', async () => {
  const off: PresetSettings = { compressedSwap: { mode: 'off' }, ksm: { mode: 'unmerge' } }
  const keepSwap = async (root: string): Promise<void> => {
    expect((await startChild({ mode: 'apply', root, killAt: 0, settings: { compressedSwap: { mode: 'zram', compressors: ['lz4'] }, ksm: { mode: 'merge' } } })).status).toBe(0)
    expect(settingsOf(root)['/proc/swaps']).toContain('/dev/zram0')
  }
  const { names, root } = await whole('apply', off, keepSwap)
  expect(settingsOf(root)['/sys/block/zram0/disksize']).toBe('0')
  expect(names.length).toBeGreaterThan(10)
  await killAtEach({ mode: 'apply', settings: off, names: names.slice(0, -1), prepare: keepSwap }, ({ at, root, before }) => {
    expect(settingsOf(root), at).toEqual(before)
  })
}, 240_000)

test('killed at every step with a device that had to be made: it is gone again', async () => {
  const inUse = (root: string) => layOut(root, { '/sys/block/zram0/disksize': '4096000\n', '/sys/class/zram-control/hot_add': '', '/sys/class/zram-control/hot_remove': '' })
  const settings: PresetSettings = { compressedSwap: { mode: 'zram', compressors: ['lz4'] } }
  const { names } = await whole('undo', settings, inUse)
  expect(names).toContain('add zram1')
  await killAtEach({ mode: 'undo', settings, names, prepare: inUse }, ({ at, root, before }) => {
    expect(settingsOf(root), at).toEqual(before)
    expect(readdirSync(join(root, '/sys/block')), at).toEqual(['zram0'])
  })
}, 240_000)

describe('killed at every step of', () => {
  const shown = (root: string): string[] => ['compressor', 'warm_after_ms', 'quota_bytes'].map((name) => {
    try {
      return readFileSync(join(root, '/sys/module/agentmem/parameters', name), 'utf8').trim()
    } catch {
      return 'absent'
    }
  })
  test('loading the kernel module, it is not loaded after the next start', async () => {
    const built = (root: string) => layOut(root, builtModule)
    const settings: PresetSettings = { kernelModule: { mode: 'load', compressor: 'zstd', warmAfterMs: 60_000, backingBytes: 64 * 1024 ** 2 } }
    const { names } = await whole('undo', settings, built)
    expect(names).toEqual(expect.arrayContaining(['take backing file', 'unload module']))
    await killAtEach({ mode: 'undo', settings, names, prepare: built }, ({ at, root }) => expect(shown(root), at).toEqual(['absent', 'absent', 'absent']))
  }, 240_000)

  test('unloading it, it is loaded as it was', async () => {
    const there = (root: string) => layOut(root, { ...builtModule, ...moduleFiles('lz4'), '/sys/module/agentmem/parameters/quota_bytes': '4194304\n' })
    const settings: PresetSettings = { kernelModule: { mode: 'unload' } }
    const { names } = await whole('undo', settings, there)
    expect(names).toContain('write back quota_bytes')
    await killAtEach({ mode: 'undo', settings, names, prepare: there }, ({ at, root }) => expect(shown(root), at).toEqual(['lz4', '300000', '4194304']))
  }, 240_000)
})

test('killed while recovering, the next start goes on', async () => {
  const { names } = await whole('apply', zram)
  const { root, before } = await fresh()
  await startChild({ mode: 'apply', root, killAt: names.indexOf('waiting') + 1, settings: zram })
  for (let killAt = 1; killAt <= 5; killAt += 1) expect((await startChild({ mode: 'recover', root, killAt, settings: zram })).signal).toBe('SIGKILL')
  expect((await startChild({ mode: 'recover', root, killAt: 0, settings: zram })).status).toBe(0)
  expect(settingsOf(root)).toEqual(before)
}, 60_000)
