import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { launchChromium, open, type Opened, type OpenOptions } from './browser.ts'
import type { Scenario } from './scenarios.ts'

export interface Windows {
  start: (scenario: Scenario, options?: OpenOptions) => Promise<Opened>
  /** The requests of one channel, in order. */
  asked: (name: string) => unknown[]
}

/** One browser for a file of tests, one window a test; what the page complained about fails it, but for what is `expected`. */
export const useWindows = (expected?: RegExp): Windows => {
  let browser: Browser
  let opened: Opened | null = null
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())
  afterEach(async () => {
    const complaints = (opened?.complaints() ?? []).filter((complaint) => expected?.test(complaint) !== true)
    await opened?.close()
    opened = null
    expect(complaints).toEqual([])
  })
  return {
    start: async (scenario, options = { hash: '#/overview' }) => {
      await opened?.close()
      opened = await open(browser, scenario, options)
      return opened
    },
    asked: (name) => (opened?.mock.asked ?? []).filter((call) => call.name === name).map((call) => call.request),
  }
}

/** What axe finds serious or critical, a line each. */
export const serious = async (page: Page): Promise<string[]> => {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.filter((violation) => violation.impact === 'serious' || violation.impact === 'critical').map((violation) => `${violation.id}: ${violation.nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`).join('; ')}`)
}
