import { dirname, join } from 'node:path'
import { app as electron, BrowserWindow } from 'electron'
import type { Answer, CallName } from '../contract/channels.ts'
import { createApp } from '../app/app.ts'
import { askApp, listenAsApp } from '../app/app-socket.ts'
import { appPaths } from '../app/paths.ts'
import { setAutostart } from './autostart.ts'
import { answerCalls } from './calls.ts'
import { setMenu } from './menu.ts'
import { notifyRuns, notifyWords } from './notifications.ts'
import { declareScheme, serveWindow } from './protocol.ts'
import { createTray } from './tray.ts'
import { createWindows, preloadPath } from './windows.ts'

/** Wiring only: everything it joins lives in a file of its own. */
const paths = appPaths()
const iconDir = join(paths.projectDir, 'assets', 'icons')
const hidden = process.argv.includes('--hidden')

const start = async (): Promise<void> => {
  const other = await askApp(paths.runtimeDir, { do: 'open' })
  if (other.ok) {
    // The other host: its window, not a second app on the same history.
    console.log(other.value.url ?? 'The app is running already.')
    electron.quit()
    return
  }
  await electron.whenReady()
  const app = createApp()
  let settings = await app.call('settings.get', {})
  const wantsTray = (): boolean => settings.ok && settings.value.settings.tray

  serveWindow(join(paths.projectDir, 'build', 'renderer'))
  answerCalls(app)
  const windows = createWindows(app, { preload: preloadPath(paths.projectDir), icon: join(iconDir, 'icon.png'), mayHide: wantsTray })
  const show = (page = ''): void => { windows.show(page) }
  const quit = (): void => { windows.letGo(); electron.quit() }
  const showFailure = <K extends CallName>(asked: Promise<Answer<K>>): void => {
    asked.then((answer) => { if (!answer.ok) show('history') }, (error: unknown) => { console.error(error) })
  }
  const makeTray = () =>
    createTray(app, iconDir, {
      show,
      keep: (runId) => { showFailure(app.call('run.keep', { runId })) },
      undo: (runId) => { showFailure(app.call('run.undo', { runId })) },
      quit,
    })
  let tray = wantsTray() ? makeTray() : null

  const applySettings = async (): Promise<void> => {
    settings = await app.call('settings.get', {})
    if (wantsTray()) tray ??= makeTray()
    else {
      tray?.close()
      tray = null
    }
    const written = setAutostart(dirname(paths.configDir), settings.ok && settings.value.settings.startAtLogin, [process.execPath, import.meta.filename, '--hidden'])
    if (!written.ok) console.error(written.error.message)
  }
  app.on('changed', ({ what }) => { if (what === 'settings') applySettings().catch((error: unknown) => { console.error(error) }) })
  const looking = { isLooking: () => BrowserWindow.getFocusedWindow() !== null, show }
  notifyRuns(app, looking)
  notifyWords(app, looking)
  setMenu({ show, quit })

  const socket = await listenAsApp(paths.runtimeDir, {
    diagnosis: (leaks) => app.call('diagnosis.get', { leaks }),
    answer: (request) => {
      if (request.do === 'open') show()
      if (request.do === 'run-changed') app.inner.runs.heardOf(request.runId)
      return { pid: process.pid, sessionBus: app.inner.session.busAddress(), url: null, page: null }
    },
  })
  if (!socket.ok) console.error(socket.error.message)

  electron.on('second-instance', () => { show() })
  electron.on('window-all-closed', () => { if (tray === null) electron.quit() })
  electron.on('before-quit', () => { windows.letGo() })
  electron.on('will-quit', () => {
    if (socket.ok) socket.value.close()
    app.close()
  })
  if (!hidden || tray === null) show()
}

declareScheme()
if (electron.requestSingleInstanceLock()) {
  start().catch((error: unknown) => {
    console.error(error)
    electron.exit(1)
  })
} else electron.quit()
