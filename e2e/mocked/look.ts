import type { Locator, Page } from 'playwright-core'

/** How long the window may take to show something before the test says it does not. */
const PATIENCE_MS = 8000

/** Figures hold no-break spaces: any blank of a pattern stands for any white space. */
const blanks = (text: string | RegExp): string | RegExp => (typeof text === 'string' ? text : new RegExp(text.source.replaceAll(' ', String.raw`\s`), text.flags))

export const found = (page: Page, text: string | RegExp): Locator => page.getByText(blanks(text))

/** Waits for a text to be on screen. */
export const seen = (page: Page, text: string | RegExp, patienceMs = PATIENCE_MS): Promise<void> => found(page, text).filter({ visible: true }).first().waitFor({ timeout: patienceMs })

/** Waits until nothing matches any more. */
export const gone = (target: Locator): Promise<void> => target.first().waitFor({ state: 'hidden', timeout: PATIENCE_MS })

export const button = (page: Page, name: string | RegExp): Locator => page.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name: blanks(name) }).filter({ visible: true }).first()

export const press = (page: Page, name: string | RegExp): Promise<void> => button(page, name).click({ timeout: PATIENCE_MS })

/** Opens a preset's plan and waits until it can be applied. */
export const openPlan = async (page: Page, preset = 'More agents'): Promise<void> => {
  await press(page, preset)
  await page.getByRole('dialog').waitFor({ timeout: PATIENCE_MS })
}

export const apply = async (page: Page, preset = 'More agents'): Promise<void> => {
  await openPlan(page, preset)
  await press(page, 'Apply')
}

/** Width by which the page runs out of the window sideways; 0 is right. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const main = document.querySelector('main')
    return Math.max(document.documentElement.scrollWidth - document.documentElement.clientWidth, main === null ? 0 : main.scrollWidth - main.clientWidth)
  })

/** Height by which the window itself can be scrolled; 0 is right: only the page within it scrolls. */
export const overflowBelow = (page: Page): Promise<number> => page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight)
