import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fakeRun, requestFor, type FakeRun } from '../../change/testing/fake-run.ts'
import { builtModule, layOut, moduleFiles, type FakeOptions } from '../../change/testing/fake-tree.ts'
import { kernelModuleSettingsSchema } from '../../contract/kernel-module.ts'
import type { PresetSettings } from '../../contract/presets.ts'
import type { Probe } from '../../contract/probe.ts'
import { readProbe } from '../../observe/probe.ts'
import { makePlan } from '../../plan/make-plan.ts'
import { moduleFailure } from './tools.ts'

const UID = 1000
const GIB = 1024 ** 3
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-module-'))
  layOut(root)
  layOut(root, builtModule)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const load: PresetSettings = { kernelModule: { mode: 'load', compressor: 'lz4', warmAfterMs: 60_000, quotaBytes: 2 ** 30 } }
const unload: PresetSettings = { kernelModule: { mode: 'unload' } }
const at = (path: string): string | null => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8').trim() : null)
const parameter = (name: string): string | null => at(`/sys/module/agentmem/parameters/${name}`)
const loaded = (): boolean => at('/sys/module/agentmem/refcnt') !== null

const started = async (settings: PresetSettings, options: FakeOptions = {}): Promise<{ it: FakeRun; runId: string }> => {
  const it = fakeRun(root, options)
  const applied = await it.manager.apply(UID, requestFor(it.manager, settings))
  if (!applied.ok) throw new Error(applied.error.message)
  return { it, runId: applied.value.runId }
}
const kept = async (settings: PresetSettings): Promise<{ it: FakeRun; runId: string }> => {
  const { it, runId } = await started(settings)
  await it.until('waiting')
  expect(await it.manager.keep(UID, runId)).toMatchObject({ ok: true })
  await it.until('kept')
  return { it, runId }
}
const journal = (runId: string, state: string): string => readFileSync(join(root, `var/lib/agentmem/journal/${runId}.${state}`), 'utf8')

describe('loading', () => {
  test('brings it in with its parameters, and undoing takes it out', async () => {
    const { it, runId } = await kept(load)
    expect([loaded(), parameter('compressor'), parameter('warm_after_ms'), parameter('quota_bytes'), parameter('hot_most_bytes')]).toEqual([true, 'lz4', '60000', '1073741824', '0'])
    expect(journal(runId, 'kept').split('\n').slice(1, 4).map((line) => line.split(' ').slice(1, 6).join(' '))).toEqual([
      'when-it-fits rmmod agentmem - compressor=lz4',
      'now write /sys/module/agentmem/parameters/warm_after_ms 300000 60000',
      'now write /sys/module/agentmem/parameters/quota_bytes 17179869184 1073741824',
    ])
    expect(await it.manager.undo(UID, { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone', undo: [{ outcome: 'restored' }, { outcome: 'restored' }, { target: 'agentmem', outcome: 'restored' }] } })
    expect(loaded()).toBe(false)
  })

  test('is taken back when who asked for it has left', async () => {
    const { it, runId } = await started(load)
    await it.until('waiting')
    expect(loaded()).toBe(true)
    await it.manager.callerGone(runId)
    await it.until('undone')
    expect(loaded()).toBe(false)
  })

  test('says what it really compresses with', async () => {
    const { it, runId } = await started(load, { moduleDrivers: ['zstd'] })
    await it.until('waiting')
    expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { steps: [{ readBack: 'loaded; this kernel has no lz4, so nothing is compressed' }, {}, {}] } })
    await it.manager.cancel(UID, runId)
    await it.until('undone')
  })

  test.each([
    ["modprobe: ERROR: could not insert 'agentmem': Key was rejected by service", 'not-supported', /mokutil/u],
    ["modprobe: ERROR: could not insert 'agentmem': Exec format error", 'not-supported', /dkms install --force/u],
    ["modprobe: ERROR: could not insert 'agentmem': Operation not permitted", 'not-supported', /dmesg/u],
    ["modprobe: ERROR: could not insert 'agentmem': Cannot allocate memory", 'write-refused', undefined],
  ])('that modprobe refuses fails with what to do: %s', async (words, code, advice) => {
    const { it, runId } = await started(load, { modprobeSays: words })
    await it.until('failed')
    const run = it.manager.run(UID, runId)
    expect(run).toMatchObject({ ok: true, value: { state: 'failed', error: { code, got: words } } })
    if (advice !== undefined) expect(run.ok && run.value.error?.advice).toMatch(advice)
    expect(loaded()).toBe(false)
  })

  test('is not planned where something stands against it, with the reason', () => {
    rmSync(join(root, '/lib'), { recursive: true })
    const it = fakeRun(root)
    expect(it.manager.plan(requestFor(it.manager, load))).toMatchObject({ steps: [], skipped: [{ source: 'kernel-module', kind: 'impossible', reason: expect.stringContaining('not installed') }] })
  })

  test('of one that is loaded changes its parameters alone', async () => {
    layOut(root, moduleFiles('zstd'))
    const { it, runId } = await kept(load)
    expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { plan: { steps: [{ operation: { op: 'write' } }, { operation: { op: 'write' } }], skipped: [{ kind: 'already-so' }, { kind: 'impossible', reason: expect.stringContaining('loaded with zstd') }] } } })
    expect(await it.manager.undo(UID, { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone' } })
    expect([loaded(), parameter('compressor'), parameter('warm_after_ms')]).toEqual([true, 'zstd', '300000'])
  })
})

describe('a backing file', () => {
  const backing = (backingBytes: number): PresetSettings => ({ kernelModule: { mode: 'load', backingBytes } })
  const stats = (): string => at('/proc/agent_stats') ?? ''
  const there = (bytes: number): void => layOut(root, { ...moduleFiles('zstd'), '/proc/agent_stats': moduleFiles('zstd')['/proc/agent_stats']?.replace(/\n$/u, ` backing in-use backing_bytes ${bytes} backing_used_bytes 4096\n`) ?? '' })

  test('is given once the module is loaded, journaled, and taken away before it is unloaded', async () => {
    const { it, runId } = await kept({ kernelModule: { mode: 'load', compressor: 'zstd', backingBytes: 4 * GIB } })
    expect(stats()).toContain(`backing in-use backing_bytes ${4 * GIB} `)
    expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { steps: [{}, { outcome: 'done', readBack: 'up to 4.0 GB' }], plan: { notes: expect.arrayContaining([expect.stringContaining('not encrypted')]) } } })
    expect(journal(runId, 'kept').split('\n')[2]?.split(' ').slice(1, 6).join(' ')).toBe(`when-it-fits backing agentmem 0 ${4 * GIB}`)
    expect(await it.manager.undo(UID, { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone', undo: [{ found: String(4 * GIB), outcome: 'restored' }, { target: 'agentmem', outcome: 'restored' }] } })
    expect(loaded()).toBe(false)
  })

  test('of another size takes the place of one that is there, and comes back by undoing', async () => {
    there(GIB)
    const { it, runId } = await kept(backing(2 * GIB))
    expect(stats()).toContain(`backing_bytes ${2 * GIB} `)
    await it.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(stats()).toContain(`backing_bytes ${GIB} `)
  })

  test('that the program refuses fails with what to do, and one that was there comes back', async () => {
    there(GIB)
    const { it, runId } = await started(backing(2 * GIB), { backingSays: (bytes) => (bytes === GIB ? undefined : 'no-room: 12 MB are free') })
    await it.until('failed')
    expect(it.manager.run(UID, runId)).toMatchObject({ ok: true, value: { state: 'failed', error: { code: 'disk-full', got: 'no-room: 12 MB are free', advice: expect.stringContaining('smaller') } } })
    expect(stats()).toContain(`backing_bytes ${GIB} `)
  })

  test('whose content does not fit into memory stays, and undoing waits', async () => {
    let short = false
    const { it, runId } = await started({ kernelModule: { mode: 'load', compressor: 'zstd', backingBytes: GIB } }, { takeSays: () => (short ? 'memory: what is on it does not fit into memory now' : undefined) })
    await it.until('waiting')
    await it.manager.keep(UID, runId)
    await it.until('kept')
    short = true
    layOut(root, { '/sys/module/agentmem/refcnt': '1\n' })
    const undone = await it.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(undone.ok && undone.value.undo[0]).toMatchObject({ outcome: 'waiting-for-memory', reason: expect.stringContaining('does not fit') })
    expect(stats()).toContain(`backing_bytes ${GIB} `)
    short = false
    layOut(root, { '/sys/module/agentmem/refcnt': '0\n' })
    await it.until('undone')
    expect(loaded()).toBe(false)
  })

  test('changed by somebody else since is left alone', async () => {
    const { it, runId } = await kept({ kernelModule: { mode: 'load', compressor: 'zstd', backingBytes: GIB } })
    there(3 * GIB)
    const undone = await it.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(undone.ok && undone.value.undo[0]).toMatchObject({ found: String(3 * GIB), outcome: 'left-alone', reason: expect.stringContaining('Somebody else') })
  })

  test('is not planned where the file system can hold none, where room is short, or where it is so already', () => {
    const it = fakeRun(root)
    const planOf = (settings: PresetSettings, change: (probe: Probe) => Probe) => makePlan({ settings, probe: change(readProbe(root)), agents: [], ourSwap: [] })
    const folder = (fileSystem: string, freeBytes: number) => (probe: Probe): Probe => ({ ...probe, swapFolder: { path: '/var/lib', fileSystem, freeBytes: { value: freeBytes } } })
    there(GIB)
    expect(planOf(backing(2 * GIB), folder('nfs4', 100 * GIB))).toMatchObject({ steps: [], skipped: [{}, { kind: 'impossible', reason: expect.stringContaining('nfs4') }] })
    expect(planOf(backing(2 * GIB), folder('ext4', 2.5 * GIB))).toMatchObject({ steps: [], skipped: [{}, { kind: 'impossible', reason: 'it needs 2.0 GB and 1.0 GB to spare, 2.5 GB is free on the disk of /var/lib' }] })
    expect(planOf(backing(2 * GIB), folder('ext4', 3 * GIB))).toMatchObject({ steps: [{ operation: { op: 'module-backing', sizeBytes: 2 * GIB }, old: '1.0 GB', new: 'up to 2.0 GB' }] })
    expect(it.manager.plan(requestFor(it.manager, backing(GIB)))).toMatchObject({ steps: [], skipped: [{}, { kind: 'already-so' }] })
    expect(it.manager.plan(requestFor(it.manager, backing(0)))).toMatchObject({ steps: [{ old: '1.0 GB', new: 'none', undo: 'gives it one of 1.0 GB again' }] })
  })

  test.each([1, 64 * 1024 ** 2 - 4096, 2 ** 40 + 4096, GIB + 1])('of %d bytes is refused', (bytes) => {
    expect(kernelModuleSettingsSchema.safeParse({ mode: 'load', backingBytes: bytes }).success).toBe(false)
  })
})

describe('one that is in use', () => {
  const users = `agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain\n1 42 1000 active 50 2 1000 0 0 1000 7 claude -\ntotal agents 1 units 2 bytes 1 contents 1 content_bytes 1 hot_bytes 1 warm_bytes 0 compressor zstd\n`

  test('is not unloaded, and who uses it is told; the steps are the same for who sees nobody', () => {
    layOut(root, { ...moduleFiles('zstd'), '/sys/module/agentmem/refcnt': '1\n', '/proc/agent_stats': users })
    const it = fakeRun(root)
    const plan = it.manager.plan(requestFor(it.manager, unload))
    expect(plan).toMatchObject({ steps: [], skipped: [{ kind: 'impossible', reason: expect.stringContaining('claude (42)') }] })
    rmSync(join(root, '/proc/agent_stats'))
    expect(it.manager.plan(requestFor(it.manager, unload)).digest).toBe(plan.digest)
  })

  test('stays loaded when its run is undone, which says why and can be undone again', async () => {
    const { it, runId } = await kept(load)
    layOut(root, { '/sys/module/agentmem/refcnt': '1\n', '/proc/agent_stats': users })
    const first = await it.manager.undo(UID, { runId, cause: 'user-undo' })
    expect(first).toMatchObject({ ok: true, value: { state: 'partly-undone' } })
    expect(first.ok && first.value.undo.at(-1)).toMatchObject({ target: 'agentmem', outcome: 'left-alone', reason: expect.stringContaining('claude (42)') })
    layOut(root, { '/sys/module/agentmem/refcnt': '0\n' })
    expect(await it.manager.undo(UID, { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone' } })
    expect(loaded()).toBe(false)
  })
})

describe('unloading', () => {
  test('is undone with every parameter it had', async () => {
    layOut(root, { ...moduleFiles('lz4'), '/sys/module/agentmem/parameters/hot_most_bytes': '4194304\n', '/proc/agent_stats': moduleFiles('lz4')['/proc/agent_stats']?.replace(/\n$/u, ` backing in-use backing_bytes ${GIB} backing_used_bytes 0\n`) ?? '' })
    const { it, runId } = await kept(unload)
    expect(loaded()).toBe(false)
    expect(await it.manager.undo(UID, { runId, cause: 'user-undo' })).toMatchObject({ ok: true, value: { state: 'undone' } })
    expect([loaded(), parameter('compressor'), parameter('hot_most_bytes'), parameter('warm_after_ms')]).toEqual([true, 'lz4', '4194304', '300000'])
    expect(at('/proc/agent_stats')).toContain(`backing_bytes ${GIB} `)
  })

  test('of none is nothing to do', () => {
    const it = fakeRun(root)
    expect(it.manager.plan(requestFor(it.manager, unload))).toMatchObject({ steps: [], skipped: [{ kind: 'already-so' }] })
  })
})

test('what modprobe says of a module in use is told as such', () => {
  expect(moduleFailure('modprobe: FATAL: Module agentmem is in use.', 'unload')).toMatchObject({ error: { code: 'write-refused', message: 'The module is in use: it stays loaded.' } })
  expect(moduleFailure('', 'load')).toMatchObject({ error: { message: 'The module could not be loaded.', got: 'modprobe said nothing' } })
})
