import { describe, expect, it } from 'vitest'
import { apply, button, openPlan, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { useWindows } from './windows.ts'

const { start, asked } = useWindows()

describe('the way of one click', () => {
  it('shows each file with old and new value, why and the way back before anything is done', async () => {
    const { page } = await start(scenarios.full)
    await openPlan(page)
    await seen(page, '/sys/kernel/mm/ksm/run')
    const step = page.locator('.step', { hasText: '/sys/kernel/mm/ksm/pages_to_scan' })
    expect(await step.innerText()).toMatch(/Looks at more pages.*pages_to_scan\s*100\s*2000\s*Undo: write 100 back/su)
    await seen(page, /16 agents/u)
    await seen(page, /3 agents/u)
    await seen(page, 'It is 20 ms already.')
    await seen(page, /find out by timing/u)
    expect(asked('run.apply')).toEqual([])
  })

  it('applies what was shown, measures, and takes it back', async () => {
    const { page } = await start(scenarios.full)
    await apply(page)
    await seen(page, /Step \d+ of 21/u)
    await page.getByRole('progressbar').first().waitFor()
    await seen(page, /Won 2\.6\sGB \(±\s0\.1\)/u)
    await seen(page, 'Compared with agents of the same kinds that were left alone.')
    await seen(page, /seconds to keep it/u)
    await press(page, 'Undo')
    await seen(page, 'Back at the old value')
    await seen(page, /5\ssettings back at the old value/u)
    await press(page, 'Done')
    expect(asked('run.apply')).toMatchObject([{ presetId: 'more-agents', agentIds: null, digest: expect.stringMatching(/^[0-9a-f]{64}$/u) as string }])
  })

  it('keeps it, and undoes a kept run from its page later', async () => {
    const { page } = await start(scenarios.full)
    await apply(page)
    await seen(page, /Won 2\.6/u)
    await press(page, 'Keep')
    await seen(page, /^Kept\. Won 2\.6/u)
    await press(page, 'Details and report')
    await seen(page, 'Each agent')
    await press(page, 'Undo')
    await seen(page, 'What undoing did')
    expect(asked('run.keep')).toHaveLength(1)
    expect(asked('run.undo')).toHaveLength(1)
  })

  it('says so on every page when another program undoes what was kept here', async () => {
    const { page, mock, served } = await start(scenarios.waiting)
    await press(page, 'Keep')
    await seen(page, /^Kept\. Won/u)
    await page.goto(`${served.address}/#/diagnosis`)
    mock.undoElsewhere()
    const strip = page.getByRole('region', { name: 'Run' })
    await strip.getByText('Undone', { exact: true }).waitFor()
    expect(await strip.innerText()).toMatch(/5\ssettings back at the old value/u)
    expect(await strip.getByRole('button', { name: 'Undo' }).count()).toBe(0)
  })

  it('shows the seconds left on every page and lets any page decide', async () => {
    const { page, served } = await start(scenarios.waiting)
    for (const hash of ['#/agents', '#/leftovers', '#/fixes', '#/layers', '#/compare', '#/history', '#/settings', '#/overview']) {
      await page.goto(`${served.address}/${hash}`)
      await seen(page, /Undone in\s+\d+\ss unless you keep it/u)
    }
    expect(await button(page, 'More agents').isDisabled()).toBe(true)
    await press(page, 'Keep')
    await seen(page, /^Kept\. Won/u)
    await press(page, 'Close')
    expect(await button(page, 'More agents').isEnabled()).toBe(true)
  })

  it('undoes by itself when nobody answers', async () => {
    const { page } = await start({ ...scenarios.timeout, stepMs: 10 })
    await apply(page)
    await seen(page, /Nobody pressed Keep in time/u)
  })

  it('cancels a run under way and says what came back', async () => {
    const { page } = await start({ ...scenarios.full, stepMs: 1500 })
    await apply(page)
    await seen(page, /Step [2-9] of 21/u)
    await press(page, 'Cancel')
    await seen(page, /You cancelled it\./u)
    await seen(page, 'Back at the old value')
    expect(asked('run.cancel')).toHaveLength(1)
  })

  it('goes on in the strip when the dialog is closed', async () => {
    const { page } = await start({ ...scenarios.full, stepMs: 400 })
    await apply(page)
    await seen(page, /Step \d+ of 21/u)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await seen(page, 'Applying')
    await seen(page, /Undone in\s+\d+/u, 30_000)
  })

  it('shows a run that was begun before this window opened', async () => {
    const { page } = await start(scenarios.running)
    await seen(page, /Step 7 of/u)
    await press(page, 'Cancel')
    await seen(page, 'Cancelled')
  })

  it('calls a difference within the noise by its name', async () => {
    const { page } = await start(scenarios.noGain)
    await apply(page)
    await seen(page, 'No gain beyond the noise of the measurement')
  })

  it('lets only one of two windows that press at once through, and shows the other its run', async () => {
    const { page, served } = await start({ ...scenarios.full, stepMs: 1500 })
    const other = await page.context().newPage()
    await other.goto(served.address)
    await openPlan(page)
    await openPlan(other)
    await seen(other, 'Know before')
    await press(page, 'Apply')
    await seen(page, /Step \d+ of 21/u)
    await press(other, 'Apply')
    await seen(other, 'Another run is under way')
    await press(other, 'Show that run')
    await seen(other, /More agents, /u)
    expect(asked('run.apply')).toHaveLength(2)
  })

  it('applies to selected agents only', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await page.getByRole('checkbox', { name: 'Select opencode exporter' }).click()
    await page.getByRole('checkbox', { name: 'Select Gemini CLI docs' }).click()
    await seen(page, /2\sagents selected/u)
    await press(page, 'Apply a preset')
    await page.getByRole('menuitem', { name: /More agents/u }).click()
    await seen(page, /Only for these 2 agents/u)
    await seen(page, /2\sagents/u)
    await press(page, 'Apply')
    await seen(page, /Step \d+ of/u)
    const [request] = asked('run.apply') as { agentIds: string[] }[]
    expect(request?.agentIds).toHaveLength(2)
  })

  it('turns one layer on and off, and nothing else with it', async () => {
    const { page } = await start(scenarios.full, { hash: '#/layers' })
    await press(page, /^Turn on Compressed swap/u)
    await seen(page, 'Turn on compressed swap: what will happen')
    await seen(page, /25 agents measured before and after/u)
    await page.locator('.step', { hasText: '/dev/zram0' }).first().waitFor()
    expect(await page.locator('.plan-heading').allInnerTexts()).toEqual(['Agents', 'Compressed swap', 'Left out'])
    await press(page, 'Apply')
    await seen(page, 'Compressed swap is on')
    await press(page, 'Keep')
    await seen(page, /^Kept\. Compressed swap is on/u)
    await press(page, 'Done')
    await press(page, /^Turn off Compressed swap/u)
    await seen(page, 'Takes back the compressed swap added earlier.')
    expect(asked('run.apply')).toMatchObject([{ presetId: 'layer-compressed-swap-on', agentIds: null }])
    expect(asked('plan.make').at(-1)).toEqual({ presetId: 'layer-compressed-swap-off', agentIds: null })
  })

  it('drops caches as an action: over once it is measured, with nothing to keep or undo', async () => {
    const { page } = await start(scenarios.full, { hash: '#/layers' })
    await seen(page, /git status, is slower/u)
    await press(page, /^Drop: Drop all file caches/u)
    await seen(page, /Nothing stays on, so there is nothing to undo/u)
    await press(page, 'Apply')
    await seen(page, /^Done\./u)
    expect(await page.getByRole('button', { name: /^(?:Keep|Undo)$/u }).count()).toBe(0)
    await press(page, 'Details and report')
    await seen(page, 'The cache fills again by itself as files are read.')
    expect(await page.getByRole('button', { name: 'Undo', exact: true }).count()).toBe(0)
    expect(asked('run.apply')).toMatchObject([{ presetId: 'action-prune-cache-3', agentIds: null }])
  })

  it('pages out idle agents as an action, with some left alone to compare', async () => {
    const { page } = await start({ ...scenarios.full, swapOn: true }, { hash: '#/layers' })
    await seen(page, /19 agents idle right now/u)
    await press(page, /^Page out: Page out idle agents/u)
    await seen(page, /16 agents will be treated/u)
    await press(page, 'Apply')
    await seen(page, /^Done\. Won/u)
    expect(asked('run.keep')).toEqual([])
  })

  it('pages out one agent from its row, and it alone', async () => {
    const { page } = await start({ ...scenarios.full, swapOn: true }, { hash: '#/agents' })
    await press(page, 'More for opencode exporter')
    await page.getByRole('menuitem', { name: /^Page out/u }).click()
    await seen(page, /Only for this agent/u)
    await seen(page, /1 agent will be treated/u)
    expect(await page.locator('.step').count()).toBe(1)
    expect(await page.locator('.agent-lines li').count()).toBe(1)
    expect(asked('plan.make')).toMatchObject([{ presetId: 'action-page-out', agentIds: [expect.any(String)] }])
  })

  it('leads to the switch where compressed swap is missing', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await press(page, 'More for opencode exporter')
    await page.getByRole('menuitem', { name: /^Page out/u }).click()
    await seen(page, 'Compressed swap is needed first')
    expect(await button(page, 'Apply').isDisabled()).toBe(true)
    await press(page, 'Turn on compressed swap')
    await seen(page, 'Turn on compressed swap: what will happen')
    expect(asked('plan.make').at(-1)).toEqual({ presetId: 'layer-compressed-swap-on', agentIds: null })
  })

  it('does not lead there where compressed swap cannot be had', async () => {
    const { page } = await start(scenarios.noSwap)
    await press(page, 'More agents')
    await seen(page, /No swap is possible here/u)
    expect(await page.getByText('Compressed swap is needed first').count()).toBe(0)
  })

  it('pages out exactly the selected agents, and says which are active', async () => {
    const { page } = await start({ ...scenarios.full, swapOn: true }, { hash: '#/agents' })
    await page.getByRole('checkbox', { name: 'Select opencode exporter' }).click()
    await page.getByRole('checkbox', { name: 'Select Gemini CLI billing' }).click()
    await press(page, 'Page out')
    await seen(page, /2 agents will be treated/u)
    await seen(page, /1 of these 2 agents .* active, not idle: .* come back soon/u)
    await press(page, 'Apply')
    await seen(page, /^Done\./u)
    const [request] = asked('run.apply') as { presetId: string; agentIds: string[] }[]
    expect(request?.presetId).toBe('action-page-out')
    expect(request?.agentIds).toHaveLength(2)
  })

  it('pages out an agent from its details, busy or not', async () => {
    const { page } = await start({ ...scenarios.full, swapOn: true }, { hash: '#/agents' })
    await page.getByRole('row', { name: /Gemini CLI.*billing/u }).click()
    await press(page, 'Page out…')
    await seen(page, /active, not idle/u)
    expect(asked('plan.make')).toMatchObject([{ presetId: 'action-page-out', agentIds: [expect.any(String)] }])
  })

  it('offers presets only where presets are listed', async () => {
    const { page, served } = await start(scenarios.full)
    await button(page, 'More agents').waitFor()
    expect(await page.getByRole('list', { name: 'Presets' }).getByRole('button').allInnerTexts()).toEqual(['More agents', 'Balanced', 'Battery', 'Everything off'])
    await page.goto(`${served.address}/#/settings`)
    await page.locator('.preset-rows li').first().waitFor()
    expect(await page.locator('.preset-rows li').count()).toBe(4)
  })
})

describe('keyboard', () => {
  it('has one key a page, by number and by letter', async () => {
    const { page } = await start(scenarios.full)
    await seen(page, /Agents use/u)
    const titles = ['Overview', 'Agents', 'Leftovers', 'Fixes', 'Layers', 'Units', 'Compare', 'Diagnosis', 'Leaks']
    for (const [i, title] of titles.entries()) {
      await page.keyboard.press(String(i + 1))
      await page.waitForFunction((want) => document.title.startsWith(want), title)
    }
    for (const [key, title] of Object.entries({ o: 'Overview', a: 'Agents', r: 'Leftovers', f: 'Fixes', l: 'Layers', u: 'Units', c: 'Compare', d: 'Diagnosis', k: 'Leaks', h: 'History', j: 'Journal', s: 'Settings' })) {
      await page.keyboard.press(key)
      await page.waitForFunction((want) => document.title.startsWith(want), title)
    }
  })

  it('filters with / and does not take letters typed there for pages', async () => {
    const { page } = await start(scenarios.full)
    await seen(page, /Agents use/u)
    await page.keyboard.press('/')
    await page.locator('input[data-filter]:focus').waitFor()
    await page.keyboard.type('claude shop')
    await seen(page, 'Agents, 1 of 25 shown')
    await page.keyboard.press('Escape')
    await seen(page, /^Agents$/u)
  })

  it('shows its keys with ?, and Escape closes them', async () => {
    const { page } = await start(scenarios.full)
    await seen(page, /Agents use/u)
    await page.keyboard.press('?')
    await seen(page, 'Filter or search')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  it('starts with a link over the rail to the page', async () => {
    const { page } = await start(scenarios.full)
    await seen(page, /Agents use/u)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the page')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('page')
  })

  it('walks, opens, selects and shows agents with the arrows, Space and Enter', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await page.locator('[role=row][tabindex="0"]').focus()
    const name = (): Promise<string> => page.evaluate(() => document.activeElement?.querySelector('.cell-name')?.textContent ?? '')
    expect(await name()).toBe('opencodeexporter')
    await page.keyboard.press('ArrowDown')
    await page.waitForFunction(() => document.activeElement?.textContent?.includes('api-gateway'))
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-expanded') === 'true')
    await page.keyboard.press('ArrowDown')
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-level') === '2')
    await page.keyboard.press('ArrowLeft')
    await page.waitForFunction(() => document.activeElement?.textContent?.includes('api-gateway'))
    await page.keyboard.press('Space')
    await seen(page, /1\sagent selected/u)
    await page.keyboard.press('End')
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === document.querySelector('[role=treegrid]')?.getAttribute('aria-rowcount'))
    await page.keyboard.press('Enter')
    await seen(page, 'Own pages (USS)')
  })
})
