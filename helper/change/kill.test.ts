import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PresetSettings } from '../contract/presets.ts'
import { layOut, settingsOf } from './testing/fake-tree.ts'

const CHILD = new URL('testing/kill-child.ts', import.meta.url).pathname

const child = (mode: 'apply' | 'undo' | 'recover', root: string, killAt: number, settings: PresetSettings) =>
  spawnSync(process.execPath, [CHILD, mode, root, String(killAt), JSON.stringify(settings)], { encoding: 'utf8', timeout: 20_000 })

const zram: PresetSettings = { compressedSwap: { mode: 'zram', compressors: ['lz4'] }, ksm: { mode: 'merge', pagesToScan: 1000, sleepMs: 50, smartScan: true, lowerWhenFlat: true } }
const zswap: PresetSettings = { compressedSwap: { mode: 'zswap', compressors: ['zstd', 'deflate'], sizePercentOfMemory: 10, poolPercent: 30 }, ksm: { mode: 'merge', advisor: 'scan-time' } }

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-kill-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const fresh = (): Record<string, string> => {
  rmSync(root, { recursive: true, force: true })
  layOut(root)
  return settingsOf(root)
}

const swapFiles = (): string[] => {
  try {
    return readdirSync(join(root, '/var/lib/agentmem/swap'))
  } catch {
    return []
  }
}

/** Checkpoints of a whole run that is not killed, by name. */
const checkpoints = (mode: 'apply' | 'undo', settings: PresetSettings): string[] => {
  fresh()
  const whole = child(mode, root, 0, settings)
  expect(whole.stderr).toBe('')
  expect(whole.status).toBe(0)
  return whole.stdout.split('\n').flatMap((line) => /^\d+ (.*)$/u.exec(line)?.[1] ?? [])
}

describe.each([
  ['zram and merging', zram],
  ['zswap on a swap file and the scan advisor', zswap],
] as const)('killed at every step of a run with %s', (_, settings) => {
  test('every setting comes back with the next start', () => {
    const names = checkpoints('apply', settings)
    const kept = names.indexOf('kept')
    expect(names.length).toBeGreaterThan(20)
    expect(kept).toBe(names.length - 1)
    for (const [index, name] of names.entries()) {
      const before = fresh()
      const killed = child('apply', root, index + 1, settings)
      expect(killed.signal, `${index + 1} ${name}: ${killed.stderr}`).toBe('SIGKILL')
      const recovered = child('recover', root, 0, settings)
      expect(recovered.status, recovered.stderr).toBe(0)
      if (index === kept) {
        // The rename was the decision: this run is kept, and its settings stay.
        expect(settingsOf(root), name).not.toEqual(before)
        expect(recovered.stdout).toContain('"state":"kept"')
        continue
      }
      expect(settingsOf(root), `after a kill at ${index + 1}, ${name}`).toEqual(before)
      expect(swapFiles(), `after a kill at ${index + 1}, ${name}`).toEqual([])
      expect(recovered.stdout, name).toContain('"state":"undone"')
    }
  }, 120_000)

  test('killed at every step of undoing, the next start ends it', () => {
    const names = checkpoints('undo', settings)
    const first = names.indexOf('waiting') + 1
    expect(names.length - first).toBeGreaterThan(8)
    for (let index = first; index < names.length; index += 1) {
      const before = fresh()
      const killed = child('undo', root, index + 1, settings)
      expect(killed.signal, `${index + 1} ${names[index]}: ${killed.stderr}`).toBe('SIGKILL')
      const recovered = child('recover', root, 0, settings)
      expect(recovered.status, recovered.stderr).toBe(0)
      expect(settingsOf(root), `after a kill at ${index + 1}, ${names[index]}`).toEqual(before)
      expect(swapFiles()).toEqual([])
    }
  }, 120_000)
})

test('killed while recovering, the next start goes on', () => {
  const before = fresh()
  const names = checkpoints('apply', zram)
  const at = names.indexOf('waiting') + 1
  fresh()
  child('apply', root, at, zram)
  for (let killAt = 1; killAt <= 5; killAt += 1) expect(child('recover', root, killAt, zram).signal).toBe('SIGKILL')
  expect(child('recover', root, 0, zram).status).toBe(0)
  expect(settingsOf(root)).toEqual(before)
}, 60_000)
