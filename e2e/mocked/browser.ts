import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { createMock, type Mock } from './mock.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { serve, type Served } from './serve.ts'

/** Debian's Chromium, kept from talking to anybody. */
export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })

export interface OpenOptions {
  width?: number
  height?: number
  theme?: 'light' | 'dark'
  /** "#/agents" and the like. */
  hash?: string
  reducedMotion?: boolean
}

/** One window on one mocked app. */
export interface Opened {
  page: Page
  mock: Mock
  served: Served
  /** Everything the page complained about: console errors, exceptions, mock faults. */
  complaints: () => string[]
  close: () => Promise<void>
}

export const open = async (browser: Browser, scenario: Scenario = scenarios.full, options: OpenOptions = {}): Promise<Opened> => {
  const mock = createMock(scenario)
  const served = await serve(mock)
  const context: BrowserContext = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.theme ?? 'light',
    reducedMotion: options.reducedMotion === false ? 'no-preference' : 'reduce',
    acceptDownloads: true,
  })
  const page = await context.newPage()
  const seen: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') seen.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => seen.push(`exception: ${error.message}`))
  await page.goto(`${served.address}/${options.hash ?? ''}`)
  return {
    page,
    mock,
    served,
    complaints: () => [...seen, ...served.faults.map((fault) => `mock: ${fault}`)],
    close: async () => {
      await context.close()
      await served.close()
    },
  }
}
