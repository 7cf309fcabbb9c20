import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { reportFormatSchema } from '../../electron/contract/views.ts'
import { snapshotSchema } from '../../helper/contract/snapshot.ts'
import type { RunState } from '../../helper/contract/runs.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import type { FleetUser } from '../fixtures/fleet/ground.ts'
import { startJob, valueOf, type Job } from '../installed/job.ts'
import { launchChromium } from '../mocked/browser.ts'
import { overflow } from '../mocked/look.ts'
import { openWindow, terminal as runCtl, type Window } from './real-window.ts'
import { walkDiagnosis, walkJournal, walkLeaks } from './diagnosis-stages.ts'
import { shootOne } from './shoot.ts'

/**
 * The window with real agents and the installed helper, walked as its user
 * walks it, a picture at every stage: node e2e/pages/real.ts. Needs root, takes
 * about seven minutes, leaves nothing behind but build/screenshots/real.
 */
const folder = new URL('../../build/screenshots/real/', import.meta.url).pathname
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const sizes = { wide: { width: 1440, height: 900 }, small: { width: 900, height: 600 } } as const

const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)

let shots = 0
/** Two pictures, light and dark taking turns with the two sizes. */
const shoot = async ({ page }: Window, name: string, only?: keyof typeof sizes): Promise<void> => {
  shots += 1
  const themes = shots % 2 === 0 ? ({ wide: 'light', small: 'dark' } as const) : ({ wide: 'dark', small: 'light' } as const)
  for (const size of ['small', 'wide'] as const) {
    if (only !== undefined && size !== only) continue
    await shootOne(page, folder, `${String(shots).padStart(2, '0')}-${name}-${size}-${themes[size]}`, sizes[size], themes[size])
    const wide = await overflow(page)
    if (wide > 0) say(`${name} at ${size} runs ${wide} px out of the window sideways`)
  }
  say(`picture ${name}`)
}

const go = async (window: Window, hash: string, text: string | RegExp): Promise<void> => {
  await window.page.evaluate((to) => {
    location.hash = to
  }, hash)
  await window.page.getByText(text).filter({ visible: true }).first().waitFor({ timeout: 15_000 })
  await window.page.waitForTimeout(600)
}

const button = (window: Window, name: string | RegExp) => window.page.getByRole('button', { name, exact: typeof name === 'string' }).filter({ visible: true }).first()
const press = (window: Window, name: string | RegExp): Promise<void> => button(window, name).click({ timeout: 15_000 })
const scrollDialog = (window: Window, to: 'end' | 'start'): Promise<void> =>
  window.page.evaluate((where) => {
    for (const node of document.querySelectorAll('[role=dialog], [role=dialog] *')) if (node.scrollHeight > node.clientHeight + 4) node.scrollTo(0, where === 'end' ? node.scrollHeight : 0)
  }, to)
const scrollPage = (window: Window, px: number): Promise<void> => window.page.evaluate((y) => document.querySelector('main')?.scrollTo(0, y), px)

const untilState = async (window: Window, runId: string, states: readonly RunState[], limitMs: number): Promise<RunState> => {
  const until = performance.now() + limitMs
  for (;;) {
    const { state } = valueOf(await window.call('runs.get', { runId })).record
    if (states.includes(state)) return state
    if (performance.now() > until) throw new Error(`the run is ${state}, expected ${states.join(' or ')}`)
    await sleep(500)
  }
}

/** A command as its user types it; what it says is kept beside the pictures. */
const terminal = async (job: Job, window: Window, user: FleetUser, name: string, ...args: string[]): Promise<string> => {
  const { out, text } = await runCtl(job, window, user, args)
  if (name !== '') writeFileSync(join(folder, `cli-${name}.txt`), text)
  const widest = Math.max(...text.split('\n').map((line) => line.length))
  if (widest > 80 && name !== '') say(`agentmemctl ${args.join(' ')}: widest line ${widest}`)
  return out
}

const gb = (bytes: number): string => (bytes / 1024 ** 3).toFixed(2)

/** The same figure from the window, the app and the command line, at one moment as near as can be. */
const crossCheck = async (job: Job, window: Window, user: FleetUser, when: string): Promise<void> => {
  const answered = await terminal(job, window, user, '', 'snapshot', '--json')
  const parsed = snapshotSchema.safeParse(JSON.parse(answered))
  if (!parsed.success) {
    say(`${when}: agentmemctl snapshot answered ${answered.slice(0, 600)}`)
    return
  }
  const taken = parsed.data
  const live = valueOf(await window.call('live.get', {}))
  const shown = await window.page.locator('.hero-number').textContent()
  const { totals } = live
  say(`${when}: window "${shown}", live ${gb(totals.agentsCostBytes)}, command line ${gb(taken.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0))} GB; available live ${gb(totals.availableBytes)}, command line ${gb(taken.machine.memory.availableBytes)}; get back ${gb(totals.couldGetBackBytes.value ?? Number.NaN)}; room ${totals.roomFor.value} then ${totals.roomForAfter.value}; ${totals.couldGetBackBasis}`)
}

const walk = async (job: Job, window: Window): Promise<void> => {
  const { user } = job.fleet
  await shoot(window, 'overview-first')
  await go(window, '#/compare', /No snapshots yet|Two moments/u)
  await shoot(window, 'compare-empty', 'wide')
  await go(window, '#/history', 'No runs yet')
  await shoot(window, 'history-empty', 'small')
  await go(window, '#/journal', /Nothing has happened yet|Search/u)
  await shoot(window, 'journal-empty')
  await go(window, '#/leaks', 'Who grows')
  await shoot(window, 'leaks-empty')
  await go(window, '#/settings', 'Appearance')
  await shoot(window, 'settings')
  await go(window, '#/layers', 'What this machine has')
  await shoot(window, 'layers-off')

  await go(window, '#/overview', 'Largest now')
  const idleFrom = performance.now()
  for (;;) {
    const { agents } = valueOf(await window.call('live.get', {}))
    const busy = agents.filter(({ idleMs }) => (idleMs.value ?? 0) < 62_000)
    if (agents.length === job.fleet.agents.length && busy.length === 0) break
    if (performance.now() - idleFrom > 290_000) throw new Error(`still busy: ${busy.map(({ name }) => name).join(', ')}`)
    await sleep(2_000)
  }
  await window.page.waitForTimeout(3_000)
  await crossCheck(job, window, user, 'idle')
  await shoot(window, 'overview-idle')
  await shoot(window, 'overview-idle-again', 'wide')
  await go(window, '#/agents', 'Claude Code')
  await shoot(window, 'agents')
  await window.page.locator('[role=row] .cell-title').first().click()
  await window.page.waitForTimeout(1_500)
  await shoot(window, 'agent')
  await window.page.keyboard.press('Escape')

  await terminal(job, window, user, 'agents', 'agents')
  await terminal(job, window, user, 'status', 'status')
  await terminal(job, window, user, 'snapshot', 'snapshot')
  await terminal(job, window, user, 'presets', 'presets')
  await terminal(job, window, user, 'help', '--help')
  await terminal(job, window, user, 'runs-none', 'runs')

  await go(window, '#/overview', 'Largest now')
  await press(window, 'More agents')
  await window.page.getByRole('dialog').getByText('Left out').or(window.page.getByText('Paging out idle agents')).first().waitFor({ timeout: 15_000 })
  await shoot(window, 'plan')
  await scrollDialog(window, 'end')
  await shoot(window, 'plan-end')
  await press(window, 'Apply')
  await sleep(1_500)
  await shoot(window, 'progress-first')
  await sleep(12_000)
  await shoot(window, 'progress-later', 'wide')
  const [open] = valueOf(await window.call('runs.list', { limit: 1 }))
  if (open === undefined) throw new Error('no run was started')
  const runId = open.summary.id
  await press(window, 'Close')
  await shoot(window, 'progress-strip')
  await untilState(window, runId, ['settling', 'waiting'], 170_000)
  await shoot(window, 'settling-strip', 'wide')
  await untilState(window, runId, ['waiting'], 170_000)
  await button(window, 'Keep').waitFor({ timeout: 10_000 })
  await window.page.waitForTimeout(800)
  await shoot(window, 'waiting-strip')
  await press(window, 'Details')
  await window.page.getByText('Steps').first().waitFor({ timeout: 10_000 })
  await shoot(window, 'waiting-run')
  await press(window, 'Keep')
  await untilState(window, runId, ['kept'], 20_000)
  await window.page.waitForTimeout(1_500)
  await shoot(window, 'kept-run')
  await scrollPage(window, 620)
  await shoot(window, 'kept-run-middle')
  await scrollPage(window, 99_999)
  await shoot(window, 'kept-run-end', 'wide')

  await go(window, '#/overview', 'Largest now')
  await window.page.waitForTimeout(6_000)
  await crossCheck(job, window, user, 'kept')
  await shoot(window, 'overview-kept')
  await shoot(window, 'overview-kept-again', 'wide')
  await go(window, '#/agents', 'Claude Code')
  await shoot(window, 'agents-kept')
  await go(window, '#/layers', 'What this machine has')
  await shoot(window, 'layers-on')
  await go(window, '#/compare', /less for the same agents|No change|more for the same/u)
  await shoot(window, 'compare')
  await shoot(window, 'compare-again', 'wide')
  await scrollPage(window, 560)
  await shoot(window, 'compare-down')
  await go(window, '#/history', 'Events')
  await shoot(window, 'history')

  const stage = { page: window.page, shoot: (name: string) => shoot(window, name), say }
  await walkDiagnosis(stage)
  await walkLeaks(stage)
  await walkJournal(stage)
  for (const name of ['memory-diagnose', 'leaks', 'journal'] as const) await terminal(job, window, user, name, name)

  for (const format of reportFormatSchema.options) {
    const made = valueOf(await window.call('report.make', { subject: { of: 'run', runId }, format, private: false }))
    writeFileSync(join(folder, `report.${format}`), Buffer.from(made.base64, 'base64'))
  }
  await terminal(job, window, user, 'runs', 'runs')
  await terminal(job, window, user, 'agents-kept', 'agents')
  await terminal(job, window, user, 'snapshot-kept', 'snapshot')
  await terminal(job, window, user, 'status-kept', 'status')
  await terminal(job, window, user, 'plan', 'plan', 'balanced')
  const [newest, older] = valueOf(await window.call('snapshots.list', { limit: 2 }))
  if (newest !== undefined && older !== undefined) await terminal(job, window, user, 'compare', 'compare', String(older.id), String(newest.id))

  await go(window, `#/history/run/${runId}`, 'All runs')
  await press(window, 'Undo')
  await sleep(900)
  await shoot(window, 'undoing')
  await untilState(window, runId, ['undone', 'partly-undone'], 150_000)
  await window.page.waitForTimeout(1_500)
  await shoot(window, 'undone-run')
  await go(window, '#/overview', 'Largest now')
  await window.page.waitForTimeout(3_000)
  await shoot(window, 'overview-undone')
  await go(window, '#/history', 'Events')
  await shoot(window, 'history-end', 'wide')
  await terminal(job, window, user, 'undo-nothing', 'undo')
}

/** What somebody sees who may not change anything, and has no agent yet. */
const walkDenied = async (job: Job, window: Window): Promise<void> => {
  await shoot(window, 'no-agents')
  await press(window, 'More agents')
  await button(window, 'Apply').waitFor({ timeout: 15_000 })
  await press(window, 'Apply')
  await window.page.waitForTimeout(2_500)
  await shoot(window, 'denied')
  await terminal(job, window, job.denied, 'denied', 'apply', 'everything-off', '--yes')
}

/** The report as its reader sees it. */
const shootReports = async (browser: Awaited<ReturnType<typeof launchChromium>>): Promise<void> => {
  const looks = [
    { id: 'light', colorScheme: 'light', width: 1200 },
    { id: 'dark', colorScheme: 'dark', width: 1200 },
    { id: 'narrow', colorScheme: 'light', width: 420 },
  ] as const
  for (const look of looks) {
    const page = await browser.newPage({ viewport: { width: look.width, height: 1000 }, colorScheme: look.colorScheme })
    await page.goto(`file://${join(folder, 'report.html')}`)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (wide > 0) say(`the report runs ${wide} px out of a window ${look.width} px wide`)
    await page.screenshot({ path: join(folder, `report-${look.id}.png`), fullPage: true })
    await page.close()
  }
  await runCommand('pdftoppm', ['-r', '70', '-png', join(folder, 'report.pdf'), join(folder, 'report-pdf')])
}

const undo: (() => Promise<unknown>)[] = []
const job = await startJob({
  plain: { 'claude-code': 2, 'gemini-cli': 2, opencode: 1 },
  launched: { 'claude-code': 2, 'gemini-cli': 1, opencode: 2 },
  mcp: true,
  projectNames: { 'claude-code': ['web-shop', 'blog', 'invoices', 'game'], 'gemini-cli': ['docs', 'weather', 'recipes'], opencode: ['chess', 'budget', 'maps'] },
})
const browser = await launchChromium()
try {
  say(`${job.fleet.agents.length} agents at their prompts`)
  const window = await openWindow(job, browser, job.fleet.user, { viewport: sizes.wide, undo, say })
  await walk(job, window).catch(async (error: unknown) => {
    await window.page.screenshot({ path: join(folder, 'failed.png') })
    throw error
  })
  for (const complaint of window.complaints) say(`the page complained: ${complaint}`)
  const again = performance.now()
  await window.page.goto(`${window.origin}/#/overview`)
  await window.page.reload()
  await window.page.locator('.hero-number .big-value').waitFor()
  say(`${Math.round(performance.now() - again)} ms from opening it again to the large number`)
  const denied = await openWindow(job, browser, job.denied, { viewport: sizes.wide, undo, say })
  await walkDenied(job, denied)
  await shootReports(browser)
} finally {
  await browser.close()
  await job.stop()
  for (const step of undo) await step()
}
say(`pictures are in ${folder}`)
