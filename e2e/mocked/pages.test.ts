import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import type { OpenOptions } from './browser.ts'
import { button, found, openPlan, overflow, overflowBelow, press, seen } from './look.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start } = useWindows()

/** Opens, looks, and insists that the page had nothing to complain about: a test may look at several. */
const withPage = async (scenario: Scenario, options: OpenOptions, look: (page: Page) => Promise<void>): Promise<void> => {
  const { page, complaints } = await start(scenario, options)
  await look(page)
  expect(complaints()).toEqual([])
}

/** What tells that a page has its data. */
const pages = [
  { hash: '#/overview', shows: /from 19 idle agents/u },
  { hash: '#/agents', shows: 'web-shop' },
  { hash: '#/leftovers', shows: 'Whose session is gone' },
  { hash: '#/fixes', shows: 'Known waste' },
  { hash: '#/layers', shows: 'What this machine has' },
  { hash: '#/compare', shows: 'the 14 that changed most' },
  { hash: '#/diagnosis', shows: 'Programs stop to look for free memory themselves' },
  { hash: '#/leaks', shows: 'Who grows' },
  { hash: '#/history', shows: 'Partly undone' },
  { hash: '#/journal', shows: 'The fan is loud since the update' },
  { hash: '#/settings', shows: 'Installed and ready' },
] as const

describe('every page opens and shows its data', () => {
  it('Overview: the large number, what could be got back, room, the largest', async () => {
    // Without ticks: the figures of a slow machine would have moved on.
    await withPage({ ...scenarios.full, tickMs: 0 }, { hash: '#/overview' }, async (page) => {
      await seen(page, /from 19 idle agents/u)
      expect(await page.getByRole('heading', { level: 1 }).innerText()).toMatch(/Agents use\s+7\.8\sGB\s+of\s+15\.6\sGB/u)
      await seen(page, 'Pressure calm')
      await seen(page, '4.7\u00a0GB')
      expect(await page.locator('table.largest tbody tr').count()).toBe(5)
      expect(await page.locator('.chart-plot canvas').count()).toBe(1)
    })
  })

  it('Overview: a figure says where it comes from', async () => {
    await withPage(scenarios.full, { hash: '#/overview' }, async (page) => {
      await page.getByTitle('Why this? What agents use').click()
      await seen(page, '/proc/PID/smaps_rollup')
      await page.keyboard.press('Escape')
      await page.getByTitle('Why this? Memory pressure').click()
      await seen(page, '/proc/pressure/memory, line "some"')
    })
  })

  it('Layers: state, effect, cost, need and the table of what is missing', async () => {
    await withPage(scenarios.full, { hash: '#/layers' }, async (page) => {
      await seen(page, 'Merging equal pages (KSM)')
      expect(await page.locator('.layer').count()).toBe(5)
      await page.getByRole('radio', { name: /Missing 1/u }).click()
      expect(await page.locator('table.capabilities tbody tr').count()).toBe(1)
      await seen(page, 'An unused zram device is taken where there is one.')
      expect(await page.locator('.layer-act button').allInnerTexts()).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^Turn on\s/u) as string))
      await press(page, /^Turn on Merging equal pages/u)
      await seen(page, 'Turn on merging of equal pages: what will happen')
    })
  })

  it('Compare: takes a snapshot and compares it with the one before', async () => {
    await withPage(scenarios.full, { hash: '#/compare' }, async (page) => {
      await seen(page, 'less for the same agents')
      await press(page, 'Take a snapshot')
      await page.getByLabel('Name, if you like').fill('Now then')
      await press(page, 'Take it')
      await page.locator('select').nth(1).locator('option', { hasText: 'Now then' }).waitFor({ state: 'attached' })
      expect(await page.locator('select').nth(1).locator('option:checked').innerText()).toContain('Now then')
    })
  })

  it('History: a run with its plan, read-back, undo lines and a report', async () => {
    const { page, mock } = await start(scenarios.full, { hash: '#/history' })
    await page.getByRole('link', { name: 'Balanced', exact: true }).last().click()
    await seen(page, 'Left alone')
    await seen(page, 'Something else changed it since; it was left as it is.')
    await seen(page, 'Read back')
    await press(page, 'Report')
    await page.getByRole('menuitemcheckbox').click()
    const download = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: /Markdown/u }).click()
    expect((await download).suggestedFilename()).toBe('agent-memory-run.md')
    expect(mock.asked.find((call) => call.name === 'report.make')?.request).toMatchObject({ format: 'md', private: true })
  })

  it('History: another range asks for it', async () => {
    const { page, mock } = await start(scenarios.full, { hash: '#/history' })
    await seen(page, 'Memory, last day')
    await page.getByRole('radio', { name: '90 days' }).click()
    await seen(page, 'Memory, last 90 days')
    const asked = mock.asked.filter((call) => call.name === 'history.series').at(-1)?.request as { fromMs: number; toMs: number }
    expect(Math.round((asked.toMs - asked.fromMs) / 86_400_000)).toBe(90)
  })

  it('Settings: the theme changes at once and is saved', async () => {
    const { page, mock } = await start(scenarios.full, { hash: '#/settings' })
    await page.getByRole('radio', { name: 'Dark' }).click()
    await page.locator('html[data-theme=dark]').waitFor()
    await page.getByRole('switch', { name: 'Private data in reports' }).click()
    await page.getByRole('switch', { name: 'Private data in reports', checked: true }).waitFor()
    expect(mock.asked.filter((call) => call.name === 'settings.set').at(-1)?.request).toMatchObject({ settings: { theme: 'dark', privateReports: true } })
  })

  it('Settings: shows every file, the script and its digest before it installs', async () => {
    const { page, mock } = await start(scenarios.noHelper, { hash: '#/settings' })
    await press(page, 'Install…')
    await seen(page, '/usr/share/polkit-1/actions/org.agentmem.policy')
    await seen(page, /install -m 0644 system\/org\.agentmem\.policy/u)
    await seen(page, 'c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2')
    await press(page, 'Install')
    await seen(page, 'Installed and ready')
    expect(mock.asked.find((call) => call.name === 'helper.install')?.request).toEqual({ scriptSha256: 'c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2' })
    await press(page, 'Uninstall…')
    await seen(page, /all settings are back at their old values/u)
    await press(page, 'Uninstall')
    await seen(page, 'Not installed')
  })

  it('Settings: an own preset is made, exported, removed and imported', async () => {
    const { page, mock } = await start(scenarios.full, { hash: '#/settings' })
    await press(page, 'New')
    await page.getByLabel('Name').fill('Night shift')
    await page.getByLabel('Merging of equal pages (KSM)').selectOption('merge')
    await page.getByLabel('Pages a round').fill('4000')
    await page.getByLabel('Time to press Keep').fill('')
    await page.getByLabel('Time to press Keep').pressSequentially('120')
    await press(page, 'Save')
    await seen(page, 'Night shift')
    expect(mock.asked.find((call) => call.name === 'presets.save')?.request).toMatchObject({ preset: { id: 'night-shift', confirmMs: 120_000, settings: { ksm: { mode: 'merge', pagesToScan: 4000 } } } })
    const row = page.locator('.preset-rows li', { hasText: 'Night shift' })
    await row.getByRole('button', { name: 'More' }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('menuitem', { name: 'Export' }).click()
    const path = await (await download).path()
    await row.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Remove' }).click()
    await row.waitFor({ state: 'detached' })
    await page.getByLabel('Preset file to import').setInputFiles({ name: 'night-shift.json', mimeType: 'application/json', buffer: await import('node:fs/promises').then(({ readFile }) => readFile(path)) })
    await row.waitFor()
    await page.getByLabel('Preset file to import').setInputFiles({ name: 'bad.json', mimeType: 'application/json', buffer: Buffer.from('{"id": 1}') })
    await seen(page, /The file is no preset/u)
  })
})

describe('the window fits', () => {
  it.each([
    { name: '900 x 600', width: 900, height: 600 },
    { name: '1280 x 800 at 200 %', width: 640, height: 400 },
    { name: '900 x 600 at 200 %', width: 450, height: 300 },
    { name: '4K', width: 3840, height: 2160 },
  ])('without scrolling sideways or as a whole at $name', async ({ width, height }) => {
    for (const { hash, shows } of pages)
      await withPage(scenarios.full, { hash, width, height }, async (page) => {
        await found(page, shows).first().waitFor({ state: 'attached' })
        expect({ hash, overflow: await overflow(page), below: await overflowBelow(page) }).toEqual({ hash, overflow: 0, below: 0 })
      })
  })

  it('and the plan with its buttons stays inside the smallest window', async () => {
    await withPage(scenarios.full, { hash: '#/overview', width: 450, height: 300 }, async (page) => {
      await openPlan(page)
      const box = await button(page, 'Apply').boundingBox()
      expect(box === null ? null : { right: box.x + box.width <= 450, bottom: box.y + box.height <= 300 }).toEqual({ right: true, bottom: true })
    })
  })
})

describe('axe finds nothing serious', () => {
  for (const theme of ['light', 'dark'] as const) {
    it.each(pages)(`${theme} $hash`, async ({ hash, shows }) => {
      await withPage(scenarios.full, { hash, theme }, async (page) => {
        await found(page, shows).first().waitFor({ state: 'attached' })
        expect(await serious(page)).toEqual([])
      })
    })

    it(`${theme}: plan, waiting strip, run page, drawer, empty, help`, async () => {
      await withPage(scenarios.full, { hash: '#/overview', theme }, async (page) => {
        await openPlan(page)
        await seen(page, 'Know before')
        expect(await serious(page)).toEqual([])
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        await page.keyboard.press('?')
        await seen(page, 'Filter or search')
        expect(await serious(page)).toEqual([])
      })
      await withPage(scenarios.waiting, { hash: '#/history', theme }, async (page) => {
        await seen(page, /Won 2\.6/u)
        expect(await serious(page)).toEqual([])
        await press(page, 'Details')
        await seen(page, 'Steps')
        expect(await serious(page)).toEqual([])
      })
      await withPage(scenarios.unreadable, { hash: '#/agents', theme }, async (page) => {
        await page.getByRole('row', { name: /web-shop/u }).click()
        await seen(page, /could not be read/u)
        expect(await serious(page)).toEqual([])
      })
      await withPage(scenarios.empty, { hash: '#/overview', theme }, async (page) => {
        await seen(page, 'No agents yet')
        expect(await serious(page)).toEqual([])
      })
    })
  }
})
