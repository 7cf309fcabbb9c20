import { Notification } from 'electron'
import type { App } from '../app/app.ts'
import { notificationText, wordsText } from './words.ts'

/** Asks "keep it?" when a run is measured and nobody looks; answers by its buttons where the desktop shows them, by a click otherwise. */
export const notifyRuns = (app: App, actions: { readonly isLooking: () => boolean; readonly show: (page: string) => void }): (() => void) => {
  const told = new Set<string>()
  return app.on('changed', ({ what, runId }) => {
    if (what !== 'runs' || runId === null || told.has(runId) || actions.isLooking() || !Notification.isSupported()) return
    app.call('runs.get', { runId }).then(
      (answer) => {
        const text = answer.ok ? notificationText(answer.value) : null
        if (text === null || told.has(runId)) return
        told.add(runId)
        const notification = new Notification({ ...text, actions: [{ type: 'button', text: 'Keep' }, { type: 'button', text: 'Undo' }] })
        notification.on('click', () => { actions.show(`history/run/${runId}`) })
        notification.on('action', (event) => {
          const done = event.actionIndex === 0 ? app.call('run.keep', { runId }) : app.call('run.undo', { runId })
          done.then((result) => { if (!result.ok) actions.show(`history/run/${runId}`) }, (error: unknown) => { console.error(error) })
        })
        notification.show()
      },
      (error: unknown) => { console.error(error) },
    )
  })
}

/** Older words are history: nobody wants yesterday's pressure at login. */
const NEW_MS = 12 * 3600_000

/**
 * Shows what the guard left word of, once each, also what it said while no app
 * ran. A window that is looked at shows it itself.
 */
export const notifyWords = (app: App, actions: { readonly isLooking: () => boolean; readonly show: (page: string) => void; readonly now?: () => number }): (() => void) =>
  app.on('lifecycle', () => {
    // Told after the next look takes them in; a look is ten seconds away at most.
    const { reader, writer } = app.inner.history
    const sinceMs = (actions.now ?? Date.now)() - NEW_MS
    if (!reader.hasUntoldWords(sinceMs)) return
    const words = writer.tellWords(sinceMs)
    const text = words.ok ? wordsText(words.value) : null
    if (text === null || actions.isLooking() || !Notification.isSupported()) return
    const notification = new Notification(text)
    notification.on('click', () => { actions.show('history') })
    notification.show()
  })
