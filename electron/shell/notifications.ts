import { Notification } from 'electron'
import type { App } from '../app/app.ts'
import { notificationText } from './words.ts'

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
