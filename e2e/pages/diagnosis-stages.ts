import type { Page } from 'playwright-core'

/** What the stages need of whoever takes the pictures. */
export interface Stage {
  readonly page: Page
  readonly shoot: (name: string, place?: () => Promise<unknown>) => Promise<void>
  readonly say: (text: string) => void
}

const LIMIT_MS = 20_000

const go = async ({ page }: Stage, hash: string): Promise<void> => {
  await page.evaluate((to) => {
    location.hash = to
  }, hash)
  await page.locator('.page-lead .big-value').filter({ hasNotText: '…' }).first().waitFor({ timeout: LIMIT_MS })
  await page.waitForTimeout(800)
}

const scrollTo = ({ page }: Stage, selector: string): Promise<void> => page.locator(selector).first().evaluate((node) => node.scrollIntoView({ block: 'start' }))

/** A line to look deeper with, of the first finding that has one which can be run here. */
const trace = async (stage: Stage): Promise<void> => {
  const { page, shoot, say } = stage
  for (const [at, toggle] of (await page.locator('.finding-toggle').all()).entries()) {
    if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.click()
    const deeper = page.locator('.finding').nth(at).locator('.deeper summary')
    if ((await deeper.count()) > 0) {
      await deeper.click()
      await page.waitForTimeout(400)
      const run = page.locator('.finding').nth(at).getByRole('button', { name: /^Run…/u })
      if ((await run.count()) > 0) {
        await shoot('diagnosis-deeper', () => deeper.evaluate((node) => node.scrollIntoView({ block: 'start' })))
        await run.first().click()
        const dialog = page.getByRole('dialog')
        await dialog.waitFor()
        await dialog.getByLabel('For how long').selectOption('5')
        await shoot('trace')
        await dialog.getByRole('button', { name: 'Run', exact: true }).click()
        await page.waitForTimeout(2_000)
        await shoot('tracing')
        await dialog.getByRole('button', { name: 'Run again' }).or(dialog.locator('.notice')).first().waitFor({ timeout: 60_000 })
        await shoot('traced')
        await page.keyboard.press('Escape')
        return
      }
    }
    await toggle.click()
  }
  say('no finding has a line to look deeper with that can be run here')
}

/** The dialog of the first solution that can be tried. */
const tryOne = async (stage: Stage): Promise<void> => {
  const { page, shoot, say } = stage
  for (const toggle of await page.locator('.finding-toggle').all()) {
    if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.click()
    const tries = page.getByRole('button', { name: /^Try…/u })
    if ((await tries.count()) > 0) {
      await shoot('diagnosis-try', () => tries.first().scrollIntoViewIfNeeded())
      await tries.first().click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: /^(?:Apply|Close|Not now)/u }).first().waitFor({ timeout: LIMIT_MS })
      await page.waitForTimeout(600)
      await shoot('try')
      await page.keyboard.press('Escape')
      return
    }
    await toggle.click()
  }
  say('nothing that is found here can be tried')
}

export const walkDiagnosis = async (stage: Stage): Promise<void> => {
  const { page, shoot } = stage
  await go(stage, '#/diagnosis')
  // Rates are known from the second look on, those of a program from five seconds on.
  await page.waitForTimeout(6_000)
  await page.getByRole('button', { name: 'Look again' }).click()
  await page.waitForTimeout(1_500)
  await shoot('diagnosis')
  if ((await page.locator('.finding-group').count()) > 1) {
    await shoot('diagnosis-more', () => scrollTo(stage, '.finding-group >> nth=-1'))
  }
  await page.getByText(/looked and found nothing wrong/u).click()
  await shoot('diagnosis-looked', () => scrollTo(stage, '.looked-at'))
  await shoot('diagnosis-protections', () => scrollTo(stage, '.protections'))
  await shoot('diagnosis-kernel', () => scrollTo(stage, '.kernel-features'))
  await go(stage, '#/diagnosis')
  await tryOne(stage)
  await trace(stage)
}

export const walkLeaks = async (stage: Stage): Promise<void> => {
  const { page, shoot } = stage
  await go(stage, '#/leaks')
  await shoot('leaks')
  const rows = page.locator('.leak-toggle')
  if ((await rows.count()) > 1) {
    await rows.nth(1).click()
    await shoot('leaks-second', () => rows.nth(1).evaluate((node) => node.scrollIntoView({ block: 'start' })))
  }
}

export const walkJournal = async (stage: Stage): Promise<void> => {
  const { page, shoot } = stage
  await go(stage, '#/journal')
  await shoot('journal')
  await page.getByRole('button', { name: 'New note' }).click()
  await page.getByLabel('New note').fill('More memory is ordered.\nUntil then not more than ten agents.')
  await shoot('journal-note')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('More memory is ordered.').first().waitFor()
  await page.getByLabel('Search the journal').fill('memory')
  await page.waitForTimeout(800)
  await shoot('journal-search')
}
