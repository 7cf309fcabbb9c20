import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createJournal } from '../../change/journal.ts'
import { fail, ok } from '../../contract/result.ts'
import { openFreezes } from './freeze.ts'
import { createGuardLink } from './guard-link.ts'
import { createHeldStore, readWords } from './held.ts'
import { lockOthersWaitFor, parseLocks, servesOthers } from './others-wait.ts'
import { watchPressure } from './page-out.ts'
import { swapRoom } from './swap.ts'
import type { Guard } from './types.ts'
import { createFakeGuard, type FakeGuard } from './testing/fake-guard.ts'
import { bounded, workingSetBytes } from './working-set.ts'

let root = ''
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-parts-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('file locks that others wait for', () => {
  const LOCKS = '1: POSIX  ADVISORY  WRITE 700 fd:01:9 0 EOF\n1: -> POSIX  ADVISORY  WRITE 800 fd:01:9 0 EOF\n2: FLOCK  ADVISORY  WRITE 701 fd:01:10 0 EOF\n3: OFDLCK ADVISORY  READ  -1 fd:01:11 0 EOF\n3: -> OFDLCK ADVISORY  WRITE -1 fd:01:11 0 EOF\nnot a lock\n'
  test('holders and waiters are told apart', () => {
    expect(parseLocks(LOCKS).map(({ id, pid, waits }) => [id, pid, waits])).toEqual([['1', 700, false], ['1', 800, true], ['2', 701, false], ['3', -1, false], ['3', -1, true]])
  })
  test('only what somebody outside waits for counts, whoever took it', () => {
    put('/proc/locks', LOCKS)
    expect(lockOthersWaitFor(root, new Set([700]))).toBe(700)
    expect(lockOthersWaitFor(root, new Set([701]))).toBeNull()
    expect(lockOthersWaitFor(root, new Set([700, 800]))).toBeNull()
    put('/proc/900/fdinfo/4', 'pos:\t0\nlock:\t1: OFDLCK ADVISORY  READ -1 fd:01:11 0 EOF\n')
    expect(lockOthersWaitFor(root, new Set([900]))).toBe(900)
  })
})

test('serving others: a connection taken from outside the tree, not one opened or one inside', () => {
  const line = (local: string, remote: string, state: string, inode: number) => `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 20 4 30 10 -1`
  const table = (...lines: string[]) => ['  sl  local_address rem_address   st', ...lines, ''].join('\n')
  const tree = (inodes: number[]) => [{ pid: 5, files: inodes.map((inode) => `socket:[${inode}]`) }]
  put('/proc/5/net/tcp', table(line('0100007F:1F90', '00000000:0000', '0A', 1), line('0100007F:1F90', '0100007F:C000', '01', 2), line('0100007F:C000', '0100007F:1F90', '01', 3)))
  expect(servesOthers(root, tree([1, 2]))).toBe(5)
  expect(servesOthers(root, tree([1, 2, 3]))).toBeNull()
  expect(servesOthers(root, tree([3]))).toBeNull()
  expect(servesOthers(root, tree([]))).toBeNull()
})

describe('working sets', () => {
  const set = [{ pid: 1, ranges: [['1000', '2000'], ['10000', '20000']] as [string, string][] }, { pid: 2, ranges: [['5000', '7000']] as [string, string][] }]
  test('are counted in bytes', () => expect(workingSetBytes(set)).toBe(0x1000 + 0x10000 + 0x2000))
  test('are bounded by bytes, small ranges first, and by number', () => {
    expect(bounded(set)).toEqual(set)
    expect(bounded(set, 0x3000)).toEqual([{ pid: 1, ranges: [['1000', '2000']] }, { pid: 2, ranges: [['5000', '7000']] }])
    expect(bounded(set, 0x20000, 1)).toEqual([{ pid: 1, ranges: [['10000', '20000']] }])
    expect(bounded(set, 0)).toEqual([])
  })
})

describe('swap to go to', () => {
  const header = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
  const zswap = (enabled: string) => {
    for (const [name, text] of Object.entries({ enabled, compressor: 'lzo', max_pool_percent: '20', shrinker_enabled: 'N' })) put(`/sys/module/zswap/parameters/${name}`, `${text}\n`)
    put('/proc/meminfo', 'MemTotal: 1000000 kB\nZswap: 0 kB\nZswapped: 0 kB\n')
  }
  test('none, plain disk and a full one are refused with what to do', () => {
    put('/proc/swaps', header)
    expect(swapRoom(root)).toMatchObject({ ok: false, error: { code: 'not-supported', got: 'no swap device' } })
    put('/proc/swaps', `${header}/dev/vda2 partition 2097148 0 -2\n`)
    zswap('N')
    expect(swapRoom(root)).toMatchObject({ ok: false, error: { message: expect.stringContaining('disk') } })
    zswap('Y')
    expect(swapRoom(root)).toEqual({ ok: true, value: { freeBytes: 2_097_148 * 1024 } })
    put('/proc/swaps', `${header}/dev/zram0 partition 1048572 1040000 100\n`)
    expect(swapRoom(root)).toMatchObject({ ok: false, error: { message: expect.stringContaining('full') } })
  })
})

test('paging out stops when the machine stands still twice in a row, not for one burst', async () => {
  const say = (us: number) => put('/proc/pressure/memory', `some avg10=0.00 avg60=0.00 avg300=0.00 total=${us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=${us}\n`)
  say(0)
  const calm = watchPressure(root, 5)
  await new Promise((resolve) => { setTimeout(resolve, 40) })
  expect([calm.stoppedBy(), calm.signal.aborted]).toEqual([null, false])
  calm.end()
  const watch = watchPressure(root, 5)
  let us = 0
  // Each look finds far more stalled time than has passed.
  const timer = setInterval(() => say((us += 1_000_000)), 2)
  await vi.waitFor(() => expect(watch.signal.aborted).toBe(true), { timeout: 10_000 })
  clearInterval(timer)
  expect(watch.stoppedBy()).toContain('pressure')
  watch.end()
})

describe('records on disk', () => {
  const agentId = '11111111-2222-4333-8444-555555555555:5:17'
  const sets = [{ pid: 5, ranges: [['1000', '2000']] as [string, string][] }]
  test('sets are kept for the agent they are of, and go with it', () => {
    const store = createHeldStore(join(root, 'agents'))
    expect(store.sets(agentId)).toBeNull()
    store.saveSets(agentId, sets)
    expect(store.sets(agentId)).toEqual(sets)
    expect(statSync(join(root, 'agents/5-17.sets')).mode & 0o777).toBe(0o600)
    // The same pid and start time of another boot.
    expect(store.sets(agentId.replace('1111', '2222'))).toBeNull()
    store.keepSets(new Set([agentId]))
    expect(store.sets(agentId)).toEqual(sets)
    store.keepSets(new Set())
    expect(store.sets(agentId)).toBeNull()
  })
  test('damaged records and links are passed over', () => {
    put('/agents/1-2.json', '{"version":1')
    put('/agents/3-4.json', '{"version":2}')
    put('/outside.json', '{}')
    symlinkSync(join(root, 'outside.json'), join(root, 'agents/5-6.json'))
    expect(createHeldStore(join(root, 'agents')).all()).toEqual([])
  })
  test('the last fifty words are read, and nothing that is none', () => {
    const word = (text: string) => JSON.stringify({ atMs: 1, what: 'woke', text, runId: null, agentId: null, uid: 1000 })
    put('/words', `${Array.from({ length: 60 }, (_, index) => word(String(index))).join('\n')}\nnonsense\n{"what":"woke"}\n`)
    expect(readWords(join(root, 'words')).map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, index) => String(index + 10)))
    expect(readWords(join(root, 'none'))).toEqual([])
  })
})

test('a limit that also stopped tools is not taken for a suspension', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-journals-'))
  const write = (runId: string, verbs: ('write' | 'thaw')[]) => {
    const made = createJournal(folder, { bootId: 'boot', runId, role: 'system' })
    if (!made.ok) throw new Error(made.error.message)
    for (const verb of verbs) made.value.append({ undoClass: 'now', verb, target: `/sys/fs/cgroup/a/${verb}`, old: '0', new: '1' })
    made.value.close()
  }
  write('20261121T010203Z-0a1b2c3d', ['write', 'thaw'])
  write('20261121T010204Z-0a1b2c3d', ['thaw'])
  write('20261121T010205Z-0a1b2c3d', [])
  expect(openFreezes(folder).map(({ journalId }) => journalId)).toEqual(['20261121T010204Z-0a1b2c3d', '20261121T010205Z-0a1b2c3d'])
  rmSync(folder, { recursive: true })
})

test('many who need the guard at once get one connection, also after a try that failed', async () => {
  let tries = 0
  const guard = createFakeGuard()
  const link = createGuardLink(async () => {
    tries += 1
    const first = tries === 1
    await new Promise((resolve) => setTimeout(resolve, 5))
    return first ? fail('helper-missing', 'not yet') : ok(guard)
  })
  const all = await Promise.all([link.get(), link.get(), link.get()])
  expect(all.map((one) => one.ok)).toEqual([false, true, true])
  expect(tries).toBe(2)
})

test('a guard that ends as it is asked is followed by another, which is asked the same; once', async () => {
  const guards = [createFakeGuard(), createFakeGuard(), createFakeGuard()]
  let count = 0
  const link = createGuardLink(async () => ok(guards[count++] ?? createFakeGuard()))
  const endsAs = (times: number) => async (guard: Guard) => {
    if (count <= times) (guard as FakeGuard).die()
    return guard.status()
  }
  expect((await link.use(endsAs(1))).ok).toBe(true)
  expect(count).toBe(2)
  // Which is lost while it is asked, again and again, is told.
  const lost = await link.use(async (guard) => {
    ;(guard as FakeGuard).die()
    return guard.status()
  })
  expect(lost.ok ? null : lost.error.code).toBe('helper-gone')
  expect(count).toBe(3)
})
