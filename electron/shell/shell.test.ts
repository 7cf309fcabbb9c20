import { readFileSync, mkdtempSync, rmSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GuardWord } from '../../helper/contract/lifecycle.ts'
import { sampleDelta, sampleRun } from '../app/report/sample-run.ts'
import { sampleSnapshot } from '../app/report/sample.ts'
import { makeLive } from '../app/sampling/live.ts'
import type { Live } from '../contract/views.ts'
import { isOwnPage, isWebLink, WINDOW_ADDRESS } from './address.ts'
import { desktopEntry, quoteExec, setAutostart } from './autostart.ts'
import { notificationText, trayShape, trayText, wordsText } from './words.ts'

const snapshot = sampleSnapshot({ takenAtMs: 0, availableGib: 8, agents: [{ kind: 'claude', title: 'Claude Code', name: 'p', pid: 1, folder: '/p', anonMib: 1000, fileMib: 0 }] })
const live: Live = makeLive({
  atMs: 0, machine: snapshot.machine, agents: snapshot.agents, counts: snapshot.counts, agentsMeasuredAtMs: 0, compressed: null, registry: null, idleAfterMs: 1_000, keepControl: true, progress: null,
  helper: { system: 'ready', session: 'ready', systemVersion: '1', advice: '' },
})

describe('who may call', () => {
  it('is our own page only', () => {
    expect(isOwnPage(WINDOW_ADDRESS)).toBe(true)
    expect(isOwnPage(`${WINDOW_ADDRESS}#/agents`)).toBe(true)
    for (const url of [undefined, '', 'about:blank', 'file:///x/index.html', 'https://window/', 'agentmem://elsewhere/', 'agentmem://window.example.org/', 'data:text/html,x']) expect(isOwnPage(url)).toBe(false)
  })
  it('leads links to the web and nowhere else', () => {
    expect(isWebLink('https://docs.kernel.org/')).toBe(true)
    for (const url of ['http://x.org', 'file:///etc/passwd', 'javascript:1', 'smb://x', 'x']) expect(isWebLink(url)).toBe(false)
  })
})

describe('the tray', () => {
  it('tells states apart by shape', () => {
    expect(trayShape(live)).toBe('calm')
    expect(trayShape(null)).toBe('problem')
    expect(trayShape({ ...live, helper: { ...live.helper, session: 'unreachable' } })).toBe('problem')
    expect(trayShape({ ...live, progress: { runId: '20261121T093005Z-1a2b3c4d', state: 'waiting', fraction: 1, text: '', confirmUntilMs: 1, canCancel: false } })).toBe('waiting')
    const line = { avg10Percent: 12, avg60Percent: 1, avg300Percent: 1, totalUs: 1 }
    expect(trayShape({ ...live, machine: { ...live.machine, memoryPressure: { value: { some: line, full: { value: line } } } } })).toBe('problem')
    for (const shape of ['calm', 'waiting', 'problem']) expect(existsSync(join(import.meta.dirname, `../../assets/icons/tray-${shape}.png`))).toBe(true)
  })
  it('says in one line what is used and what is left', () => {
    expect(trayText(live)).toBe('1 agent uses 1.0 GB, 8.0 GB available')
    const suspended = { ...live, totals: { ...live.totals, suspendedCount: 2, suspendedWonBytes: { value: 300 * 1024 ** 2 } } }
    expect(trayText(suspended)).toBe('1 agent uses 1.0 GB (2 suspended, which won 300 MB), 8.0 GB available')
    expect(trayText({ ...suspended, totals: { ...suspended.totals, suspendedWonBytes: { value: null, reason: 'not-measured' } } })).toContain('(2 suspended), ')
  })
})

describe('the notification', () => {
  const { before: _before, after: _after, ...record } = sampleRun('gain')
  const delta = sampleDelta(sampleRun('gain'))
  it('asks about a run that waits, with gain and noise', () => {
    expect(notificationText({ record: { ...record, state: 'waiting' }, delta })).toEqual({ title: 'More agents: keep it?', body: expect.stringMatching(/^Won \d+(?:\.\d)? [GM]B, give or take \d+(?:\.\d)? [GM]B\. Without an answer it is undone\.$/u) })
  })
  it('claims no gain within the noise, and asks nothing once decided', () => {
    const quiet = { ...delta, total: { ...delta.total, verdict: 'within-noise' as const } }
    expect(notificationText({ record: { ...record, state: 'waiting' }, delta: quiet })?.body).toContain('within the noise')
    expect(notificationText({ record, delta })).toBeNull()
  })
})

describe("the guard's words", () => {
  const word = (what: GuardWord['what'], text: string): GuardWord => ({ atMs: 1, what, text, runId: null, agentId: null, uid: null })
  it('are one notification, and none where an agent only woke', () => {
    expect(wordsText([word('pressure', 'Memory pressure was 42 %; merging was slowed down.')])).toEqual({ title: 'Memory is short', body: 'Memory pressure was 42 %; merging was slowed down.' })
    expect(wordsText([word('undone', 'a'), word('woke', 'b'), word('problem', 'c')])).toEqual({ title: 'A change was taken back, and 1 more', body: 'a\nc' })
    expect(wordsText([word('woke', 'a'), word('thawed', 'b')])).toBeNull()
  })
})

describe('starting at login', () => {
  it('writes an entry that the desktop can run, and takes it away again', () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmem-autostart-'))
    const path = join(folder, 'autostart', 'agentmem.desktop')
    expect(setAutostart(folder, true, ['/opt/a b/app', '--hidden'])).toEqual({ ok: true, value: undefined })
    expect(readFileSync(path, 'utf8')).toContain('Exec="/opt/a b/app" "--hidden"\n')
    expect(setAutostart(folder, false, []).ok).toBe(true)
    expect(existsSync(path)).toBe(false)
    rmSync(folder, { recursive: true })
  })
  it('quotes what a desktop would read otherwise', () => {
    expect(quoteExec('a"b$c`d\\e%f')).toBe(String.raw`"a\"b\$c\`d\\e%%f"`)
    expect(desktopEntry(['x'])).toMatch(/^\[Desktop Entry\]\n/u)
  })
})
