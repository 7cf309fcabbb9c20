import { describe, expect, it } from 'vitest'
import { button, gone, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const settings = { hash: '#/settings' }
const GB = 1024 ** 3

describe('what happens by itself', () => {
  it('is off until it is switched on, and saved whole', async () => {
    const { page } = await start(scenarios.full, settings)
    const auto = page.getByRole('switch', { name: 'Suspend idle agents' })
    await auto.waitFor()
    expect(await auto.getAttribute('aria-checked')).toBe('false')
    expect(await page.getByLabel('After', { exact: true }).isDisabled()).toBe(true)
    await auto.click()
    await page.getByRole('switch', { name: 'Suspend idle agents', checked: true }).waitFor()
    await page.getByLabel('After', { exact: true }).selectOption('300000')
    await page.getByRole('switch', { name: 'A cgroup of its own for each agent' }).click()
    await page.getByLabel('Budget of all agents').fill('6')
    await page.locator('.setting', { hasText: 'Budget of all agents' }).getByRole('button', { name: 'Set' }).click()
    await seen(page, /^Watching it for/u)
    expect(asked('policy.set').at(-1)).toMatchObject({ policy: { version: 1, suspend: { auto: true, afterIdleMs: 300_000 }, ownCgroups: true, budgetBytes: 6 * GB } })
    await page.keyboard.press('o')
    await seen(page, /Budget of all agents .* of 6\.0 GB/u)
  })

  it('refuses a budget that would throttle a single agent', async () => {
    const { page } = await start(scenarios.full, settings)
    await page.getByLabel('Budget of all agents').fill('0.1')
    await seen(page, /Between 0\.25 GB and what the machine has, 16 GB/u)
    expect(await page.locator('.setting', { hasText: 'Budget of all agents' }).getByRole('button', { name: 'Set' }).isDisabled()).toBe(true)
  })

  it('says what each needs where it cannot be done, with the command', async () => {
    const { page } = await start(scenarios.suspendNone, settings)
    await seen(page, 'Suspending needs something first')
    await seen(page, 'agentmemctl install')
    await seen(page, 'Limits need something first')
    expect(await page.getByRole('switch', { name: 'Suspend idle agents' }).isDisabled()).toBe(true)
  })

  it('says what is wrong with the policy file', async () => {
    const { page } = await start(scenarios.badPolicy, settings)
    await seen(page, 'The policy file was not used')
    await seen(page, /suspend\.afterIdleMs must be at least 30000/u)
  })

  it('that cannot be saved: says so and shows the old value', async () => {
    const { page } = await start(scenarios.policyFails, settings)
    await page.getByRole('switch', { name: 'Suspend idle agents' }).click()
    await seen(page, 'The disk is full')
    expect(await page.getByRole('switch', { name: 'Suspend idle agents' }).getAttribute('aria-checked')).toBe('false')
  })
})

describe('the guard', () => {
  it('tells whether it runs, for what, and what it said', async () => {
    const { page } = await start(scenarios.lived, settings)
    await seen(page, /Stands for 0 open runs and 11 suspended agents/u)
    await seen(page, /An agent woke\./u)
    const { page: other } = await start(scenarios.full, settings)
    await seen(other, /It starts before the first change or the first freeze/u)
  })

  it('has its words on every page until they were read, also after a reload', async () => {
    const { page } = await start(scenarios.lived)
    await seen(page, 'Memory ran short')
    await page.keyboard.press('h')
    const strip = page.getByRole('region', { name: 'Guard' })
    await strip.waitFor()
    await strip.getByRole('button', { name: 'Close' }).click()
    await gone(strip)
    await page.reload()
    await seen(page, /Events/u)
    await page.keyboard.press('o')
    await seen(page, /by 11 agents/u)
    expect(await strip.count()).toBe(0)
  })
})

describe('the history of it', () => {
  it('keeps the new kinds, filtered, a burst in one line', async () => {
    const { page } = await start(scenarios.full, { hash: '#/history' })
    await seen(page, /^2 agents suspended$/u)
    await page.getByLabel('Kind of events').selectOption('Limits and fixes')
    await seen(page, /Ended 2 orphans/u)
    await seen(page, /high limit of 320 MB holds/u)
    await gone(page.getByText('agents suspended', { exact: false }).and(page.locator('summary')))
    await page.getByLabel('Kind of events').selectOption('Trouble')
    await seen(page, /Programs waited for memory 24 %/u)
    await page.getByLabel('Kind of events').selectOption('Agents')
    await seen(page, 'Nothing of this kind happened in this range.')
  })

  it('hears of what is suspended while it is open', async () => {
    const { page } = await start({ ...scenarios.full, suspended: 1 }, { hash: '#/overview' })
    await press(page, 'Resume all')
    await seen(page, /resumed$/u)
    await page.keyboard.press('h')
    await seen(page, 'Claude Code resumed by you')
    await button(page, 'Close').waitFor()
  })
})

describe('axe finds nothing serious', () => {
  it.each(['light', 'dark'] as const)('%s: policy with problems, guard, history', async (theme) => {
    const first = await start(scenarios.suspendNone, { ...settings, theme })
    await seen(first.page, 'Suspending needs something first')
    expect(await serious(first.page)).toEqual([])
    const second = await start(scenarios.lived, { ...settings, theme })
    await seen(second.page, /Stands for/u)
    expect(await serious(second.page)).toEqual([])
    const { page } = await start(scenarios.lived, { hash: '#/history', theme })
    await seen(page, /^2 agents suspended$/u)
    expect(await serious(page)).toEqual([])
  })
})
