import { describe, expect, it } from 'vitest'
import { gone, overflow, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const units = { hash: '#/units' }

describe('units', () => {
  it('say what sharing spares, where it is, and who holds it', async () => {
    const { page } = await start(scenarios.full, units)
    await seen(page, /less in memory than 6\sagents would hold alone/u)
    expect(await page.getByRole('img', { name: /held: in memory 174\sMB, compressed .*, on disk/u }).count()).toBe(1)
    await page.getByRole('button', { name: 'reviewer' }).first().click()
    await seen(page, 'System prompt')
    await seen(page, 'Tool definitions')
    await page.getByRole('radio', { name: 'Compressed' }).click()
    await gone(page.getByRole('rowheader', { name: /System prompt/u }))
    expect(await serious(page)).toEqual([])
  })

  it('are switched by the user alone, and taken back with one click', async () => {
    const { page } = await start(scenarios.full, units)
    await page.getByRole('switch', { name: /Put old units on disk/u }).click()
    await seen(page, 'Saved')
    await press(page, 'Undo')
    await gone(page.getByText('Saved'))
    expect(asked('units.set').map((request) => (request as { settings: { cold: boolean } }).settings.cold)).toEqual([false, true])
  })

  it('keep what is set where it cannot be written', async () => {
    const { page } = await start(scenarios.unitsFail, units)
    await page.getByRole('switch', { name: /Share memory between agents/u }).click()
    await seen(page, /no space left to write broker\.conf/u)
    expect(await page.getByRole('switch', { name: /Share memory between agents/u }).isChecked()).toBe(true)
  })

  it('say how to begin where nobody uses them, and what is missing', async () => {
    const { page } = await start(scenarios.empty, units)
    await seen(page, /No program uses units now/u)
    await seen(page, 'agentmemctl run --share')
    const other = await start(scenarios.unitsMissing, units)
    await seen(other.page, /agentmem-broker is not built/u)
  })

  it.each([900, 1440])('fit a window of %i px', async (width) => {
    const { page } = await start(scenarios.full, { ...units, width })
    await seen(page, 'Where it is')
    expect(await overflow(page)).toBe(0)
    expect(await serious(page)).toEqual([])
  })
})
