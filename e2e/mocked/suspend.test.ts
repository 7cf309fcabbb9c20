import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { button, gone, overflow, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()

const suspendIdle = async (page: Page): Promise<void> => {
  await press(page, /^Suspend 19 idle/u)
  await press(page, 'Suspend 19 agents')
}
const row = (page: Page, name: RegExp) => page.locator('.grid-agent', { hasText: name })

describe('suspending', () => {
  it('says first what will happen and does nothing yet', async () => {
    const { page } = await start(scenarios.full)
    await press(page, /^Suspend 19 idle/u)
    await seen(page, 'Suspend 19\u00a0agents: what will happen')
    await seen(page, /first key typed into one wakes it/u)
    await seen(page, 'would come free. What was really won is measured afterwards.')
    expect(await page.getByRole('dialog').locator('.big-value').innerText()).toBe('3.3')
    await page.getByTitle('Why this? What suspending would win').click()
    await seen(page, /idle for two minutes or more/u)
    expect(asked('agents.suspend')).toEqual([])
  })

  it('shows progress, what was won, and the way back beside it', async () => {
    const { page } = await start({ ...scenarios.full, suspendMs: 120 })
    await suspendIdle(page)
    await seen(page, /^\d+ done, \d+ MB won so far\. Now/u)
    expect(await page.getByRole('progressbar').count()).toBe(1)
    await seen(page, /^19 agents suspended, \d\.\d GB won$/u, 30_000)
    await press(page, 'Resume them')
    await gone(page.getByRole('dialog'))
    await seen(page, /^19 agents resumed$/u, 30_000)
    expect(asked('agents.suspend')).toHaveLength(19)
    expect(asked('agents.suspend')[0]).toMatchObject({ cause: 'user', ids: [expect.any(String)] })
  })

  it('goes on under every page when the dialog is closed, and moves nothing', async () => {
    const { page } = await start({ ...scenarios.full, suspendMs: 250 })
    await suspendIdle(page)
    const head = (): Promise<number | undefined> => page.locator('.hero').boundingBox().then((box) => box?.y)
    const before = await head()
    await press(page, 'Close')
    await page.getByRole('region', { name: 'Agents' }).getByText('Suspending').waitFor()
    expect(await head()).toBe(before)
    await page.keyboard.press('h')
    await page.getByRole('region', { name: 'Agents' }).getByText('Suspending').waitFor()
  })

  it('stops after the one under way; those done stay suspended', async () => {
    const { page } = await start({ ...scenarios.full, suspendMs: 500 })
    await suspendIdle(page)
    await seen(page, /^[1-9] done/u)
    await press(page, 'Stop')
    await seen(page, /Stopped with 1\d agents to go/u)
    expect(asked('agents.suspend').length).toBeLessThan(19)
  })

  it('tells for each agent left running why', async () => {
    const { page } = await start(scenarios.suspendPartly)
    await suspendIdle(page)
    await seen(page, /^15 agents suspended/u, 30_000)
    const line = page.locator('.agent-reasons li')
    expect(await line.innerText()).toMatch(/opencode api-gateway, opencode design-system, opencode payments, opencode exporter\s+It did not freeze within 2 s\. One of its processes hangs/u)
    await press(page, 'Done')
    await page.keyboard.press('a')
    await seen(page, 'last try failed')
  })

  it('says that not all could be moved out', async () => {
    const { page } = await start({ ...scenarios.full, stoppedBy: 'Compressed swap is full: 212 MB stayed resident.' })
    await suspendIdle(page)
    await seen(page, 'Not all of it could be moved out', 30_000)
    expect(await page.getByText('Compressed swap is full').count()).toBe(1)
  })

  it('leaves those alone that run a tool, are traced or pinned, and asks about busy ones', async () => {
    const { page } = await start({ ...scenarios.full, pinned: [0] }, { hash: '#/agents' })
    await page.getByRole('checkbox', { name: 'Select all shown' }).click()
    await press(page, 'Suspend…')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('It is traced by gdb, process 7711.').waitFor()
    await dialog.getByText('It runs npm test since 40 s.').waitFor()
    await dialog.getByText('You pinned it.').waitFor()
    await dialog.getByText('It waits for its model since 2 min.').waitFor()
    await button(page, 'Suspend 18 agents').waitFor()
    await dialog.getByRole('checkbox', { name: 'Suspend these 3 as well' }).click()
    await button(page, 'Suspend 21 agents').waitFor()
  })

  it('offers one that is busy as "anyway", and one with a tool not at all', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await press(page, 'Suspend Gemini CLI billing')
    await seen(page, /an answer on its way may be lost/u)
    await button(page, 'Suspend anyway').waitFor()
    await page.keyboard.press('Escape')
    await press(page, 'Suspend Claude Code search')
    await seen(page, 'Cannot be suspended now')
    expect(await button(page, 'Suspend').isDisabled()).toBe(true)
  })

  it('from Overview, for one of the largest', async () => {
    const { page } = await start(scenarios.full)
    await press(page, 'Suspend opencode exporter')
    await press(page, 'Suspend')
    await seen(page, /^opencode exporter suspended, \d+ MB won$/u)
    await press(page, 'Done')
    await seen(page, /by 1 agent; a key wakes one/u)
    expect(asked('agents.suspend')).toHaveLength(1)
  })

  it('a closed password dialog: nothing is said, and pressing again works', async () => {
    const { page } = await start(scenarios.suspendDismissed)
    await press(page, /^Suspend 19 idle/u)
    await seen(page, /asked for your password, once/u)
    await press(page, 'Suspend 19 agents')
    await press(page, 'Done')
    expect(await page.getByRole('alert').count()).toBe(0)
    expect(asked('agents.suspend')).toHaveLength(1)
    await suspendIdle(page)
    await seen(page, /^19 agents suspended/u, 30_000)
  })

  it('refused for all: asked once, and said which action', async () => {
    const { page } = await start(scenarios.suspendDenied)
    await suspendIdle(page)
    await seen(page, 'Not allowed on this machine')
    await seen(page, /org\.agentmem\.agents/u)
    expect(asked('agents.suspend')).toHaveLength(1)
  })

  it('no swap: says what is missing, the command for it, and leads there', async () => {
    const { page } = await start(scenarios.suspendNoSwap)
    await press(page, /^Suspend 19 idle/u)
    await seen(page, 'Agents cannot be suspended here yet')
    await seen(page, 'agentmemctl apply layer-compressed-swap-on')
    expect(await button(page, 'Suspend 19 agents').isDisabled()).toBe(true)
    await press(page, 'Open Layers')
    await seen(page, 'What this machine has')
  })

  it('no helper and no systemd: says so and leads to Settings', async () => {
    const { page } = await start(scenarios.suspendNone)
    await press(page, /^Suspend 19 idle/u)
    await seen(page, /there is no user systemd with delegated cgroups/u)
    await press(page, 'Open Settings')
    await seen(page, 'Not installed')
  })

  it('a session helper that is silent: the table still works and says less', async () => {
    const { page } = await start(scenarios.sessionGone, { hash: '#/agents' })
    await seen(page, 'exporter')
    await press(page, 'Suspend opencode exporter')
    await seen(page, 'Whether they are busy is not known yet')
  })
})

describe('suspended agents', () => {
  it('are counted in Overview with what they won, and resumed all at once', async () => {
    const { page } = await start({ ...scenarios.full, swapOn: true, suspended: 19 })
    await seen(page, /by 19 agents; a key wakes one/u)
    await seen(page, /^Suspended agents/u)
    await press(page, 'Resume all')
    await seen(page, '19\u00a0agents resumed')
    await seen(page, 'None')
    expect(asked('agents.resume')).toHaveLength(19)
  })

  it('say in the table what they won, and resume from their row', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await row(page, /api-gateway/u).getByText('won 329').waitFor()
    await press(page, 'Resume opencode api-gateway')
    await seen(page, /^opencode api-gateway resumed$/u)
    await seen(page, /34\sMB brought back first; it ran again after 61\sms/u)
    await button(page, 'Suspend opencode api-gateway').waitFor()
  })

  it('that cannot be resumed yet say why', async () => {
    const { page } = await start(scenarios.resumeFails)
    await press(page, 'Resume all')
    await seen(page, 'No agent was resumed')
    await press(page, 'Details')
    await seen(page, /It is thawed by itself as memory comes free/u)
  })

  it('scroll smoothly among 500', async () => {
    const { page } = await start(scenarios.manySuspended, { hash: '#/agents' })
    await page.locator('[role=treegrid][aria-rowcount="501"]').waitFor()
    expect(await page.locator('.grid-body [role=row]').count()).toBeLessThan(60)
    await page.locator('[role=treegrid]').evaluate((grid) => grid.scrollTo(0, grid.scrollHeight))
    await page.locator('.grid-body [role=row][aria-rowindex="501"]').waitFor()
  })
})

describe('the state column', () => {
  it('says why an agent is busy, when one will be suspended, and all reasons on the way', async () => {
    const { page } = await start(scenarios.lived, { hash: '#/agents' })
    await row(page, /billing/u).getByText('waits for its model since 2 min').waitFor()
    await row(page, /parser/u).getByText(/suspends in \d+\smin/u).waitFor()
    await row(page, /sandbox/u).getByText('suspending…').waitFor()
    await row(page, /exporter/u).getByLabel('Pinned').waitFor()
    await row(page, /^Claude Code.*search/u).locator('.state-cell').hover()
    await page.getByRole('tooltip').getByText('used 34 % of a core').waitFor()
  })
})

describe('by keyboard', () => {
  it('suspends, resumes and pins with Shift S, R and P', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await page.locator('[role=row][tabindex="0"]').focus()
    await page.keyboard.press('Shift+P')
    await row(page, /exporter/u).getByLabel('Pinned').waitFor()
    await page.keyboard.press('Shift+P')
    await gone(row(page, /exporter/u).getByLabel('Pinned'))
    await page.keyboard.press('Shift+S')
    await seen(page, 'Suspend opencode exporter: what will happen')
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend', exact: true }).press('Enter')
    await seen(page, /^opencode exporter suspended/u)
    await page.getByRole('button', { name: 'Done' }).press('Enter')
    await page.locator('[role=row][tabindex="0"]').focus()
    await page.keyboard.press('Shift+R')
    await seen(page, /^opencode exporter resumed$/u)
    expect(asked('agents.set')).toMatchObject([{ pinned: true }, { pinned: false }])
  })

  it('reaches the buttons and the menu of the row under the focus', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await button(page, 'More for opencode exporter').focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('ArrowDown')
    await page.getByRole('menuitem', { name: /^Pin/u }).press('Enter')
    await row(page, /exporter/u).getByLabel('Pinned').waitFor()
  })

  it('acts on all selected', async () => {
    const { page } = await start(scenarios.full, { hash: '#/agents' })
    await page.getByRole('checkbox', { name: 'Select opencode exporter' }).click()
    await page.getByRole('checkbox', { name: 'Select opencode payments' }).click()
    const place = await row(page, /exporter/u).boundingBox()
    await press(page, 'Pin')
    await button(page, 'Unpin').waitFor()
    expect(await row(page, /exporter/u).boundingBox()).toEqual(place)
    expect(asked('agents.set')).toHaveLength(2)
  })
})

describe('axe and small windows', () => {
  it.each(['light', 'dark'] as const)('%s: table, dialogs, result, strip', async (theme) => {
    const lived = await start(scenarios.lived, { hash: '#/agents', theme })
    await seen(lived.page, 'suspending…')
    await lived.page.getByRole('checkbox', { name: 'Select opencode exporter' }).click()
    await seen(lived.page, /1\sagent selected/u)
    expect(await serious(lived.page)).toEqual([])
    await press(lived.page, 'Suspend…')
    await seen(lived.page, 'Cannot be suspended now')
    expect(await serious(lived.page)).toEqual([])
    const { page } = await start(scenarios.suspendPartly, { hash: '#/overview', theme })
    await suspendIdle(page)
    await seen(page, /^15 agents suspended/u, 30_000)
    expect(await serious(page)).toEqual([])
    await page.keyboard.press('Escape')
    await gone(page.getByRole('dialog'))
    await press(page, 'Resume all')
    await seen(page, /agents resumed$/u, 30_000)
    expect(await serious(page)).toEqual([])
  })

  it.each([
    { width: 900, height: 600 },
    { width: 450, height: 300 },
  ])('fit into $width x $height with a strip of the guard', async ({ width, height }) => {
    for (const hash of ['#/overview', '#/agents']) {
      const { page } = await start(scenarios.lived, { hash, width, height })
      await seen(page, 'Memory ran short')
      await page.locator('.big-value').first().waitFor({ state: 'attached' })
      expect(await overflow(page)).toBe(0)
    }
  })
})
