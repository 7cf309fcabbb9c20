import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import type { Answer, CallName, Request } from '../../electron/contract/channels.ts'
import type { FleetUser } from '../fixtures/fleet/ground.ts'
import { makeUserFolders } from '../installed/app-host.ts'
import type { Job } from '../installed/job.ts'
import type { launchChromium } from '../mocked/browser.ts'

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/u

export interface Window {
  readonly page: Page
  readonly context: BrowserContext
  readonly origin: string
  readonly folder: string
  readonly complaints: string[]
  call<K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>>
}

/** Starts the app as this user and opens the address it prints. */
export const openWindow = async (job: Job, browser: Awaited<ReturnType<typeof launchChromium>>, user: FleetUser, how: { readonly viewport: { width: number; height: number }; readonly undo: (() => Promise<unknown>)[]; readonly say: (text: string) => void }): Promise<Window> => {
  const { undo, say } = how
  const place = mkdtempSync('/tmp/agentmem-real-')
  chmodSync(place, 0o755)
  undo.push(async () => rmSync(place, { recursive: true, force: true }))
  const own = join(place, 'user')
  await makeUserFolders(own, user)
  const host = await job.start(user, own, 'electron/browser/main.ts', ['--no-open'], ADDRESS)
  const address = ADDRESS.exec(host.log())?.[0] ?? ''
  const { origin } = new URL(address)
  const context = await browser.newContext({ viewport: how.viewport, colorScheme: 'light', reducedMotion: 'no-preference', acceptDownloads: true })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`))
  const from = performance.now()
  await page.goto(address)
  await page.locator('.hero-number .big-value').waitFor({ timeout: 30_000 })
  const shownMs = performance.now() - from
  // A dash stands there until agents were measured for the first time.
  await page.locator('.hero-number .big-value').filter({ hasText: /\d/u }).waitFor({ timeout: 30_000 })
  say(`${user.name}: after opening the address the page is there in ${Math.round(shownMs)} ms, its large number in ${Math.round(performance.now() - from)} ms`)
  const call: Window['call'] = async (name, request) => {
    const answer = await context.request.post(`${origin}/call/${name}`, { headers: { origin }, data: request, timeout: 280_000 })
    return (await answer.json()) as never
  }
  return { page, context, origin, folder: own, complaints, call }
}

/** What a terminal of 80 columns would show, and how the command ended. */
export const terminal = async (job: Job, window: Window, user: FleetUser, args: readonly string[]): Promise<{ out: string; text: string; code: number | NodeJS.Signals }> => {
  const running = await job.start(user, window.folder, 'electron/cli/agentmemctl.ts', args)
  let out = ''
  running.child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const code = await running.ended
  return { out, code, text: `$ agentmemctl ${args.join(' ')}\n${out}${running.log()}[exit ${code}]\n` }
}
