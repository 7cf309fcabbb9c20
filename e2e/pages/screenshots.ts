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
  { name: 'module-layers', hash: '#/layers', scenario: 'moduleMissing' },
  { name: 'module-units', hash: '#/units', scenario: 'moduleLoaded' },
  { name: 'module-plan', hash: '#/layers', click: ['role=button[name="Turn on Kernel module (agentmem.ko)"]'] },
  { name: 'compare', hash: '#/compare' },
  { name: 'history', hash: '#/history' },
  { name: 'settings', hash: '#/settings' },
  { name: 'preset', hash: '#/overview', click: ['role=button[name="More agents"]'] },
  { name: 'waiting', hash: '#/overview', scenario: 'waiting' },
  { name: 'agent', hash: '#/agents', click: ['[role=row] >> text=web-shop'] },
  { name: 'agent-figures', hash: '#/agents', click: ['[role=row] >> text=web-shop', 'text=Every figure of its processes'] },
  { name: 'run', hash: '#/history', click: ['role=link[name=/More agents/] >> nth=0'] },
  { name: 'empty', hash: '#/overview', scenario: 'empty' },
  { name: 'install', hash: '#/settings', scenario: 'noHelper', click: ['role=button[name="Install…"]'] },
  { name: 'editor', hash: '#/settings', click: ['role=button[name="New"]'] },
  { name: 'lived-overview', hash: '#/overview', scenario: 'lived' },
  { name: 'lived-agents', hash: '#/agents', scenario: 'lived' },
  { name: 'selection', hash: '#/agents', scenario: 'lived', click: ['role=checkbox[name="Select opencode exporter"]', 'role=checkbox[name="Select Gemini CLI billing"] >> nth=0'] },
  { name: 'menu', hash: '#/agents', scenario: 'lived', click: ['role=button[name="More for opencode exporter"]'] },
  { name: 'suspend', hash: '#/agents', scenario: 'suspendPartly', click: ['role=checkbox[name="Select all shown"]', 'role=button[name="Suspend…"] >> nth=-1'] },
  { name: 'suspending', hash: '#/overview', scenario: 'suspendSlow', click: ['role=button[name=/Suspend 19 idle/]', 'role=button[name=/^Suspend 19/]'] },
  { name: 'suspended', hash: '#/overview', scenario: 'suspendPartly', click: ['role=button[name=/Suspend 19 idle/]', 'role=button[name=/^Suspend 19/]', 'role=button[name="Done"]'] },
  { name: 'suspend-result', hash: '#/overview', scenario: 'suspendPartly', click: ['role=button[name=/Suspend 19 idle/]', 'role=button[name=/^Suspend 19/]', 'text=Left running'] },
  { name: 'suspend-none', hash: '#/overview', scenario: 'suspendNone', click: ['role=button[name=/Suspend 19 idle/]'] },
  { name: 'drawer-suspended', hash: '#/agents', scenario: 'lived', click: ['[role=row] >> text=web-shop'] },
  { name: 'drawer-states', hash: '#/agents', scenario: 'lived', click: ['[role=row] >> text=api-gateway', 'role=tab[name="States"]'] },
  { name: 'drawer-limits', hash: '#/agents', scenario: 'lived', click: ['[role=row] >> text=web-shop', 'role=tab[name="Limits"]'] },
  { name: 'drawer-protect', hash: '#/agents', scenario: 'lived', click: ['[role=row] >> text=web-shop', 'role=tab[name="Protection"]'] },
  { name: 'leftovers', hash: '#/leftovers', scenario: 'lived' },
  { name: 'reap', hash: '#/leftovers', click: ['role=checkbox[name="Select all"]', 'role=button[name=/^End 4/]'] },
  { name: 'no-leftovers', hash: '#/leftovers', scenario: 'empty' },
  { name: 'fixes', hash: '#/fixes' },
  { name: 'fix', hash: '#/fixes', click: ['role=button[name=/change: Claude Code/]'] },
  { name: 'no-fixes', hash: '#/fixes', scenario: 'empty' },
  { name: 'lived-settings', hash: '#/settings', scenario: 'lived' },
  { name: 'policy-none', hash: '#/settings', scenario: 'suspendNone' },
  { name: 'lived-history', hash: '#/history', scenario: 'lived' },
  { name: 'diagnosis', hash: '#/diagnosis' },
  { name: 'diagnosis-second', hash: '#/diagnosis', click: ['role=button[name=/There is no swap/]', 'role=button[name=/Programs stop/]'] },
  { name: 'diagnosis-long', hash: '#/diagnosis', scenario: 'longFindings' },
  { name: 'diagnosis-many', hash: '#/diagnosis', scenario: 'manyFindings' },
  { name: 'diagnosis-none', hash: '#/diagnosis', scenario: 'empty' },
  { name: 'diagnosis-fails', hash: '#/diagnosis', scenario: 'diagnosisFails' },
  { name: 'protections', hash: '#/diagnosis', scenario: 'empty', click: ['text=What protects memory here'] },
  { name: 'trying', hash: '#/diagnosis', click: ['role=button[name=/^Try… Begin to make room/]'] },
  { name: 'tried', hash: '#/diagnosis', click: ['role=button[name=/^Try… Begin to make room/]', 'role=button[name="Apply"]', 'role=button[name="Keep"]'] },
  { name: 'rates', hash: '#/diagnosis', click: ['role=button[name=/^Try… Begin to make room/]', 'role=button[name="Apply"]', 'role=button[name="Keep"]', 'role=button[name="Close"]', 'role=link[name="History"]', 'role=link[name=/Begin to make room/] >> nth=0'] },
  { name: 'trace', hash: '#/diagnosis', click: ['text=Look deeper', 'role=button[name="Run… Page faults"]'] },
  { name: 'traced', hash: '#/diagnosis', click: ['text=Look deeper', 'role=button[name="Run… Page faults"]', 'role=button[name="Run"]', 'role=cell[name="82,360"]'] },
  { name: 'leaks', hash: '#/leaks' },
  { name: 'leaks-none', hash: '#/leaks', scenario: 'empty' },
  { name: 'journal', hash: '#/journal' },
  { name: 'journal-note', hash: '#/journal', click: ['role=button[name="New note"]'] },
  { name: 'journal-empty', hash: '#/journal', scenario: 'empty' },
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
      for (const target of shot.click ?? []) await opened.page.locator(target).first().click({ timeout: 20_000 })
      // Charts are drawn a frame after their data came.
      await opened.page.waitForTimeout(1200)
      await opened.page.screenshot({ path: `${folder}${name}.png` })
      const complaints = opened.complaints()
      console.log(`${name}${complaints.length === 0 ? '' : ` COMPLAINTS ${complaints.join(' | ')}`}`)
      await opened.close()
    }
await browser.close()
