import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createUnitSettings, defaultUnitSettings, parseUnitSettings, printUnitSettings } from './settings.ts'

let folder = ''
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-units-')) })
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

describe('broker.conf', () => {
  it('is written with what differs from the defaults, and read back the same', () => {
    const settings = { ...defaultUnitSettings, enabled: false, warmAfterMs: 60_000, warmMostBytes: 2 ** 31 }
    const text = printUnitSettings(settings, '')
    expect(text).toBe('enabled=no\nwarm_after_ms=60000\nwarm_most_bytes=2147483648\n')
    expect(parseUnitSettings(text)).toEqual({ settings, problems: [] })
  })

  it('keeps comments and lines of others, and writes each name once', () => {
    const before = '# mine\nwarm_after_ms=1000 # quick\nunknown=7\nwarm_after_ms=2000\n'
    expect(printUnitSettings({ ...defaultUnitSettings, warmAfterMs: 3000 }, before)).toBe('# mine\nwarm_after_ms=3000\nunknown=7\n')
    // Back at its default, a line that was there says so: leaving it out would leave the old value.
    expect(printUnitSettings(defaultUnitSettings, before)).toContain('warm_after_ms=300000')
  })

  it.each([['cold=maybe'], ['warm_after_ms=-1'], ['warm_after_ms=999'], ['hot_most_bytes=99999999999999999999'], ['nonsense'], ['enabled=1']])('tells of %s and uses the default', (line) => {
    const { settings, problems } = parseUnitSettings(`${line}\ncold=no\n`)
    expect(settings).toEqual({ ...defaultUnitSettings, cold: false })
    expect(problems).toEqual([`line 1: expected a known name, = and a value in its range, got "${line}"`])
  })

  it('is made with its folder, and one that cannot be read is told and left alone', () => {
    const store = createUnitSettings(join(folder, 'agentmem/broker.conf'))
    expect(store.get()).toEqual({ settings: defaultUnitSettings, problem: null })
    expect(store.set({ ...defaultUnitSettings, cold: false })).toMatchObject({ ok: true })
    expect(readFileSync(store.path, 'utf8')).toBe('cold=no\n')
    writeFileSync(store.path, 'cold=perhaps\n')
    expect(store.get().problem).toContain('line 1')
    mkdirSync(join(folder, 'broker.conf'))
    const bad = createUnitSettings(join(folder, 'broker.conf'))
    expect(bad.get().problem).toContain('cannot be read')
    expect(bad.set(defaultUnitSettings)).toMatchObject({ ok: false })
  })
})
