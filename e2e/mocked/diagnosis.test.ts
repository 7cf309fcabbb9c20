import { describe, expect, it } from 'vitest'
import { button, gone, overflow, press, seen } from './look.ts'
import { scenarios } from './scenarios.ts'
import { serious, useWindows } from './windows.ts'

const { start, asked } = useWindows()
const diagnosis = { hash: '#/diagnosis' }
const leaks = { hash: '#/leaks' }
const STALLS = { rule: 'pressure.direct-reclaim', subject: '' }
const toggle = /^Warning: There is no swap/u

describe('diagnosis', () => {
  it('says how many things there are, the severest open with its evidence, limit, course and source', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await seen(page, 'things keep memory from being used well')
    expect(await page.locator('.page-lead .big-value').innerText()).toBe('3')
    expect(await page.locator('.finding-group-title').allInnerTexts()).toEqual(['Now', 'Soon', 'Could be better', 'Good to know'])
    const evidence = page.getByRole('list', { name: 'Evidence' })
    expect(await evidence.count()).toBe(1)
    expect(await evidence.locator('li').first().innerText()).toMatch(/Stops to make room\s+214\sa second\s+above 10\sa second\s+\/proc\/vmstat allocstall_normal/u)
    expect(await evidence.locator('svg.spark').count()).toBe(3)
    // A look that lacked the figure leaves a gap: two lines, not one through it.
    expect(await evidence.locator('li').first().locator('polyline').count()).toBe(2)
    await page.locator('a.rail-link', { hasText: 'Diagnosis' }).getByText('3').waitFor()
  })

  it('puts what helped here before first, with date, gain and the note', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    const first = page.locator('.solution').first()
    await first.waitFor()
    expect((await first.innerText()).replaceAll('\u00a0', ' ')).toMatch(/Begin to make room earlier\s+Tried on \d+ \w+( \d+)?: won 1\.2 GB, kept\s+“typing is smooth again”\s+Tried on \d+ \w+( \d+)?: won 102 MB, undone/u)
    expect(await page.locator('.solution').count()).toBe(3)
    expect(await first.locator('dt').allInnerTexts()).toEqual(['Costs', 'Side effects', 'Touches', 'Way back'])
  })

  it('opens and closes by keyboard, and opens what the address names', async () => {
    const { page } = await start(scenarios.full, { hash: '#/diagnosis/swap.none' })
    await seen(page, 'Turn on compressed swap (zram)')
    expect(await page.getByRole('button', { name: /^Critical/u }).getAttribute('aria-expanded')).toBe('false')
    await page.getByRole('button', { name: toggle }).focus()
    await page.keyboard.press('Enter')
    expect(await page.getByRole('button', { name: toggle }).getAttribute('aria-expanded')).toBe('false')
    await page.keyboard.press('Space')
    await seen(page, /Tried on .*: it failed/u)
  })

  it('a solution is tried only after its plan was seen, and is kept from the dialog', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await press(page, /^Try… Begin to make room earlier/u)
    await seen(page, 'Begin to make room earlier: what will happen')
    await seen(page, '/proc/sys/vm/watermark_scale_factor')
    expect(asked('diagnosis.try')).toEqual([{ ...STALLS, solution: 'raise-watermark' }])
    expect(asked('run.apply')).toEqual([])
    await press(page, 'Apply')
    await seen(page, 'Programs wait less for memory')
    await press(page, 'Keep')
    await seen(page, /^Kept/u)
    expect(asked('run.apply')).toMatchObject([{ presetId: 'try-pressure-direct-reclaim-raise-watermark', agentIds: null }])
    expect(asked('plan.make')).toEqual([])
  })

  it('closed meanwhile, the bar under the page goes on and undoes', async () => {
    const { page } = await start({ ...scenarios.full, stepMs: 400 }, diagnosis)
    await press(page, /^Try… Begin to make room earlier/u)
    await press(page, 'Apply')
    await press(page, 'Close')
    const strip = page.getByRole('region', { name: 'Run' }).or(page.locator('.strip'))
    await strip.first().waitFor()
    await button(page, 'Undo').click({ timeout: 10_000 })
    await seen(page, /^Undone/u)
    expect(asked('run.undo')).toHaveLength(1)
  })

  it('a solution that is a preset is planned as that preset', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await press(page, /^Try… Page out idle agents/u)
    await seen(page, 'Page out idle agents: what will happen')
    await press(page, 'Apply')
    await button(page, 'Keep').waitFor()
    expect(asked('run.apply')).toMatchObject([{ presetId: 'more-agents' }])
  })

  it('what is not found any more says so, and nothing is applied', async () => {
    const { page } = await start(scenarios.findingGone, diagnosis)
    await press(page, /^Try… Begin to make room earlier/u)
    await seen(page, /This is not found any more/u)
    expect(await button(page, 'Apply').isDisabled()).toBe(true)
  })

  it('what comes and goes says when it was found, and can be tried', async () => {
    const { page } = await start(scenarios.findingAway, diagnosis)
    await press(page, /^Try… Begin to make room earlier/u)
    await seen(page, /^Found \d\d\u00a0s ago, not at this moment/u)
    await press(page, 'Apply')
    await button(page, 'Keep').waitFor()
  })

  it('without the helper a try is a simulation', async () => {
    const { page } = await start(scenarios.noHelper, diagnosis)
    await press(page, /^Try… Begin to make room earlier/u)
    await seen(page, 'Simulation')
    await button(page, 'Install the helper').waitFor()
  })

  it('leads to the page where something is done, and gives commands to copy', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await page.getByRole('button', { name: toggle }).click()
    await seen(page, /sudo mkswap \/swapfile/u)
    await button(page, 'Copy').waitFor()
    await press(page, /^Open Agents: Run fewer agents/u)
    await seen(page, 'web-shop')
  })

  it('what was done by hand is said, with what came of it, and stands beside it from then on', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await page.getByRole('button', { name: toggle }).click()
    await press(page, /^I did this: Add a swap file by hand/u)
    await page.getByRole('radio', { name: 'It won nothing' }).click()
    await page.getByRole('textbox', { name: 'Note on: Add a swap file by hand' }).fill('the disk is slow')
    await press(page, 'Write it down')
    await seen(page, 'the disk is slow')
    expect(asked('journal.did')).toEqual([{ rule: 'swap.none', subject: '', solution: 'swap-file', outcome: 'no-gain', note: 'the disk is slow' }])
    expect(await serious(page)).toEqual([])
    // What the program does itself, nobody has to say.
    expect(await page.getByRole('button', { name: /^I did this: Begin to make room earlier/u }).count()).toBe(0)
  })

  it('many are filtered, by the slash key too', async () => {
    const { page } = await start(scenarios.manyFindings, diagnosis)
    await seen(page, 'Finding 48 of many')
    expect(await page.locator('.page-lead .big-value').innerText()).toBe('36')
    await page.keyboard.press('/')
    await page.keyboard.type('advice 31')
    await seen(page, 'Finding 31 of many')
    expect(await page.locator('.finding').count()).toBe(1)
    await page.keyboard.type(' nowhere')
    await seen(page, /None of the 48 findings/u)
  })

  it('teaches what goes on where nothing was found', async () => {
    const { page } = await start(scenarios.empty, diagnosis)
    await seen(page, 'Nothing found')
    await seen(page, /6 rules looked at pressure/u)
    expect(await page.locator('a.rail-link', { hasText: 'Diagnosis' }).innerText()).toBe('Diagnosis')
  })

  it('says while it looks for the first time that it does, and what failed', async () => {
    const slow = await start(scenarios.diagnosisSlow, diagnosis)
    await seen(slow.page, 'Looking…')
    await slow.page.getByRole('status', { name: 'Loading' }).waitFor()
    const { page } = await start(scenarios.diagnosisFails, diagnosis)
    await seen(page, 'Not available')
    await seen(page, /\/proc could not be read/u)
  })

  it('names what could not be looked at and what the kernel can do', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await page.getByText('2\u00a0rules could not look').click()
    await seen(page, '/proc/slabinfo: only root may read it')
    await page.getByText('6\u00a0rules looked and found nothing wrong').click()
    await seen(page, 'numa.imbalance')
    const rows = page.locator('table.kernel-features tbody tr')
    expect(await rows.count()).toBe(4)
    await page.getByRole('radio', { name: 'All 5' }).click()
    expect(await rows.first().innerText()).toMatch(/memory\.reclaim, Linux 5\.19\s+6\.10: takes swappiness=/u)
  })
})

describe('looking deeper', () => {
  it('shows the exact lines, what is missing for them, and runs one where it is there', async () => {
    const { page } = await start(scenarios.full, diagnosis)
    await page.getByText('Look deeper').click()
    expect(await page.locator('.deeper-lines > li').count()).toBe(3)
    await seen(page, /bpftrace is not here; it comes with/u)
    const run = page.getByRole('button', { name: /^Run… / })
    expect(await run.count()).toBe(2)
    await run.first().click()
    expect(asked('trace.run')).toEqual([])
    await page.getByLabel('For how long').selectOption('5')
    await press(page, 'Run')
    await page.getByRole('region', { name: 'Result' }).getByRole('cell', { name: '82,360' }).waitFor()
    expect(asked('trace.run')).toMatchObject([{ seconds: 5, process: null }])
    expect(await serious(page)).toEqual([])
  })

  it('the lines are for the process that a finding is about, and so is what is run', async () => {
    const { page } = await start(scenarios.manyFindings, { hash: '#/diagnosis/rule.3/4711:99300' })
    await page.getByText('Look deeper').click()
    await seen(page, /ls \/proc\/4711\/task > set_event_pid/u)
    expect(asked('trace.list')).toEqual([{ pid: 4711 }])
    await press(page, /^Run… Where a program touches new memory/u)
    expect(await page.getByLabel('Whom to look at').innerText()).toBe('process 4711')
    await press(page, 'Run')
    await page.getByRole('region', { name: 'Result' }).waitFor()
    expect(asked('trace.run')).toMatchObject([{ id: 'ftrace.page-faults', process: { pid: 4711, startTimeTicks: 99_300 } }])
  })

  it('says what failed', async () => {
    const { page } = await start(scenarios.noHelper, diagnosis)
    await page.getByText('Look deeper').click()
    await page.getByRole('button', { name: /^Run… / }).first().click()
    await press(page, 'Run')
    await seen(page, /The helper is not installed/u)
  })
})

describe('the page of a run', () => {
  it('says why memory did not fall more', async () => {
    const { page } = await start(scenarios.full, { hash: '#/history' })
    await page.getByRole('link', { name: 'More agents', exact: true }).first().click()
    await seen(page, 'Why memory did not fall more')
    await seen(page, 'What came free became file cache')
    // Each way with what it costs, as everywhere.
    expect(await page.locator('.causes .solution').count()).toBeGreaterThan(1)
  })
})

describe('leaks', () => {
  it('are ranked with verdict and slope, the first with its curve', async () => {
    const { page } = await start(scenarios.full, leaks)
    await seen(page, /an hour lost to 1 leak, 1 more suspected/u)
    expect(await page.locator('.leak-row .tag').allInnerTexts()).toEqual(['Leak', 'Suspected', 'Warm-up', 'Saw-tooth', 'Levels off', 'Too short'])
    await seen(page, /Even its lowest levels rise/u)
    expect(await page.locator('.leak-details canvas').count()).toBe(1)
    await page.getByRole('button', { name: 'Codex ledger' }).click()
    await seen(page, /falls back to the same level 11 times/u)
    expect(await page.locator('.leak-details canvas').count()).toBe(2)
  })

  it('have two ways and more to act beside each that grows without end', async () => {
    const { page } = await start(scenarios.full, leaks)
    await seen(page, /an hour lost to 1 leak/u)
    // The first is open: an agent can be started anew, limited and suspended.
    const ways = (): Promise<string[]> => page.locator('.leak-details .solution-title').allInnerTexts()
    expect(await ways()).toEqual(['End it and start it anew', 'Give it a limit', 'Suspend it while you do not need it'])
    expect(await page.locator('.leak-details .solution-facts').count()).toBe(3)
    await page.getByRole('button', { name: 'node language server' }).click()
    await seen(page, /systemd-run --user --scope/u)
    expect((await ways()).slice(3)).toEqual(['End it and start it anew', 'Start it with a limit from now on'])
    // What only collects garbage needs nothing.
    await page.getByRole('button', { name: 'Codex ledger' }).click()
    await seen(page, /falls back to the same level 11 times/u)
    expect(await ways()).toHaveLength(5)
    await press(page, /^Open Agents: Suspend it/u)
    await seen(page, 'Agents')
    expect(new URL(page.url()).hash).toBe('#/agents')
  })

  it('are asked again with other limits and over another time', async () => {
    const { page } = await start(scenarios.full, leaks)
    await seen(page, /lost to 1 leak/u)
    await page.getByLabel('A leak from').selectOption('100')
    await page.getByLabel('and from').selectOption('25')
    await page.getByRole('radio', { name: '24 h' }).click()
    await expect.poll(() => asked('leaks.get').at(-1)).toMatchObject({ thresholds: { bytesPerHour: 100 * 1024 * 1024, percentPerHour: 25 } })
    const { fromMs } = asked('leaks.get').at(-1) as { fromMs: number }
    expect(Math.round((Date.now() - fromMs) / 3600_000)).toBe(24)
  })

  it('of none say so', async () => {
    const { page } = await start(scenarios.empty, leaks)
    await seen(page, 'No leaks')
    const failing = await start(scenarios.diagnosisFails, leaks)
    await seen(failing.page, 'Not available')
  })
})

describe('every size and theme', () => {
  it.each(['light', 'dark'] as const)('%s: axe finds nothing serious', async (theme) => {
    const first = await start(scenarios.full, { ...diagnosis, theme })
    await first.page.getByRole('button', { name: toggle }).click()
    await seen(first.page, /sudo mkswap/u)
    expect(await serious(first.page)).toEqual([])
    await press(first.page, /^Try… Begin to make room earlier/u)
    await seen(first.page, '/proc/sys/vm/watermark_scale_factor')
    expect(await serious(first.page)).toEqual([])
    const { page } = await start(scenarios.full, { ...leaks, theme })
    await seen(page, /Even its lowest levels rise/u)
    expect(await serious(page)).toEqual([])
  })

  it.each([450, 900, 2560])('%i px: long texts break, nothing scrolls sideways', async (width) => {
    for (const [scenario, hash] of [[scenarios.longFindings, '#/diagnosis'], [scenarios.full, '#/diagnosis'], [scenarios.full, '#/leaks']] as const) {
      const { page } = await start(scenario, { hash, width, height: 600 })
      await page.locator('.panel').first().waitFor()
      expect({ hash, overflow: await overflow(page) }).toEqual({ hash, overflow: 0 })
    }
  })

  it('d, k and j lead to the three pages', async () => {
    const { page } = await start(scenarios.full)
    // Keys are heard once the first page is there.
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    for (const [key, title] of [['d', 'Diagnosis'], ['k', 'Leaks'], ['j', 'Journal']] as const) {
      await page.keyboard.press(key)
      await page.getByRole('heading', { level: 1, name: title }).waitFor()
    }
    await gone(page.getByRole('heading', { level: 1, name: 'Leaks' }))
  })
})
