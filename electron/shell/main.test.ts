import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/**
 * The wiring without Electron's binary: a stand-in records what the shell asks
 * of it, and a script plays the window. What only the real one can show
 * (panels, menus, sandbox) is not claimed here.
 */
const STAND_IN = `
import { EventEmitter } from 'node:events'
export const told = []
const tell = (what, value) => { told.push({ what, value }) }
class Named extends EventEmitter {}
export const app = Object.assign(new Named(), { requestSingleInstanceLock: () => true, whenReady: async () => {}, quit: () => { app.emit('before-quit'); app.emit('will-quit') }, exit: (code) => process.exit(code) })
export const handlers = new Map()
export const ipcMain = { handle: (name, handler) => { handlers.set(name, handler) } }
export const protocol = { registerSchemesAsPrivileged: (list) => { tell('schemes', list) }, handle: (scheme, handler) => { handlers.set(scheme, handler) } }
export const session = { defaultSession: { setPermissionRequestHandler: (f) => { handlers.set('permission', f) }, setPermissionCheckHandler: () => {} } }
export const shell = { openExternal: async (url) => { tell('opened', url) } }
export const Menu = { buildFromTemplate: (items) => items, setApplicationMenu: (items) => { tell('menu', items.length) } }
export class Tray extends Named { constructor(icon) { super(); tell('tray', icon) } setImage() {} setToolTip() {} setContextMenu() {} isDestroyed() { return false } destroy() {} }
export class Notification extends Named { static isSupported() { return true } constructor(o) { super(); tell('notification', o) } show() {} }
export const windows = []
export class BrowserWindow extends Named {
  static getFocusedWindow() { return null }
  constructor(options) {
    super()
    tell('window', options)
    windows.push(this)
    this.webContents = Object.assign(new Named(), { setWindowOpenHandler: (f) => { handlers.set('open', f) }, isDestroyed: () => false, send: (name, payload) => { tell('sent', name) } })
  }
  async loadURL(url) { tell('load', url) }
  show() { tell('shown'); this.emit('show') } hide() { tell('hidden'); this.emit('hide') } focus() {} isMinimized() { return false } restore() {}
}
`
const PLAY = `
import { app, handlers, told, windows } from 'electron'
await import(process.env.SHELL_MAIN)
const until = async (good) => { for (let i = 0; i < 200 && !good(); i += 1) await new Promise((r) => setTimeout(r, 50)) }
await until(() => windows.length > 0 && handlers.has('call'))
const own = { senderFrame: { url: 'agentmem://window/#/agents' } }
const call = handlers.get('call')
windows[0].emit('ready-to-show')
await until(() => told.some((one) => one.what === 'sent' && one.value === 'event:live'))
const navigated = { url: 'https://example.org/', prevented: false, preventDefault() { this.prevented = true } }
windows[0].webContents.emit('will-navigate', navigated)
const closing = { prevented: false, preventDefault() { this.prevented = true } }
windows[0].emit('close', closing)
const livesAt = () => told.filter((one) => one.value === 'event:live').length
const livesWhenHidden = livesAt()
await new Promise((r) => setTimeout(r, 2_500))
const livesAfterHidden = livesAt()
const permission = (name) => { let answer; handlers.get('permission')(null, name, (value) => { answer = value }); return answer }
const result = {
  own: await call(own, 'settings.get', {}),
  foreign: await call({ senderFrame: { url: 'https://example.org/' } }, 'settings.get', {}),
  gone: await call({ senderFrame: null }, 'settings.get', {}),
  unknown: await call(own, 'constructor', {}),
  bad: await call(own, 'run.keep', { runId: 1 }),
  outside: (await handlers.get('agentmem')({ url: 'agentmem://window/../../etc/passwd' })).status,
  elsewhere: (await handlers.get('agentmem')({ url: 'agentmem://other/index.html' })).status,
  popup: [handlers.get('open')({ url: 'https://docs.kernel.org/' }), handlers.get('open')({ url: 'file:///etc/passwd' })],
  navigated: navigated.prevented,
  hiddenInTray: closing.prevented,
  permissions: [permission('clipboard-sanitized-write'), permission('camera')],
  livesWhenHidden, livesAfterHidden,
  told,
}
process.stdout.write(JSON.stringify(result))
app.quit()
setTimeout(() => process.exit(0), 500)
`
const HOOK = `
import { registerHooks } from 'node:module'
registerHooks({ resolve: (name, context, next) => (name === 'electron' ? { url: process.env.STAND_IN, shortCircuit: true } : next(name, context)) })
`

interface Played {
  [name: string]: unknown
  told: { what: string; value?: unknown }[]
}
let folder = ''
let played: Played
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-shell-'))
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  for (const [name, text] of [['electron.mjs', STAND_IN], ['play.mjs', PLAY], ['hook.mjs', HOOK]] as const) writeFileSync(join(folder, name), text)
  const child = spawn(process.execPath, ['--import', join(folder, 'hook.mjs'), join(folder, 'play.mjs')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env, HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'),
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${folder}/none`, DBUS_SESSION_BUS_ADDRESS: `unix:path=${folder}/none`,
      STAND_IN: `file://${join(folder, 'electron.mjs')}`, SHELL_MAIN: join(import.meta.dirname, 'main.ts'),
    },
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  const code = await new Promise((resolve) => { child.on('close', resolve) })
  expect(code).toBe(0)
  played = JSON.parse(text) as Played
}, 30_000)
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })
const valueOf = (what: string): unknown => played.told.find((one) => one.what === what)?.value

describe('the shell, wired', () => {
  it('opens one sandboxed window on its own scheme', () => {
    expect(valueOf('load')).toBe('agentmem://window/')
    expect(valueOf('window')).toMatchObject({ webPreferences: { sandbox: true, contextIsolation: true, nodeIntegration: false, preload: expect.stringMatching(/preload\.cjs$/u) } })
    expect(played.told.filter((one) => one.what === 'window')).toHaveLength(1)
  })
  it('answers its own page and refuses every other sender', () => {
    expect(played['own']).toMatchObject({ ok: true, value: { settings: { version: 1 } } })
    for (const name of ['foreign', 'gone']) expect(played[name]).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
    for (const name of ['unknown', 'bad']) expect(played[name]).toMatchObject({ ok: false, error: { code: 'bad-request' } })
  })
  it('sends live figures to the window as long as it is seen', () => {
    expect(played['livesWhenHidden']).toBeGreaterThan(0)
    expect(played['livesAfterHidden']).toBe(played['livesWhenHidden'])
  })
  it('serves nothing but the window, and leads nowhere else', () => {
    expect(played).toMatchObject({ outside: 404, elsewhere: 404, popup: [{ action: 'deny' }, { action: 'deny' }], navigated: true, permissions: [true, false] })
    expect(played.told.filter((one) => one.what === 'opened')).toEqual([{ what: 'opened', value: 'https://docs.kernel.org/' }])
  })
  it('has a menu, and a tray into which the window closes', () => {
    expect(valueOf('tray')).toMatch(/tray-calm\.png$/u)
    expect(valueOf('menu')).toBe(4)
    expect(played['hiddenInTray']).toBe(true)
  })
})
