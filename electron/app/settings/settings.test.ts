import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultSettings } from '../../contract/settings.ts'
import { createSettingsStore } from './settings.ts'

let folder = ''
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-settings-')) })
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })
const path = (): string => join(folder, 'settings.json')

describe('settings', () => {
  it('begins with the defaults and no complaint', () => {
    expect(createSettingsStore(folder).get()).toEqual({ settings: defaultSettings, problem: null })
  })

  it('keeps what is set, readable by its owner only, and leaves nothing half-written', () => {
    const store = createSettingsStore(join(folder, 'deep/er'))
    const settings = { ...defaultSettings, theme: 'dark' as const }
    expect(store.set(settings)).toEqual({ ok: true, value: settings })
    expect(store.get()).toEqual({ settings, problem: null })
    expect(statSync(join(folder, 'deep/er/settings.json')).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(folder, 'deep/er'))).toEqual(['settings.json'])
  })

  it.each([
    ['{"version":1,', 'not JSON'],
    [JSON.stringify({ ...defaultSettings, idleAfterMs: -1 }), 'idleAfterMs'],
    [JSON.stringify({ ...defaultSettings, surprise: true }), 'surprise'],
    [JSON.stringify({ ...defaultSettings, version: 2 }), 'version'],
  ])('reports a bad file and leaves it: %s', (text, named) => {
    writeFileSync(path(), text)
    const { settings, problem } = createSettingsStore(folder).get()
    expect(settings).toEqual(defaultSettings)
    expect(problem).toContain(named)
    expect(readFileSync(path(), 'utf8')).toBe(text)
  })

  it('keeps a bad file beside the new one when settings are set', () => {
    writeFileSync(path(), 'mine, by hand')
    expect(createSettingsStore(folder).set(defaultSettings).ok).toBe(true)
    expect(readFileSync(`${path()}.bad`, 'utf8')).toBe('mine, by hand')
    expect(createSettingsStore(folder).get().problem).toBeNull()
  })

  it('answers a folder that cannot be written with a sentence', () => {
    // A file where the folder should be: refused for root as well.
    writeFileSync(join(folder, 'blocked'), '')
    const result = createSettingsStore(join(folder, 'blocked')).set(defaultSettings)
    expect(result).toMatchObject({ ok: false, error: { message: expect.stringContaining('could not be written') } })
  })
})
