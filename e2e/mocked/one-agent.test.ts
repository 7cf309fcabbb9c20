import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { button, gone, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()

const openAgent = async (page: Page, name: RegExp, tab?: string): Promise<void> => {
  await page.locator('.grid-agent', { hasText: name }).locator('.cell-title').click()
  if (tab !== undefined) await page.getByRole('tab', { name: tab }).click()
}
const menu = async (page: Page, agent: string, item: RegExp): Promise<void> => {
  await press(page, `More for ${agent}`)
  await page.getByRole('menuitem', { name: item }).click()
}

describe('one agent', () => {
  it('shows what suspending it won, and resumes it', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await openAgent(page, /api-gateway/u)
    await seen(page, /for \d min, 329 MB won: 59\d MB before, 26\d MB after/u)
    await press(page, 'Resume')
    await button(page, 'Suspend…').waitFor()
    expect(asked('agents.resume')).toHaveLength(1)
  })

  it('tells every figure of its processes when asked, and not before', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await openAgent(page, /api-gateway/u, 'Memory')
    expect(asked('processes.get')).toHaveLength(0)
    await page.getByText('Every figure of its processes').click()
    const row = (name: RegExp) => page.getByRole('region', { name: 'Every figure of its processes' }).getByRole('row', { name }).getByRole('cell')
    await row(/^Minor faults/u).first().waitFor()
    expect(await row(/^Minor faults/u).allInnerTexts()).toEqual(['120,345', '120,346'])
    expect(await row(/^Huge pages, MB/u).allInnerTexts()).toEqual(['64', '4'])
    expect(await row(/^Written, its own, MB/u).allInnerTexts()).toEqual(['118', '22'])
    expect(await row(/^Saved by copy-on-write, MB/u).allInnerTexts()).toEqual(['0', '6'])
    expect((await row(/^On NUMA node 1, MB/u).allInnerTexts()).map((text) => text.replaceAll(/\s+/gu, ' '))).toEqual(['82', expect.stringContaining('missing: It may not be read without more rights.')])
    expect((await row(/^Huge, files, MB/u).allInnerTexts()).join(' ')).toContain('missing: This kernel does not report it. smaps_rollup has no FilePmdMapped')
    expect(await serious(page)).toEqual([])
  })

  it('tells its states over time, by pointer and by arrow keys', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await openAgent(page, /payments/u, 'States')
    const chart = page.getByRole('slider', { name: /^States of opencode payments over the last day$/u })
    await chart.waitFor()
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/^suspended, from .* Idle for 10 min, as the policy says|^suspended, from .* Asked for in the window/u)
    await chart.focus()
    await page.keyboard.press('Home')
    await page.locator('.bands-told', { hasText: 'Found among the processes.' }).waitFor()
    await page.keyboard.press('ArrowRight')
    await page.locator('.bands-told', { hasText: 'No CPU, terminal or network for 1 min' }).waitFor()
    await page.locator('.band').nth(2).hover({ force: true })
    await page.locator('.bands-told', { hasText: 'Suspended' }).waitFor()
    await seen(page, 'A key was typed into its terminal.')
    expect(await page.getByRole('region', { name: 'Suspensions' }).locator('tbody tr').count()).toBe(2)
    await seen(page, /frozen in 12 ms, moved out in 640 ms/u)
    await page.getByRole('radio', { name: '1 week' }).click()
    await page.getByRole('slider', { name: /over the last week/u }).waitFor()
    const requests = asked('agents.timeline') as { fromMs: number }[]
    expect(Math.round((Date.now() - (requests.at(-1)?.fromMs ?? 0)) / 86_400_000)).toBe(7)
  })

  it('gives the evidence of being busy', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await openAgent(page, /auth/u, 'States')
    await seen(page, 'It wrote to its terminal 3 s ago.')
    await seen(page, 'It receives an answer since 8 s.')
    await seen(page, /Seen from outside/u)
  })

  it('tells why the last try failed', async () => {
    const { page } = await start(scenarios.failedBefore, { hash: '#/agents' })
    await openAgent(page, /etl/u)
    await seen(page, 'The last try did not work')
    await seen(page, /It did not freeze within 2 s/u)
  })
})

describe('limits', () => {
  it('are suggested, checked while typing, sent in bytes and watched', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await menu(page, 'opencode exporter', /^Limit/u)
    await seen(page, /It uses 6\d\d MB now/u)
    await page.getByLabel('Slow down above').fill('40')
    await seen(page, 'At least 64 MB: less would choke it.')
    expect(await button(page, 'Set').isDisabled()).toBe(true)
    await page.getByLabel('Slow down above').fill('')
    await page.getByLabel('End above').fill('700')
    await seen(page, 'Needed with an end: it is slowed down before it is ended.')
    await press(page, /^use 3\d\d MB$/u)
    await page.getByLabel('End above').fill('100')
    await seen(page, 'Not below the slow-down.')
    await page.getByLabel('End above').fill('')
    await press(page, 'Set')
    await seen(page, /^Watching it for 2?\d+ (?:s|min) more$|^Watching it for \d min more$/u)
    const [request] = asked('agents.limit') as { limits: { highBytes: number } }[]
    expect(Object.keys(request?.limits ?? {})).toEqual(['highBytes'])
    expect((request?.limits.highBytes ?? 0) / 1024 ** 2).toBeGreaterThan(300)
  })

  it('say that they hold, that they were taken back, and go away', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await openAgent(page, /api-gateway/u, 'Limits')
    await seen(page, 'The limit holds')
    await seen(page, /memory\.high/u)
    await press(page, 'Take all limits away')
    await gone(page.getByText('The limit holds'))
    expect(asked('agents.limit')).toMatchObject([{ limits: { highBytes: null, lowBytes: 0 } }])
    await page.keyboard.press('Escape')
    await openAgent(page, /mobile-app/u, 'Limits')
    await seen(page, 'The limit was taken back')
    await seen(page, /waited for memory 31 % of the time/u)
    expect(await page.getByLabel('Slow down above').inputValue()).toBe('')
  })

  it('refused by the kernel: says so and keeps what was typed', async () => {
    const { page } = await start(scenarios.limitFails, { hash: '#/agents' })
    await menu(page, 'opencode exporter', /^Limit/u)
    await page.getByLabel('Slow down above').fill('300')
    await press(page, 'Set')
    await seen(page, 'The kernel refused a change')
    expect(await page.getByLabel('Slow down above').inputValue()).toBe('300')
  })

  it('not possible here: says what is missing', async () => {
    const { page } = await start(scenarios.suspendNone, { hash: '#/agents' })
    await menu(page, 'opencode exporter', /^Limit/u)
    await seen(page, 'Limits cannot be set here yet')
    expect(await page.getByLabel('Slow down above').isDisabled()).toBe(true)
  })
})

describe('care', () => {
  it('sets importance, pin and trust domain', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await menu(page, 'opencode exporter', /^Protect/u)
    await page.getByRole('radio', { name: 'High' }).click()
    await seen(page, /^80 of 100, high\./u)
    await page.getByLabel('Trust domain').fill('Work!')
    await seen(page, /expected lower-case letters/u)
    await page.getByLabel('Trust domain').fill('work')
    await press(page, 'Save')
    await page.getByRole('switch', { name: 'Pinned' }).click()
    await page.getByRole('switch', { name: 'Pinned', checked: true }).waitFor()
    expect(asked('agents.set')).toMatchObject([{ importance: 80 }, { trustDomain: 'work' }, { pinned: true }])
  })

  it('asks an agent to free memory and tells what came back', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await menu(page, 'opencode exporter', /^Ask to free memory/u)
    await seen(page, /keeps running and loses nothing/u)
    await press(page, 'Ask')
    await seen(page, /^1\d\d MB came back$/u)
    await seen(page, 'Collected its garbage through the inspector.')
  })
})

describe('axe finds nothing serious', () => {
  it.each(['light', 'dark'] as const)('%s: every tab, limits, protect', async (theme) => {
    const { page } = await start(scenarios.lived, { hash: '#/agents', theme })
    await openAgent(page, /api-gateway/u)
    for (const tab of ['Memory', 'States', 'Limits', 'Protection']) {
      await page.getByRole('tab', { name: tab }).click()
      await page.getByRole('tabpanel', { name: tab }).waitFor()
      if (tab === 'States') await page.getByRole('slider').waitFor()
      expect({ tab, found: await serious(page) }).toEqual({ tab, found: [] })
    }
  })
})
