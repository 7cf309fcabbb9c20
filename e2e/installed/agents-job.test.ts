import { existsSync } from 'node:fs'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Preset } from '../../helper/contract/presets.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import { isAlive } from '../fixtures/fleet/fleet.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { launchChromium } from '../mocked/browser.ts'
import { frozenGroups } from './chaos.ts'
import { startJob, valueOf, waitForRun, type Job } from './job.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { makePressure, pressureProblem } from './pressure.ts'
import { readSettings } from './settings-files.ts'
import { projectDir, worldProblem } from './world.ts'

const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc', 'chromium', 'python3']) ?? worldProblem() ?? pressureProblem()
const ADDRESS = /http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/u
const MIB = 1024 * 1024

/** Every cgroup folder of the v2 hierarchy. */
const cgroupFolders = async (): Promise<string[]> => {
  const mount = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified'
  const found = await readdir(mount, { recursive: true, withFileTypes: true })
  return found.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name)).toSorted()
}

/** Pictures of pages with real data, light and dark, narrow and wide: build/installed/pages. */
const shoot = async (page: Page, pages: readonly string[]): Promise<void> => {
  for (const name of pages) {
    await page.evaluate((to) => { location.hash = `#/${to}` }, name)
    for (const [theme, width] of [['light', 1440], ['dark', 900]] as const) {
      await page.emulateMedia({ colorScheme: theme })
      await page.setViewportSize({ width, height: width === 900 ? 600 : 900 })
      await page.waitForTimeout(800)
      await page.screenshot({ path: join(projectDir, 'build/installed/pages', `${name}-${theme}-${width}.png`) })
    }
  }
}

/** Where a process is in every hierarchy. */
const cgroupsOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/cgroup`, 'utf8')

describe.skipIf(reason !== null)(`agents suspended from the window, woken by typing, watched and given back${reason === null ? '' : ` (${reason})`}`, () => {
  let job: Job
  let app: Awaited<ReturnType<Job['openApp']>>
  let browser: Browser
  let page: Page
  let settings: Record<string, string>
  let folders: string[]
  let places: Map<number, string>

  const registry = async (): Promise<Registry> => valueOf(await app.call('lifecycle.get', {}))
  const stateOf = async (pid: number): Promise<string> => {
    const { agents } = valueOf(await app.call('live.get', {}))
    return agents.find((agent) => agent.pid === pid)?.state ?? 'unknown'
  }

  beforeAll(async () => {
    job = await startJob({ plain: { 'claude-code': 2, 'gemini-cli': 1, opencode: 1 }, launched: {} })
    settings = await readSettings()
    // Only now is the machine ours alone.
    folders = await cgroupFolders()
    places = new Map(await Promise.all(job.fleet.agents.map(async ({ main }): Promise<[number, string]> => [main.pid, await cgroupsOf(main.pid)])))
    app = await job.openApp(job.fleet.user, 'app')
    const command = await job.start(job.fleet.user, app.folder, 'electron/cli/agentmemctl.ts', ['open'])
    let printed = ''
    command.child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    await command.ended
    browser = await launchChromium()
    page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage()
    await page.goto(ADDRESS.exec(printed + command.log())?.[0] ?? '')
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    await job?.stop()
  }, 180_000)

  test('hooks go into the settings of the user, beside what was there', async () => {
    await writeFile(join(app.folder, 'home', '.bashrc'), 'alias l=ls\n')
    await runCommand('chown', [`${job.fleet.user.uid}:${job.fleet.user.gid}`, join(app.folder, 'home', '.bashrc')])
    const { fixes } = valueOf(await app.call('fixes.get', {}))
    expect(fixes.map(({ id }) => id)).toEqual(expect.arrayContaining(['hooks-claude-code', 'gemini-no-relaunch']))
    for (const fix of fixes.filter(({ id }) => id === 'hooks-claude-code' || id === 'gemini-no-relaunch')) {
      expect(fix.state).toBe('offered')
      expect(valueOf(await app.call('fixes.apply', { id: fix.id, digest: fix.digest })).state).toBe('applied')
    }
    expect(await readFile(join(app.folder, 'home', '.claude', 'settings.json'), 'utf8')).toContain('agentmem-hook')
    // The launcher that stays for nothing is known by its cost.
    const relaunch = fixes.find(({ id }) => id === 'gemini-no-relaunch')
    expect(relaunch?.agents).toHaveLength(1)
  })

  test('compressed swap is set up first: without any, suspending says what is missing', async () => {
    const ability = (await registry()).suspend
    expect(ability.how === null ? ability.text : '').toMatch(/swap/iu)
    const own: Preset = { version: 1, id: 'swap-only', title: 'Swap only', description: '', settleMs: 0, confirmMs: 60_000, settings: { compressedSwap: { mode: 'zram', compressors: ['lz4', 'lzo-rle'], sizePercentOfMemory: 50 } } }
    valueOf(await app.call('presets.save', { preset: own }))
    const plan = valueOf(await app.call('plan.make', { presetId: own.id, agentIds: null }))
    const { runId } = valueOf(await app.call('run.apply', { presetId: own.id, digest: plan.plan.digest, agentIds: null }))
    await waitForRun(app, runId, ['waiting'], 60_000)
    valueOf(await app.call('run.keep', { runId }))
    await vi.waitFor(async () => expect((await registry()).suspend.how).not.toBeNull(), { timeout: 30_000, interval: 1_000 })
  })

  test('the window suspends the idle ones and shows what was won', { timeout: 400_000 }, async () => {
    await vi.waitFor(async () => {
      const { entries } = await registry()
      expect(entries.filter(({ state, activity }) => state !== 'gone' && !activity.idle).map(({ id, activity }) => `${id} ${activity.reasons.map(({ text }) => text).join()}`)).toEqual([])
      expect(entries.filter(({ state }) => state !== 'gone')).toHaveLength(job.fleet.agents.length)
    }, { timeout: 240_000, interval: 2_000 })
    await page.evaluate(() => { location.hash = '#/overview' })
    await page.getByRole('button', { name: /^Suspend \d+ idle/u }).click()
    await page.getByRole('dialog').getByRole('button', { name: /^Suspend( \d+ agents)?$/u }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click({ timeout: 120_000 })
    const { entries } = await registry()
    const suspended = entries.filter(({ state }) => state === 'suspended')
    expect(suspended).toHaveLength(job.fleet.agents.length)
    const won = suspended.reduce((sum, entry) => sum + (entry.suspension?.wonBytes ?? 0), 0)
    expect(won).toBeGreaterThan(200 * MIB)
    await vi.waitFor(async () => expect((await registry()).guard).toMatchObject({ running: true, agents: job.fleet.agents.length }), { timeout: 30_000, interval: 500 })
    expect(await frozenGroups(job.fleet.user.uid)).toHaveLength(job.fleet.agents.length)
    // The panel's figure is the sum of these, as the window writes sizes.
    const shown = await page.locator('.suspended .big-value').innerText()
    const value = Number(/[\d.]+/u.exec(shown)?.[0] ?? Number.NaN) * (shown.includes('GB') ? 1e9 : 1e6)
    expect(Math.abs(value - won) / won).toBeLessThan(0.2)
    await shoot(page, ['overview', 'agents', 'leftovers', 'fixes', 'history', 'settings'])
    process.stdout.write(`\nsuspended ${suspended.length} agents, won ${Math.round(won / MIB)} MiB; the window says ${shown.replaceAll('\n', ' ')}\n`)
  })

  test('a key typed into one wakes that one, at once, and the others sleep on', { timeout: 60_000 }, async () => {
    const [agent] = job.fleet.agents
    if (agent === undefined) throw new Error('no agent')
    const before = await job.fleet.capture(agent.pane)
    await job.fleet.typeKey(agent.pane, 'q')
    await vi.waitFor(async () => expect(await job.fleet.capture(agent.pane)).not.toBe(before), { timeout: 10_000, interval: 50 })
    await vi.waitFor(async () => {
      const entry = (await registry()).entries.find(({ id }) => id.split(':')[1] === String(agent.main.pid))
      expect(entry?.transitions.at(-1)).toMatchObject({ from: 'suspended', cause: 'key' })
    }, { timeout: 20_000, interval: 500 })
    expect(await frozenGroups(job.fleet.user.uid)).toHaveLength(job.fleet.agents.length - 1)
    expect(await stateOf(agent.main.pid)).not.toBe('suspended')
  })

  test('under pressure the guard takes an open run back by itself, and says so', { timeout: 180_000 }, async () => {
    const plan = valueOf(await app.call('plan.make', { presetId: 'layer-ksm-on', agentIds: null }))
    const { runId } = valueOf(await app.call('run.apply', { presetId: 'layer-ksm-on', digest: plan.plan.digest, agentIds: null }))
    await vi.waitFor(async () => expect((await readFile('/sys/kernel/mm/ksm/run', 'utf8')).trim()).toBe('1'), { timeout: 30_000, interval: 100 })
    const pressure = await makePressure()
    try {
      await vi.waitFor(async () => expect((await readFile('/sys/kernel/mm/ksm/run', 'utf8'))).toBe(settings['/sys/kernel/mm/ksm/run']), { timeout: 90_000, interval: 200 })
    } finally {
      await pressure.stop()
    }
    const run = await waitForRun(app, runId, ['undone', 'partly-undone'], 60_000)
    expect(run.record).toMatchObject({ state: 'undone', undoCause: 'watchdog' })
    await vi.waitFor(async () => expect((await registry()).guard?.words.map(({ what }) => what)).toContain('pressure'), { timeout: 45_000, interval: 500 })
    // Undoing must not cause what it is meant to prevent: the idle ones sleep on.
    expect(await frozenGroups(job.fleet.user.uid)).toHaveLength(job.fleet.agents.length - 1)
  })

  test('uninstalling gives back every cgroup, hook and setting', { timeout: 180_000 }, async () => {
    for (const id of ['hooks-claude-code', 'gemini-no-relaunch']) valueOf(await app.call('fixes.undo', { id }))
    expect(existsSync(join(app.folder, 'home', '.claude', 'settings.json'))).toBe(false)
    expect(await readFile(join(app.folder, 'home', '.bashrc'), 'utf8')).toBe('alias l=ls\n')
    await job.helper.uninstall()
    await vi.waitFor(async () => {
      expect(await frozenGroups(job.fleet.user.uid)).toEqual([])
      expect(await cgroupFolders()).toEqual(folders)
    }, { timeout: 30_000, interval: 500 })
    for (const agent of job.fleet.agents) {
      expect(await isAlive(agent), agent.kind).toBe(true)
      expect(await cgroupsOf(agent.main.pid)).toBe(places.get(agent.main.pid))
    }
    await sleep(500)
    expect(await readSettings(Object.keys(settings))).toEqual(settings)
  })
})
