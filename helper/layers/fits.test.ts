import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { layOut } from '../change/testing/fake-tree.ts'
import { fitsInMemory, reserveBytes, swapFits, unmergeFits } from './fits.ts'

const MIB = 1024 ** 2
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-fits-'))
  layOut(root)
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

const memory = (totalMib: number, availableMib: number): void =>
  layOut(root, { '/proc/meminfo': `MemTotal: ${totalMib * 1024} kB\nMemFree: 0 kB\nMemAvailable: ${availableMib * 1024} kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n` })
const zram = (usedMib: number, poolMib: number): void =>
  layOut(root, {
    '/proc/swaps': `Filename Type Size Used Priority\n/dev/zram0 partition 99999999 ${usedMib * 1024} 100\n`,
    '/sys/block/zram0/disksize': '99999999\n',
    '/sys/block/zram0/mm_stat': `${usedMib * MIB} ${poolMib * MIB} ${poolMib * MIB} 0 0 0 0 0 0\n`,
  })
/** The least available memory, in MiB, with which it fits. */
const needs = (totalMib: number, fits: () => boolean): number => {
  let low = 0
  let high = totalMib
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    memory(totalMib, middle)
    if (fits()) high = middle
    else low = middle + 1
  }
  return low
}

test('the reserve is 3 %, and never less than 256 MiB', () => {
  expect([1024, 8192, 32_768].map((mib) => Math.round(reserveBytes(mib * MIB) / MIB))).toEqual([256, 256, 983])
})

test('what needs nothing fits; what is not known does not', () => {
  memory(1024, 0)
  expect(fitsInMemory(root, 0, 'It')).toMatchObject({ ok: true })
  expect(fitsInMemory(root, 1, 'It')).toMatchObject({ ok: false, error: { code: 'does-not-fit', got: `${-256 * MIB} bytes` } })
  rmSync(join(root, '/proc/meminfo'))
  expect(fitsInMemory(root, 0, 'It')).toMatchObject({ ok: false, error: { code: 'does-not-fit' } })
})

describe('emptying zram', () => {
  const fits = (): boolean => swapFits(root, '/dev/zram0').ok

  test.each([
    ['one that is empty', 0, 0, 0],
    ['pages that compress well', 4096, 400, 4096 - 200 + 492],
    ['three to one', 3072, 1024, 3072 - 512 + 492],
    // Its pool is as large as what it holds: leaving out the whole pool would call this free.
    ['pages that do not compress', 3072, 3072, 1536 + 492],
    ['a pool larger than what it holds', 1024, 5000, 512 + 492],
  ])('%s', (_, usedMib, poolMib, expectedMib) => {
    zram(usedMib, poolMib)
    expect(needs(16_384, fits)).toBe(expectedMib)
  })

  test('a small machine keeps its 256 MiB', () => {
    zram(300, 100)
    expect(needs(1024, fits)).toBe(300 - 50 + 256)
  })

  test('what is not in use as swap fits', () => {
    memory(1024, 0)
    expect(fits()).toBe(true)
  })
})

test('a swap file is counted whole: how much of it is in the pool is not told', () => {
  layOut(root, { '/proc/swaps': 'Filename Type Size Used Priority\n/var/lib/agentmem/swap/agentmem-1.swap file 9999999 2097152 1\n' })
  expect(needs(8192, () => swapFits(root, '/var/lib/agentmem/swap/agentmem-1.swap').ok)).toBe(2048 + 256)
})

test('taking merged pages apart counts pages of the empty page too', () => {
  expect(needs(8192, () => unmergeFits(root, 256 * 1024).ok)).toBe(1024 + 256)
  layOut(root, { '/sys/kernel/mm/ksm/ksm_zero_pages': `${128 * 1024}\n` })
  expect(needs(8192, () => unmergeFits(root, 256 * 1024).ok)).toBe(1536 + 256)
})
