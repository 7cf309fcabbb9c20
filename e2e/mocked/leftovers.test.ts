import { describe, expect, it } from 'vitest'
import { button, gone, overflow, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const leftovers = { hash: '#/leftovers' }
const fixes = { hash: '#/fixes' }

describe('leftovers', () => {
  it('are listed with why and cost, and ended only after they were shown', async () => {
    const { page } = await start(scenarios.full, leftovers)
    await seen(page, 'held by 4\u00a0processes of sessions that ended')
    await seen(page, 'It outlived the agent that started it by 52 min.')
    expect(await button(page, 'End…').isDisabled()).toBe(true)
    await page.getByRole('checkbox', { name: 'Select typescript-language-server, process 3011' }).click()
    await page.getByRole('checkbox', { name: 'Select github MCP server, process 3140' }).click()
    await press(page, 'End 2…')
    await seen(page, 'with process 3012, process 3019')
    await seen(page, /2 processes below them end too/u)
    expect(asked('leftovers.reap')).toEqual([])
    await press(page, 'End these 2')
    await seen(page, /^2 leftovers ended, 503 MB came free$/u)
    await gone(page.getByText('github MCP server'))
    expect(asked('leftovers.reap')).toEqual([{ processes: [{ pid: 3011, startTimeTicks: 93011 }, { pid: 3140, startTimeTicks: 93140 }] }])
  })

  it('that turn out to be in use are left, with the reason', async () => {
    const { page } = await start(scenarios.reapLeaves, leftovers)
    await page.getByRole('checkbox', { name: 'Select all' }).click()
    await press(page, 'End 4…')
    await press(page, 'End these 4')
    await seen(page, /^3 leftovers ended/u)
    await seen(page, /typescript-language-server 3011: It is no orphan any more/u)
  })

  it('say of servers that run many times what sharing would save, and for whom not', async () => {
    const { page } = await start(scenarios.full, leftovers)
    await seen(page, /filesystem MCP server MCP server, running 7 times/u)
    await seen(page, /One for all would save \d+ MB/u)
    await seen(page, 'It speaks over a pipe only, so each session needs its own.')
    await page.locator('.duplicate').first().getByText('Who runs it').click()
    await seen(page, 'Claude Code web-shop')
  })

  it('teach what would be here where there are none', async () => {
    const { page } = await start(scenarios.empty, leftovers)
    await seen(page, 'Nothing is left over')
    await seen(page, /only servers that speak HTTP/u)
  })

  it('that cannot be read say so and can be tried again', async () => {
    const { page } = await start(scenarios.sessionGone, leftovers)
    await seen(page, 'The session helper does not answer.')
    await button(page, 'Try again').waitFor()
  })
})

describe('fixes', () => {
  it('show every changed line before it is written, and are taken back', async () => {
    const { page } = await start(scenarios.full, fixes)
    await press(page, 'Look at the change: Claude Code says when it is busy')
    const diff = page.getByRole('region', { name: 'Change of /home/ada/.claude/settings.json' })
    expect(await diff.locator('.diff-added').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringContaining('"UserPromptSubmit"') as string]))
    expect(await diff.locator('.diff-removed').count()).toBe(0)
    expect(asked('fixes.apply')).toEqual([])
    await press(page, 'Apply')
    await press(page, 'Take back: Claude Code says when it is busy')
    expect(await page.getByRole('dialog').locator('.diff-removed').count()).toBeGreaterThan(0)
    await press(page, 'Take back')
    await button(page, 'Look at the change: Claude Code says when it is busy').waitFor()
    expect(asked('fixes.apply')).toMatchObject([{ id: 'hooks-claude-code', digest: expect.stringMatching(/^a+3$/u) as string }])
    expect(asked('fixes.undo')).toEqual([{ id: 'hooks-claude-code' }])
  })

  it('say what they save, what is done and what is not needed', async () => {
    const { page } = await start(scenarios.full, fixes)
    await seen(page, /1,060 MB to save/u)
    expect(await page.locator('.fix .tag').allInnerTexts()).toEqual(['Not applied', 'Not needed here', 'Not applied', 'Applied', 'Changed since'])
    await seen(page, /Codex runs from one home only here/u)
  })

  it('of a file edited meanwhile: nothing is written, the new change is shown', async () => {
    const { page } = await start(scenarios.fixChanged, fixes)
    await press(page, 'Look at the change: Gemini CLI without its relaunching parent')
    await press(page, 'Apply')
    await seen(page, 'The file was changed meanwhile')
    await seen(page, '# edited meanwhile')
  })

  it('changed by hand since they were applied say so before they are taken back', async () => {
    const { page } = await start(scenarios.full, fixes)
    await press(page, 'Take back: Start agents under this app from bash')
    await seen(page, 'It is not as it was applied')
    await seen(page, '. ~/.config/agentmem/shims.sh # changed by hand')
  })

  it('teach what would be here where there are none', async () => {
    const { page } = await start(scenarios.empty, fixes)
    await seen(page, 'What would be here')
  })
})

describe('axe and small windows', () => {
  it.each(['light', 'dark'] as const)('%s: dialogs of both', async (theme) => {
    const first = await start(scenarios.full, { ...leftovers, theme })
    await first.page.getByRole('checkbox', { name: 'Select all' }).click()
    await press(first.page, 'End 4…')
    await seen(first.page, /processes below them/u)
    expect(await serious(first.page)).toEqual([])
    const { page } = await start(scenarios.full, { ...fixes, theme })
    await press(page, 'Look at the change: Claude Code says when it is busy')
    await seen(page, /UserPromptSubmit/u)
    expect(await serious(page)).toEqual([])
  })

  it('no sideways scrolling', async () => {
    for (const hash of ['#/leftovers', '#/fixes']) {
      const { page } = await start(scenarios.full, { hash, width: 450, height: 300 })
      await page.locator('.panel').first().waitFor()
      expect({ hash, overflow: await overflow(page) }).toEqual({ hash, overflow: 0 })
    }
  })
})
