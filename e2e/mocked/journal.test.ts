import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { button, found, overflow, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const journal = { hash: '#/journal' }

describe('journal', () => {
  it('shows by day what was found, tried and came of it, with gain and note', async () => {
    const { page } = await start(scenarios.full, journal)
    await seen(page, 'Begin to make room earlier: kept')
    expect(await page.locator('.entry').count()).toBe(8)
    expect((await page.locator('.page-lead').innerText()).replaceAll(/\s+/gu, ' ')).toBe('1 of 4 tries helped and was kept')
    const kept = page.locator('.entry-is-kept')
    expect((await kept.innerText()).replaceAll('\u00a0', ' ')).toMatch(/1\.2 GB won[\s\S]*typing is smooth again/u)
    // A figure of a run that won nothing would be read as a gain.
    expect(await page.locator('.entry-is-no-gain .entry-gain').count()).toBe(0)
    await press(page, 'Show the run: Begin to make room earlier: kept')
    expect(page.url()).toContain('#/history/run/20261118T081500Z-0a1b2c3d')
  })

  it('is searched as one types, newest or best first, and says when nothing fits', async () => {
    const { page } = await start(scenarios.full, journal)
    await seen(page, 'There is no swap')
    await page.keyboard.press('/')
    await page.keyboard.type('fan')
    await expect.poll(() => page.locator('.entry').count()).toBe(1)
    await page.getByRole('radio', { name: 'Best match first' }).click()
    await expect.poll(() => asked('journal.search').at(-1)).toEqual({ text: 'fan', limit: 50, beforeId: null, order: 'best' })
    await page.keyboard.press('/')
    await page.getByRole('searchbox').fill('"nothing like it')
    await seen(page, /No entry has all of these words/u)
  })

  it('takes a note of its own, and one on an entry', async () => {
    const { page } = await start(scenarios.full, journal)
    await press(page, 'New note')
    await page.getByLabel('New note').fill('Bought more memory.\nThe old bars are in the drawer.')
    await page.keyboard.press('Control+Enter')
    await seen(page, /The old bars are in the drawer/u)
    expect(asked('journal.note')).toEqual([{ id: null, note: 'Bought more memory.\nThe old bars are in the drawer.' }])
    await press(page, 'Add a note: There is no swap')
    await page.getByLabel('Note on this entry').fill('on purpose')
    await press(page, 'Save')
    await seen(page, 'on purpose')
    expect(asked('journal.note').at(-1)).toMatchObject({ note: 'on purpose' })
  })

  it('keeps what was written when it cannot be saved', async () => {
    const { page } = await start(scenarios.noteFails, journal)
    await press(page, 'New note')
    await page.getByLabel('New note').fill('precious words')
    await press(page, 'Save')
    await seen(page, /The disk is full/u)
    expect(await page.getByLabel('New note').inputValue()).toBe('precious words')
  })

  it('is saved as a file, and takes one in', async () => {
    const { page } = await start(scenarios.full, journal)
    const download = page.waitForEvent('download')
    await press(page, 'Export')
    const file = await download
    expect(file.suggestedFilename()).toBe('agentmem-journal-20261121.json')
    expect(JSON.parse(readFileSync(await file.path(), 'utf8'))).toMatchObject({ version: 1 })
    await page.getByLabel('Journal to import').setInputFiles({ name: 'j.json', mimeType: 'application/json', buffer: Buffer.from('{"version":1}') })
    await seen(page, /^12 entries added, 3 known already$/u)
    await page.getByLabel('Journal to import').setInputFiles({ name: 'j.txt', mimeType: 'text/plain', buffer: Buffer.from('no') })
    await seen(page, /This file is no journal/u)
    expect(await found(page, /12 entries added/u).count()).toBe(0)
  })

  it('shows older entries page by page', async () => {
    const { page } = await start(scenarios.manyFindings, journal)
    await expect.poll(() => page.locator('.entry').count()).toBe(50)
    await press(page, 'Show older entries')
    await expect.poll(() => page.locator('.entry').count()).toBe(100)
    expect(asked('journal.search').at(-1)).toMatchObject({ beforeId: -42, limit: 50 })
  })

  it('teaches what would be here, and says when it cannot be read', async () => {
    const { page } = await start(scenarios.empty, journal)
    await seen(page, 'Nothing has happened yet')
    await seen(page, 'Empty so far')
    await press(page, 'Look at what is found now')
    expect(page.url()).toContain('#/diagnosis')
    const failing = await start(scenarios.futureHistory, journal)
    await seen(failing.page, /written by a newer version/u)
  })

  it.each(['light', 'dark'] as const)('%s: axe finds nothing serious, also while writing', async (theme) => {
    const { page } = await start(scenarios.full, { ...journal, theme })
    await seen(page, 'There is no swap')
    await press(page, 'New note')
    await button(page, 'Save').waitFor()
    expect(await serious(page)).toEqual([])
  })

  it.each([450, 900, 2560])('%i px: nothing scrolls sideways', async (width) => {
    const { page } = await start(scenarios.full, { ...journal, width, height: 600 })
    await seen(page, 'There is no swap')
    expect(await overflow(page)).toBe(0)
  })
})
