import { ipcMain, type WebContents } from 'electron'
import { fail } from '../../helper/contract/errors.ts'
import type { App } from '../app/app.ts'
import { isCallName } from '../app/ipc/dispatch.ts'
import { eventNames } from '../contract/channels.ts'
import { isOwnPage } from './address.ts'

/** Calls of our own windows go to the app; those of anybody else are refused. */
export const answerCalls = (app: App): void => {
  ipcMain.handle('call', (event, name: unknown, request: unknown) => {
    if (!isOwnPage(event.senderFrame?.url)) return fail('authorization-denied', 'This request does not come from the window of this app.')
    if (typeof name !== 'string' || !isCallName(name)) return fail('bad-request', 'There is no such call.')
    return app.callUntrusted(name, request)
  })
}

/** Events go to one window until it is destroyed. */
export const sendEvents = (app: App, contents: WebContents): void => {
  const stops = eventNames.map((name) =>
    app.on(name, (payload) => {
      if (!contents.isDestroyed()) contents.send(`event:${name}`, payload)
    }),
  )
  contents.once('destroyed', () => { for (const stop of stops) stop() })
}
