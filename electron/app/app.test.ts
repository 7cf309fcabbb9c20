import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { liveSchema } from '../contract/views.ts'
import { createApp, type App } from './app.ts'

let folder = ''
let app: App
const machine = join(import.meta.dirname, '../../helper/test/machines/ubuntu-desktop-linux-6.8-cgroup-v2')
const make = (): App =>
  createApp({
    paths: { configDir: join(folder, 'config'), stateDir: join(folder, 'state'), runtimeDir: join(folder, 'run'), root: machine },
    systemBus: `unix:path=${join(folder, 'no-bus')}`,
    sessionBus: `unix:path=${join(folder, 'no-bus')}`,
    sampling: false,
    startSession: false,
  })
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-app-')) })
afterEach(() => {
  app.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the app without any helper', () => {
  it('shows the machine and says what is missing', async () => {
    app = make()
    await app.call('helper.get', {})
    const live = await app.call('live.get', {})
    if (!live.ok) throw new Error(live.error.message)
    expect(liveSchema.parse(live.value).agents).toEqual([])
    expect(live.value.machine.memory.totalBytes).toBeGreaterThan(1e9)
    expect(live.value.helper).toMatchObject({ system: 'no-bus' })
    expect(live.value.helper.advice).not.toBe('')
    expect(await app.call('machine.get', {})).toMatchObject({ ok: true, value: { privileged: false } })
  })

  it('shows a preset as a simulation and changes nothing', async () => {
    app = make()
    const plan = await app.call('plan.make', { presetId: 'everything-off', agentIds: null })
    if (!plan.ok) throw new Error(plan.error.message)
    expect(plan.value.simulation).toBe(true)
    const applied = await app.call('run.apply', { presetId: 'everything-off', digest: plan.value.plan.digest, agentIds: null })
    expect(applied).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
  })

  it('tells of changed settings, and of a history it cannot open', async () => {
    mkdirSync(join(folder, 'state', 'history.db'), { recursive: true })
    app = make()
    const before = await app.call('settings.get', {})
    if (!before.ok) throw new Error(before.error.message)
    expect(before.value.problem).toContain('memory')
    const heard: string[] = []
    app.on('changed', ({ what }) => { heard.push(what) })
    const settings = { ...before.value.settings, theme: 'dark' as const }
    expect(await app.call('settings.set', { settings })).toEqual({ ok: true, value: settings })
    expect(heard).toEqual(['settings'])
    expect(await app.call('runs.list', { limit: 5 })).toEqual({ ok: true, value: [] })
  })

  it('names the bad settings file', async () => {
    mkdirSync(join(folder, 'config'))
    writeFileSync(join(folder, 'config', 'settings.json'), '{')
    app = make()
    expect(await app.call('settings.get', {})).toMatchObject({ ok: true, value: { problem: expect.stringContaining('settings.json') } })
  })

  it('reports on nothing that is not there', async () => {
    app = make()
    expect(await app.call('report.make', { subject: { of: 'comparison', fromId: 1, toId: 2 }, format: 'md', private: false })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(await app.call('runs.get', { runId: '20261121T093005Z-1a2b3c4d' })).toMatchObject({ ok: false, error: { code: 'no-such-run' } })
  })
})
