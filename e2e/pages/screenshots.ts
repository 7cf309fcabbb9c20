import { mkdirSync } from 'node:fs'
import { launchChromium, open } from '../mocked/browser.ts'
import { scenarios, type ScenarioName } from '../mocked/scenarios.ts'

/** Pictures of every page for looking at: node e2e/pages/screenshots.ts [NAME FILTER]. */
const folder = new URL('../../build/screenshots/', import.meta.url).pathname
mkdirSync(folder, { recursive: true })

interface Shot {
  name: string
  hash: string
  scenario?: ScenarioName
  /** Clicked in order before the picture. */
  click?: readonly string[]
}

const shots: readonly Shot[] = [
  { name: 'overview', hash: '#/overview' },
  { name: 'agents', hash: '#/agents' },
  { name: 'layers', hash: '#/layers' },
  { name: 'compare', hash: '#/compare' },
  { name: 'history', hash: '#/history' },
  { name: 'settings', hash: '#/settings' },
  { name: 'preset', hash: '#/overview', click: ['role=button[name="More agents"]'] },
  { name: 'waiting', hash: '#/overview', scenario: 'waiting' },
  { name: 'agent', hash: '#/agents', click: ['[role=row] >> text=web-shop'] },
  { name: 'run', hash: '#/history', click: ['role=link[name=/More agents/] >> nth=0'] },
  { name: 'empty', hash: '#/overview', scenario: 'empty' },
  { name: 'install', hash: '#/settings', scenario: 'noHelper', click: ['role=button[name="Install…"]'] },
  { name: 'editor', hash: '#/settings', click: ['role=button[name="New"]'] },
  { name: 'no-helper', hash: '#/settings', scenario: 'noHelper' },
]

const sizes = [
  { id: '900', width: 900, height: 600 },
  { id: '1440', width: 1440, height: 900 },
  { id: '2560', width: 2560, height: 1440 },
] as const

const filter = new RegExp(process.argv[2] ?? '.', 'u')
const browser = await launchChromium()
for (const shot of shots)
  for (const theme of ['light', 'dark'] as const)
    for (const size of sizes) {
      const name = `${shot.name}-${theme}-${size.id}`
      if (!filter.test(name)) continue
      const opened = await open(browser, scenarios[shot.scenario ?? 'full'], { hash: shot.hash, theme, width: size.width, height: size.height })
      for (const target of shot.click ?? []) await opened.page.locator(target).first().click({ timeout: 5000 })
      // Charts are drawn a frame after their data came.
      await opened.page.waitForTimeout(700)
      await opened.page.screenshot({ path: `${folder}${name}.png` })
      const complaints = opened.complaints()
      console.log(`${name}${complaints.length === 0 ? '' : ` COMPLAINTS ${complaints.join(' | ')}`}`)
      await opened.close()
    }
await browser.close()
