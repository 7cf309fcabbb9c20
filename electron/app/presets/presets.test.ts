import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Preset } from '../../../helper/contract/presets.ts'
import { isListed } from '../../contract/views.ts'
import { createPresets, type Presets } from './presets.ts'

const preset = (id: string, changes: Partial<Preset> = {}): Preset => ({
  version: 1, id, title: `Title ${id}`, description: 'For a test.', settings: { reclaim: { minIdleMs: 60_000 } }, settleMs: 1_000, confirmMs: 60_000, ...changes,
})

let folder = ''
let presets: Presets
const own = (name: string): string => join(folder, 'own', name)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-presets-'))
  mkdirSync(join(folder, 'built-in'))
  mkdirSync(join(folder, 'own'))
  for (const id of ['battery', 'balanced']) writeFileSync(join(folder, 'built-in', `${id}.json`), JSON.stringify(preset(id)))
  presets = createPresets({ builtInDir: join(folder, 'built-in'), ownDir: join(folder, 'own') })
})
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })
const ids = (): string[] => presets.list().presets.map((view) => view.preset.id)

describe('presets', () => {
  it('lists the built-in ones of the program in their order', () => {
    const shipped = createPresets({ builtInDir: join(import.meta.dirname, '../../../assets/presets'), ownDir: own('none') })
    expect(shipped.list().problems).toEqual([])
    expect(shipped.list().presets.filter(isListed).map((view) => view.preset.id)).toEqual(['balanced', 'more-agents', 'battery', 'everything-off'])
    expect(shipped.get('layer-ksm-on')).toMatchObject({ ok: true, value: { builtIn: true, preset: { scope: 'layer' } } })
    expect(shipped.get('action-page-out')).toMatchObject({ ok: true, value: { preset: { scope: 'action' } } })
  })

  it('lists every own one, whatever it is for, so that it can be removed', () => {
    presets.save(preset('mine', { scope: 'action' }))
    expect(presets.list().presets.filter(isListed).map((view) => view.preset.id)).toContain('mine')
  })

  it('saves, lists after the built-in ones, and removes', () => {
    expect(presets.save(preset('zz-mine'))).toMatchObject({ ok: true, value: { builtIn: false } })
    expect(ids()).toEqual(['balanced', 'battery', 'zz-mine'])
    expect(presets.remove('zz-mine').ok).toBe(true)
    expect(existsSync(own('zz-mine.json'))).toBe(false)
    expect(presets.remove('zz-mine')).toMatchObject({ ok: false, error: { code: 'bad-request' } })
  })

  it('never replaces or removes a built-in one', () => {
    expect(presets.save(preset('balanced')).ok).toBe(false)
    expect(presets.remove('balanced').ok).toBe(false)
    expect(presets.importText(JSON.stringify(preset('balanced'))).ok).toBe(false)
    expect(existsSync(own('balanced.json'))).toBe(false)
  })

  it.each([
    ['not-json.json', '{', 'not JSON'],
    ['bad-value.json', JSON.stringify(preset('bad-value', { settleMs: -5 })), 'settleMs'],
    ['path.json', JSON.stringify({ ...preset('path'), settings: { file: '/etc/passwd' } }), 'settings'],
    ['other-name.json', JSON.stringify(preset('mine')), '"mine"'],
    ['balanced.json', JSON.stringify(preset('balanced')), 'built-in'],
    ['huge.json', `"${'x'.repeat(200_000)}"`, 'larger'],
  ])('reports a bad file and leaves it: %s', (name, text, why) => {
    writeFileSync(own(name), text)
    const { problems } = presets.list()
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(own(name))
    expect(problems[0]).toContain(why)
    expect(ids()).toEqual(['balanced', 'battery'])
    expect(readFileSync(own(name), 'utf8')).toBe(text)
  })

  it('exports what can be imported elsewhere, and refuses a second of the same id', () => {
    presets.save(preset('mine'))
    const exported = presets.exportText('mine')
    if (!exported.ok) throw new Error(exported.error.message)
    expect(exported.value.fileName).toBe('mine.json')
    expect(presets.importText(exported.value.text).ok).toBe(false)
    presets.remove('mine')
    expect(presets.importText(exported.value.text)).toEqual({ ok: true, value: { preset: preset('mine'), builtIn: false } })
    expect(presets.importText('{"version":1}')).toMatchObject({ ok: false, error: { code: 'bad-request', message: expect.stringContaining('id') } })
  })
})
