import { ipcMain, type WebContents } from 'electron'
import { fail } from '../../helper/contract/result.ts'
import type { App } from '../app/app.ts'
import { isCallName } from '../app/ipc/dispatch.ts'
import { eventNames, type EventName } from '../contract/channels.ts'
import { isOwnPage } from './address.ts'

/** Calls of our own windows go to the app; those of anybody else are refused. */
export const answerCalls = (app: App): void => {
  ipcMain.handle('call', (event, name: unknown, request: unknown) => {
    if (!isOwnPage(event.senderFrame?.url)) return fail('authorization-denied', 'This request does not come from the window of this app.')
    if (typeof name !== 'string' || !isCallName(name)) return fail('bad-request', 'There is no such call.')
    return app.callUntrusted(name, request)
  })
}

/** Sends some events to one window; answers the function that stops it. */
const send = (app: App, contents: WebContents, names: readonly EventName[]): (() => void) => {
  const stops = names.map((name) =>
    app.on(name, (payload) => {
      if (!contents.isDestroyed()) contents.send(`event:${name}`, payload)
    }),
  )
  return () => { for (const stop of stops) stop() }
}

/** Changes go to a window until it is destroyed: hidden, it still must know what to read again. */
export const sendEvents = (app: App, contents: WebContents): void => {
  contents.once('destroyed', send(app, contents, eventNames.filter((name) => name !== 'live')))
}

/** Live figures go to a window that is seen; a listener makes the app look more often. */
export const sendLive = (app: App, contents: WebContents): (() => void) => send(app, contents, ['live'])
