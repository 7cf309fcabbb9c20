import { join } from 'node:path'
import { BrowserWindow, session, shell } from 'electron'
import type { App } from '../app/app.ts'
import { isOwnPage, isWebLink, WINDOW_ADDRESS } from './address.ts'
import { sendEvents, sendLive } from './calls.ts'

export interface Windows {
  /** Shows the window, making it where there is none; `page` is the part after "#/". */
  show(page?: string): void
  /** From now on closing a window closes it, tray or not. */
  letGo(): void
}

export const createWindows = (app: App, options: { readonly preload: string; readonly icon: string; readonly mayHide: () => boolean }): Windows => {
  let window: BrowserWindow | null = null
  let quitting = false

  // A calm instrument asks for nothing; copying is the one thing the window does with a permission.
  session.defaultSession.setPermissionRequestHandler((_contents, permission, answer) => { answer(permission === 'clipboard-sanitized-write') })
  session.defaultSession.setPermissionCheckHandler((_contents, permission) => permission === 'clipboard-sanitized-write')

  const make = (page: string): BrowserWindow => {
    const made = new BrowserWindow({
      width: 1180,
      height: 780,
      minWidth: 900,
      minHeight: 600,
      show: false,
      title: 'Agent Memory Center',
      icon: options.icon,
      webPreferences: { preload: options.preload, sandbox: true, contextIsolation: true, nodeIntegration: false, webviewTag: false, spellcheck: false },
    })
    const { webContents } = made
    webContents.setWindowOpenHandler(({ url }) => {
      if (isWebLink(url)) shell.openExternal(url).catch((error: unknown) => { console.error(error) })
      return { action: 'deny' }
    })
    webContents.on('will-navigate', (event) => { if (!isOwnPage(event.url)) event.preventDefault() })
    webContents.on('will-attach-webview', (event) => { event.preventDefault() })
    made.once('ready-to-show', () => { made.show() })
    made.on('close', (event) => {
      if (quitting || !options.mayHide()) return
      event.preventDefault()
      made.hide()
    })
    let stopLive: (() => void) | null = null
    const seen = (): void => { stopLive ??= sendLive(app, webContents) }
    const unseen = (): void => {
      stopLive?.()
      stopLive = null
    }
    made.on('show', seen)
    made.on('restore', seen)
    made.on('hide', unseen)
    made.on('minimize', unseen)
    made.on('closed', () => {
      unseen()
      window = null
    })
    sendEvents(app, webContents)
    made.loadURL(`${WINDOW_ADDRESS}${page === '' ? '' : `#/${page}`}`).catch((error: unknown) => { console.error(error) })
    return made
  }

  return {
    show(page = '') {
      if (window === null) {
        window = make(page)
        return
      }
      if (page !== '') window.loadURL(`${WINDOW_ADDRESS}#/${page}`).catch((error: unknown) => { console.error(error) })
      if (window.isMinimized()) window.restore()
      window.show()
      window.focus()
    },
    letGo() {
      quitting = true
    },
  }
}

export const preloadPath = (projectDir: string): string => join(projectDir, 'build', 'shell', 'preload.cjs')
