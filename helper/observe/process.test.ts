import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseCommandLine, parseKsmStat, parseSmaps, parseStat, parseStatus, printable, readExecutable, readProcessMemory, readProcessTable, readStat } from './process.ts'

const tail = '7 9 9 34816 9 4194304 77776 5323 58 4 476 86 5 2 20 0 8 0 271697 5851168768 58095 18446744073709551615 1 2 3 0 0 0 0 3149824 2072145151 0 0 0 17 1 0 0 0 0 0 4 5 6 140721720077802 8 9 10 0\n'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-process-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})
const put = (pid: number | string, leaf: string, text: string): void => {
  mkdirSync(join(root, 'proc', String(pid)), { recursive: true })
  writeFileSync(join(root, 'proc', String(pid), leaf), text)
}

describe('stat', () => {
  test.each(['node', 'Web Content', 'a) S 1 (b', 'x\ny', '((()))', ')', '', 'tmux: server', '日本'])('name %j', (comm) => {
    expect(parseStat(`42 (${comm}) S ${tail}`)).toEqual({
      pid: 42, comm, kernelState: 'S', parentPid: 7, processGroup: 9, session: 9, terminal: 34_816, kernelThread: false, majorFaults: 58, cpuTicks: 562, endedChildrenTicks: 7, startTimeTicks: 271_697, argumentsAt: '140721720077802',
    })
  })

  test('kernel threads are known by their flag, not by their name', () => {
    expect(parseStat('2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 0\n')?.kernelThread).toBe(true)
    expect(parseStat(`9 ([kworker/0:1]) S ${tail}`)?.kernelThread).toBe(false)
  })

  test.each(['', '42', '42 (x', '42 (x) S', '42 (x) S a b c', 'x (y) S 1 2 3', '42 (x) ?? 1'])('text %j is nothing', (text) => {
    expect(parseStat(text)).toBeNull()
  })

  test('names are made printable', () => {
    expect(printable('a\nb\u001B[31m\u202Ec')).toBe('a?b?[31m?c')
    expect(printable('日本 ok')).toBe('日本 ok')
  })
})

describe('other files', () => {
  test('status', () => {
    expect(parseStatus('Name:\tUid: 5\nUid:\t1000\t0\t0\t0\nVmSwap:\t  12 kB\nThreads:\t3\n')).toEqual({ uid: 1000, swapBytes: 12_288, threads: 3 })
    expect(parseStatus('Name:\tkthreadd\nUid:\t0\t0\t0\t0\n')).toEqual({ uid: 0, swapBytes: null, threads: null })
    expect(parseStatus('')).toBeNull()
  })

  test('command lines: empty words stay, titles are taken apart', () => {
    expect(parseCommandLine('')).toEqual([])
    expect(parseCommandLine('node\0\0--x\0')).toEqual(['node', '', '--x'])
    expect(parseCommandLine('npm exec @scope/pkg /tmp\0\0\0\0')).toEqual(['npm', 'exec', '@scope/pkg', '/tmp'])
    expect(parseCommandLine('two words\0next\0')).toEqual(['two words', 'next'])
    expect(parseCommandLine('a\nb\0')).toEqual(['a\nb'])
  })

  test('a replaced program keeps its path', () => {
    put(5, 'exe', '/opt/claude (deleted)')
    expect(readExecutable(root, 5)).toEqual({ value: '/opt/claude' })
  })

  test('ksm_stat', () => {
    expect(parseKsmStat('ksm_rmap_items 0\nksm_merge_any: yes\nksm_mergeable: no\n')).toBe(true)
    expect(parseKsmStat('ksm_merge_any: no\n')).toBe(false)
    expect(parseKsmStat('ksm_rmap_items 0\n')).toBeNull()
  })
})

describe('memory', () => {
  const rollup = '0-1 ---p 0 00:00 0 [rollup]\nRss: 100 kB\nPss:   60 kB\nPss_Dirty: 9 kB\nPss_Anon:  40 kB\nPss_File: 15 kB\nPss_Shmem: 5 kB\nShared_Clean: 1 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: 30 kB\nSwap: 50 kB\nSwapPss: 20 kB\n'

  test('of a rollup', () => {
    expect(parseSmaps(rollup)).toEqual({
      pssBytes: 61_440, pssAnonBytes: { value: 40_960 }, pssFileBytes: { value: 15_360 }, pssShmemBytes: { value: 5120 }, swapPssBytes: 20_480, ussBytes: 40_960, rssBytes: 102_400,
    })
  })

  test('of smaps: mappings are added up', () => {
    expect(parseSmaps(rollup + rollup)?.pssBytes).toBe(122_880)
  })

  test('before 5.6 the parts are missing, not zero', () => {
    const old = parseSmaps('Rss: 8 kB\nPss: 4 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: 4 kB\n')
    expect(old).toMatchObject({ pssBytes: 4096, ussBytes: 4096, pssAnonBytes: { value: null, reason: 'not-supported' }, swapPssBytes: 0 })
  })

  test('of a process that is going, has gone, or shows nonsense', async () => {
    put(5, 'smaps_rollup', '')
    put(6, 'smaps_rollup', 'nonsense\n')
    expect(await readProcessMemory(root, 5)).toMatchObject({ value: null, reason: 'vanished' })
    expect(await readProcessMemory(root, 6)).toMatchObject({ value: null, reason: 'malformed' })
    expect(await readProcessMemory(root, 7)).toMatchObject({ value: null, reason: 'vanished' })
  })
})

describe('process table', () => {
  test('counts what it saw', () => {
    put(1, 'stat', `1 (init) S ${tail}`)
    put(2, 'stat', '2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 0\n')
    put(3, 'status', 'gone while it was read')
    put(4, 'stat', 'torn')
    put('self', 'stat', `1 (init) S ${tail}`)
    put('5x', 'stat', `5 (no) S ${tail}`)
    const table = readProcessTable(root)
    expect([...table.processes.keys()]).toEqual([1])
    expect(table).toMatchObject({ seen: 4, kernelThreads: 1, vanished: 1, unreadable: 1 })
  })

  test('the real machine: this very process is in it', async () => {
    expect(readProcessTable('/').processes.get(process.pid)?.pid).toBe(process.pid)
    expect(readStat('/', 4_194_305)).toMatchObject({ value: null, reason: 'vanished' })
    expect((await readProcessMemory('/', process.pid)).value?.pssBytes).toBeGreaterThan(1024 * 1024)
  })
})
