import { describe, expect, it } from 'vitest'
import { apply, button, gone, openPlan, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { useWindows } from './windows.ts'

// What Chromium says itself of an app that goes away.
const { start } = useWindows(/^error: Failed to load resource: net::ERR_/u)

describe('what goes wrong is said in words', () => {
  it('a closed password dialog: nothing is said, the plan stays, pressing again works', async () => {
    const { page } = await start(scenarios.dismissed)
    await apply(page)
    await page.waitForFunction(() => document.querySelector('[role=dialog] [aria-busy=true]') === null)
    expect(await page.getByRole('alert').count()).toBe(0)
    expect(await page.locator('[role=dialog] .notice').count()).toBe(0)
    await press(page, 'Apply')
    await seen(page, /Won 2\.6/u)
  })

  it('a password that could be asked for: offers to ask', async () => {
    const { page } = await start(scenarios.obtainable)
    await apply(page)
    await seen(page, 'Your password is needed')
    await press(page, 'Try again')
    await seen(page, /Won 2\.6/u)
  })

  it('denied: names the action and who can allow it', async () => {
    const { page } = await start(scenarios.denied)
    await apply(page)
    await seen(page, 'Not allowed on this machine')
    await seen(page, /The action refused is org\.agentmem\.change-layers\. Ask the administrator/u)
  })

  it('two windows at once: shows the other run', async () => {
    const { page } = await start(scenarios.busy)
    await apply(page)
    await seen(page, 'Another run is under way')
    await press(page, 'Show that run')
    await page.waitForFunction(() => location.hash.startsWith('#/history/run/'))
  })

  it('a plan that no longer holds: shows the new one before anything is done', async () => {
    const { page, mock } = await start(scenarios.planChanged)
    await apply(page)
    await seen(page, 'The machine changed since this plan was made')
    await page.waitForFunction(() => document.querySelectorAll('[role=dialog] .step').length > 0)
    expect(mock.asked.filter((call) => call.name === 'plan.make')).toHaveLength(2)
    await press(page, 'Apply')
    await seen(page, /Won 2\.6/u)
  })

  it('no helper: the plan is a simulation and says what to do', async () => {
    const { page } = await start(scenarios.noHelper)
    await openPlan(page)
    await seen(page, 'Simulation')
    await seen(page, '/sys/kernel/mm/ksm/run')
    expect(await button(page, 'Apply').count()).toBe(0)
    await press(page, 'Install the helper')
    await seen(page, 'Not installed')
  })

  it('a helper that is gone when it is needed: offers to install it', async () => {
    const { page } = await start(scenarios.helperMissing)
    await apply(page)
    await seen(page, 'The helper is not installed')
    await button(page, 'Install the helper').waitFor()
  })

  it('a helper of another version says so in Settings', async () => {
    const { page } = await start(scenarios.helperTooOld, { hash: '#/settings' })
    await seen(page, 'Installed, but of another version')
    await button(page, 'Install again…').waitFor()
  })

  it('a helper killed in the middle: says that it came back and what was put back', async () => {
    const { page } = await start(scenarios.killed)
    await apply(page)
    await seen(page, 'The helper stopped in the middle')
    await seen(page, 'Back at the old value')
  })

  it('planning that fails can be tried again', async () => {
    const { page } = await start(scenarios.planFails)
    await openPlan(page)
    await seen(page, 'The helper stopped in the middle')
    await button(page, 'Try again').waitFor()
  })

  it('no room for a swap file: says how much is needed', async () => {
    const { page } = await start(scenarios.diskFull)
    await apply(page)
    await seen(page, 'The disk is full')
    await seen(page, /needs 8 GB, and 0\.4 GB are free/u)
  })

  it('undoing that does not fit: says how much it needs and has', async () => {
    const { page } = await start(scenarios.doesNotFit)
    await press(page, 'Undo')
    await seen(page, /It does not fit into memory yet\..*Needed: 6\.3 GB\. Available: 2\.1 GB\./u)
    await button(page, 'Keep').waitFor()
  })

  it('a setting that something else changed since is left alone, and told', async () => {
    const { page } = await start(scenarios.undoPartly)
    await apply(page)
    await seen(page, /Won 2\.6/u)
    await press(page, 'Undo')
    await seen(page, 'Partly undone')
    await seen(page, 'Something else changed it since; it was left as it is.')
  })

  it('no KSM: the plan leaves it out with the reason, Layers tells what to do', async () => {
    const { page } = await start(scenarios.noKsm)
    await openPlan(page)
    await seen(page, 'This kernel was built without CONFIG_KSM.')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('l')
    await seen(page, /Debian and Ubuntu kernels have it/u)
  })

  it('no swap possible: the plan says why', async () => {
    const { page } = await start(scenarios.noSwap)
    await openPlan(page)
    await seen(page, /No swap is possible here/u)
  })

  it('a history of a newer version is left untouched, everything else works', async () => {
    const { page } = await start(scenarios.futureHistory, { hash: '#/history' })
    await seen(page, 'The history is of a newer version of this app')
    await seen(page, /leaves it untouched and records nothing/u)
    await page.keyboard.press('c')
    await seen(page, 'The history is of a newer version of this app')
    await page.keyboard.press('o')
    await seen(page, /from 19 idle agents/u)
  })

  it('a full disk for history', async () => {
    const { page } = await start(scenarios.historyFull, { hash: '#/history' })
    await seen(page, /The disk is full: history is not being recorded\. Everything else works on\./u)
  })

  it('settings that could not be used', async () => {
    const { page } = await start(scenarios.badSettings, { hash: '#/settings' })
    await seen(page, /theme must be system, light or dark/u)
  })

  it('an app that goes away and comes back', async () => {
    const { page, served } = await start(scenarios.full)
    await seen(page, /from 19 idle agents/u)
    served.pause()
    await seen(page, 'The app does not answer')
    await seen(page, /from 19 idle agents/u)
    served.resume()
    await press(page, 'Try now')
    await gone(page.getByText('The app does not answer'))
  })
})

describe('empty places teach', () => {
  it('no agents, no runs, no snapshots', async () => {
    const { page } = await start(scenarios.empty)
    await seen(page, 'No agents yet')
    await seen(page, 'agentmemctl run -- claude')
    await page.keyboard.press('a')
    await seen(page, 'How agents are found')
    await page.keyboard.press('h')
    await seen(page, 'No runs yet')
    await page.keyboard.press('c')
    await seen(page, 'No snapshots yet')
  })
})
