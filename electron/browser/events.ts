import type { ServerResponse } from 'node:http'
import { eventNames } from '../contract/channels.ts'
import type { App } from '../app/app.ts'

const KEEP_ALIVE_MS = 15_000
/** A window that does not read (a sleeping laptop behind SSH) loses live states, which are sent whole anyway. */
const MOST_BUFFERED_BYTES = 1024 * 1024

/** One window's event stream: `event: NAME`, `data: JSON`. Ends with the connection. */
export const streamEvents = (app: Pick<App, 'on'>, response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  response.write('retry: 1000\n\n')
  const stops = eventNames.map((name) =>
    app.on(name, (payload) => {
      if ((name === 'live' || name === 'lifecycle') && response.writableLength > MOST_BUFFERED_BYTES) return
      response.write(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`)
    }),
  )
  const beat = setInterval(() => { response.write(': here\n\n') }, KEEP_ALIVE_MS)
  response.on('close', () => {
    clearInterval(beat)
    for (const stop of stops) stop()
  })
}
