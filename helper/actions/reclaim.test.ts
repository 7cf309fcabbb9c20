import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeKernel, layOut } from '../change/testing/fake-tree.ts'
import { fakeRun, requestFor } from '../change/testing/fake-run.ts'
import type { AgentTarget } from '../contract/requests.ts'
import { ownCgroup } from './own-cgroup.ts'
import { pruneCache } from './prune-cache.ts'
import { reclaim, wonBytes } from './reclaim.ts'
import { ok } from '../contract/result.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-reclaim-'))
  layOut(root)
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** A stand-in for the C program. */
const program = (script: string): string => {
  const path = join(root, 'reclaim')
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}
const line = (pid: number, before: number | null, after: number | null, error: string | null = null): string =>
  JSON.stringify({ pid, rssBeforeBytes: before, rssAfterBytes: after, anonBeforeBytes: before, anonAfterBytes: after, advisedBytes: before ?? 0, error })

const processes = [{ pid: 100, startTimeTicks: 5 }, { pid: 101, startTimeTicks: 6 }]

describe('the C program', () => {
  test('gets uid, advice and processes as arguments, and nothing of our environment', async () => {
    process.env['AGENTMEM_TEST_SECRET'] = 'x'
    const result = await reclaim({ program: program(`printf '%s\\n' "$*|$AGENTMEM_TEST_SECRET|$(pwd)" > ${root}/seen; echo '${line(100, 10, 4)}'`), uid: 1000, processes, advice: 'pageout' })
    expect(result).toMatchObject({ ok: true, value: { processes: [{ pid: 100, rssBeforeBytes: { value: 10 }, rssAfterBytes: { value: 4 }, error: null }] } })
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(join(root, 'seen'), 'utf8')).toBe('--advice pageout --uid 1000 100:5 101:6||/\n')
  })

  test('partly done is a result, each process with its error; what was won leaves out what was not measured', async () => {
    const result = await reclaim({ program: program(`echo '${line(100, 1000, 400)}'; echo '${line(101, null, null, 'process is gone')}'; exit 1`), uid: 1000, processes, advice: 'cold' })
    if (!result.ok) throw new Error(result.error.message)
    expect(result.value.processes[1]).toMatchObject({ error: 'process is gone', rssBeforeBytes: { value: null } })
    expect(wonBytes(result.value.processes)).toBe(600)
  })

  test.each([
    ['a wrong call', 'echo usage >&2; exit 2', 'internal'],
    ['a crash', 'kill -SEGV $$', 'internal'],
    ['no answer', 'exit 0', 'internal'],
    ['noise', 'echo hello; exit 0', 'internal'],
  ])('%s is a failure, not a gain', async (_, script, code) => {
    expect(await reclaim({ program: program(script), uid: 1000, processes, advice: 'pageout' })).toMatchObject({ ok: false, error: { code } })
  })

  test('a program that is not there is named', async () => {
    expect(await reclaim({ program: '/nonexistent/reclaim', uid: 1000, processes, advice: 'pageout' })).toMatchObject({ ok: false, error: { code: 'not-supported', about: '/nonexistent/reclaim' } })
  })

  test('it can be stopped', async () => {
    const abort = new AbortController()
    const result = reclaim({ program: program('exec sleep 60'), uid: 1000, processes, advice: 'pageout', signal: abort.signal })
    abort.abort()
    expect(await result).toMatchObject({ ok: false, error: { code: 'cancelled' } })
  })
})

const processTree = (pid: number, start: number, uid: number, cgroup: string): void =>
  layOut(root, {
    [`/proc/${pid}/stat`]: `${pid} (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 ${start} 0 0\n`,
    [`/proc/${pid}/status`]: `Name:\ta\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
    [`/proc/${pid}/cgroup`]: `0::${cgroup}\n`,
  })

describe('a cgroup of its own', () => {
  const folder = '/sys/fs/cgroup/user.slice/agent-1.scope'
  beforeEach(() => {
    processTree(100, 5, 1000, '/user.slice/agent-1.scope')
    processTree(101, 6, 1000, '/user.slice/agent-1.scope')
    layOut(root, { [`${folder}/cgroup.procs`]: '100\n101\n', [`${folder}/memory.current`]: '1000000\n', [`${folder}/memory.reclaim`]: '' })
  })

  test('holds exactly the agent', () => {
    expect(ownCgroup(root, 1000, processes)).toBe(folder)
  })

  test.each([
    ['another process is in it', () => layOut(root, { [`${folder}/cgroup.procs`]: '100\n101\n102\n' })],
    ['a process is elsewhere', () => processTree(101, 6, 1000, '/other')],
    ['a process belongs to somebody else', () => processTree(101, 6, 1001, '/user.slice/agent-1.scope')],
    ['a pid was taken by a later process', () => processTree(101, 7, 1000, '/user.slice/agent-1.scope')],
    ['a process is gone', () => rmSync(join(root, '/proc/101'), { recursive: true })],
    ['the folder leads out', () => {
      processTree(100, 5, 1000, '/../../etc')
      processTree(101, 6, 1000, '/../../etc')
    }],
    ['it has groups below it', () => layOut(root, { [`${folder}/inner/cgroup.procs`]: '' })],
    ['there is no memory controller', () => rmSync(join(root, folder, 'memory.current'))],
  ])('is not used when %s', (_, change) => {
    change()
    expect(ownCgroup(root, 1000, processes)).toBeNull()
  })

  const agent: AgentTarget = { id: '11111111-2222-4333-8444-555555555555:100:5', title: 'Codex', idleMs: 900_000, processes }
  const settings = { compressedSwap: { mode: 'zram' }, reclaim: { minIdleMs: 1 } } as const

  test('is written with its own size; what the kernel could not give is no failure', async () => {
    const run = fakeRun(root)
    await run.manager.apply(1000, requestFor(run.manager, settings, { agents: [agent] }))
    await run.until('waiting')
    expect(run.writes.at(-1)).toBe(`${folder}/memory.reclaim <- 1000000`)
    await run.manager.close()
  })

  test('without one, the C program is asked, and a dead agent does not fail the run', async () => {
    rmSync(join(root, folder), { recursive: true })
    const run = fakeRun(root, { deps: { reclaimProgram: program(`echo '${line(100, null, null, 'process is gone')}'; exit 1`) } })
    const applied = await run.manager.apply(1000, requestFor(run.manager, settings, { agents: [agent] }))
    await run.until('waiting')
    const record = applied.ok ? run.manager.run(1000, applied.value.runId) : applied
    expect(record.ok && 'steps' in record.value && record.value.steps.at(-1)).toMatchObject({ outcome: 'skipped', error: { code: 'process-gone' }, wonBytes: 0 })
    await run.manager.close()
  })
})

test('pruning syncs first, then writes the level', async () => {
  const order: string[] = []
  const result = await pruneCache({
    root,
    kernel: fakeKernel(root, { onWrite: (written) => order.push(written) }),
    tools: { sync: async () => (order.push('sync'), ok(null)) },
    level: 3,
  })
  expect(result).toMatchObject({ ok: true, value: { availableBeforeBytes: 12_288_000_000, availableAfterBytes: 12_288_000_000 } })
  expect(order).toEqual(['sync', '/proc/sys/vm/drop_caches <- 3'])
})

test('without sync there is no pruning', async () => {
  mkdirSync(join(root, 'x'))
  const order: string[] = []
  const result = await pruneCache({ root, kernel: fakeKernel(root, { onWrite: (written) => order.push(written) }), tools: { sync: async () => ({ ok: false, error: { code: 'write-refused', message: 'no' } }) }, level: 1 })
  expect(result.ok).toBe(false)
  expect(order).toEqual([])
})
