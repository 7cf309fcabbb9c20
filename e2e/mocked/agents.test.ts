import { describe, expect, it } from 'vitest'
import { press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { useWindows } from './windows.ts'

const { start } = useWindows()
const agents = { hash: '#/agents' }

const names = (): string[] => [...document.querySelectorAll('.grid-body [role=row] .cell-name')].map((cell) => cell.textContent ?? '')

describe('the table of agents', () => {
  it('sorts by any column and says so', async () => {
    const { page } = await start(scenarios.full, agents)
    await seen(page, 'exporter')
    await press(page, 'Age')
    await page.locator('[role=columnheader][aria-sort=descending]', { hasText: 'Age' }).waitFor()
    expect((await page.evaluate(names))[0]).toBe('Claude Codeplayground')
    await press(page, 'Age')
    await page.locator('[role=columnheader][aria-sort=ascending]', { hasText: 'Age' }).waitFor()
    expect((await page.evaluate(names))[0]).toBe('Claude Codeweb-shop')
  })

  it('keeps its order while the figures change', async () => {
    const { page } = await start({ ...scenarios.full, tickMs: 60 }, agents)
    await seen(page, 'exporter')
    const before = await page.evaluate(names)
    const figure = (): string => document.querySelector('.grid-body .cell-cost')?.textContent ?? ''
    const first = await page.evaluate(figure)
    await page.waitForFunction((old) => document.querySelector('.grid-body .cell-cost')?.textContent !== old, first)
    expect(await page.evaluate(names)).toEqual(before)
  })

  it('shows the processes of an agent by their role', async () => {
    const { page } = await start(scenarios.full, agents)
    await press(page, 'Show processes of Claude Code web-shop')
    await seen(page, 'filesystem MCP server')
    await seen(page, /MCP server, 4103/u)
  })

  it('draws only what is visible of 500 agents, and scrolls to the last', async () => {
    const { page } = await start(scenarios.many, agents)
    await page.locator('[role=treegrid][aria-rowcount="501"]').waitFor()
    expect(await page.locator('.grid-body [role=row]').count()).toBeLessThan(60)
    await page.locator('[role=treegrid]').evaluate((grid) => grid.scrollTo(0, grid.scrollHeight))
    await page.locator('.grid-body [role=row][aria-rowindex="501"]').waitFor()
    expect(await page.locator('.grid-body [role=row]').count()).toBeLessThan(60)
  })

  it('shows a dash with its reason for what could not be read, and counts it', async () => {
    const { page, served } = await start(scenarios.unreadable, agents)
    await press(page, 'Show processes of Claude Code web-shop')
    const gap = page.locator('.grid-process .gap').first()
    expect(await gap.getAttribute('title')).toContain('It may not be read without more rights.')
    await page.goto(`${served.address}/#/overview`)
    await seen(page, /processes of agents could not be read and are missing from these sums/u)
  })
})
