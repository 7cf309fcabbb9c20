import { join } from 'node:path'
import { Menu, Tray } from 'electron'
import type { App } from '../app/app.ts'
import type { Live } from '../contract/views.ts'
import type { RunId } from '../../helper/contract/runs.ts'
import { trayShape, trayText, type TrayShape } from './words.ts'

export interface TrayActions {
  show(): void
  keep(runId: RunId): void
  undo(runId: RunId | null): void
  quit(): void
}

/** The icon in the panel; it follows the live state at the pace of the app, without asking for a faster one. */
export const createTray = (app: App, iconDir: string, actions: TrayActions): { close(): void } => {
  const icon = (shape: TrayShape): string => join(iconDir, `tray-${shape}.png`)
  let shape: TrayShape = 'calm'
  let waiting: RunId | null | undefined
  const tray = new Tray(icon(shape))

  const follow = (live: Live): void => {
    const next = trayShape(live)
    if (next !== shape) {
      shape = next
      tray.setImage(icon(shape))
    }
    tray.setToolTip(trayText(live))
    const run = live.progress?.state === 'waiting' ? live.progress.runId : null
    if (run === waiting) return
    waiting = run
    tray.setContextMenu(
      Menu.buildFromTemplate([
        { label: 'Open', click: () => { actions.show() } },
        ...(run === null ? [] : [{ label: 'Keep the last change', click: () => { actions.keep(run) } }]),
        { label: 'Undo the last change', click: () => { actions.undo(run) } },
        { type: 'separator' },
        { label: 'Quit', click: () => { actions.quit() } },
      ]),
    )
  }

  tray.on('click', () => { actions.show() })
  const look = (): void => {
    app.call('live.get', {}).then((answer) => { if (answer.ok && !tray.isDestroyed()) follow(answer.value) }, (error: unknown) => { console.error(error) })
  }
  look()
  // A listener on `live` would count as a window that looks, and double the work.
  const timer = setInterval(look, 10_000)
  const stop = app.on('progress', look)
  return {
    close() {
      clearInterval(timer)
      stop()
      tray.destroy()
    },
  }
}
