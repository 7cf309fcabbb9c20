import type { Answer, Bridge, CallName, EventName, Payload, Request } from '../electron/contract/channels.ts'

/**
 * The only file that touches `window`: the way to the app, and the few things
 * of the browser that the window needs. In Electron the preload offers a
 * bridge; in the browser host the same contract goes over HTTP of the same origin.
 */

declare global {
  interface Window {
    agentmem?: Bridge
  }
}

export type Connection = 'connected' | 'lost' | 'signed-out'

type Listener<T> = (value: T) => void
const connectionListeners = new Set<Listener<Connection>>()
let connection: Connection = 'connected'

const setConnection = (next: Connection): void => {
  if (next === connection) return
  connection = next
  for (const listener of connectionListeners) listener(next)
}

const lost = <K extends CallName>(message: string): Answer<K> => ({
  ok: false,
  error: { code: 'internal', message, advice: 'The window tries again by itself.', about: 'connection' },
})

/** A failure that is only the missing connection: the banner speaks of it, pages stay quiet. */
export const isConnectionFailure = (about: string | undefined): boolean => about === 'connection'

const browserBridge = (): Bridge => {
  let source: EventSource | null = null
  const open = (): EventSource => {
    if (source !== null && source.readyState !== EventSource.CLOSED) return source
    const old = source
    source = new EventSource('/events')
    source.addEventListener('open', () => setConnection('connected'))
    source.addEventListener('error', () => {
      setConnection(connection === 'signed-out' ? 'signed-out' : 'lost')
      // After an answer that is no stream the browser gives up; the app may just be starting again.
      if (source?.readyState === EventSource.CLOSED) window.setTimeout(open, 3000)
    })
    if (old !== null) for (const [name, handler] of handlers) source.addEventListener(name, handler)
    return source
  }
  const handlers = new Set<[string, (event: MessageEvent<string>) => void]>()
  reconnect = () => {
    source?.close()
    open()
  }
  return {
    host: 'browser',
    async call<K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>> {
      try {
        const response = await fetch(`/call/${name}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          credentials: 'same-origin',
          body: JSON.stringify(request),
        })
        if (response.status === 401 || response.status === 403) {
          setConnection('signed-out')
          return lost('This window is not signed in to the app.')
        }
        const answer = (await response.json()) as Answer<K>
        setConnection('connected')
        return answer
      } catch {
        setConnection('lost')
        return lost('The app does not answer.')
      }
    },
    on<K extends EventName>(name: K, listener: Listener<Payload<K>>): () => void {
      const handler = (event: MessageEvent<string>): void => listener(JSON.parse(event.data) as Payload<K>)
      const entry: [string, typeof handler] = [name, handler]
      handlers.add(entry)
      open().addEventListener(name, handler)
      return () => {
        handlers.delete(entry)
        source?.removeEventListener(name, handler)
      }
    },
  }
}

let reconnect = (): void => {}

const bridge: Bridge = window.agentmem ?? browserBridge()

/** electron or browser: what the host cannot do is hidden. */
export const host = bridge.host
export const call = <K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>> => bridge.call(name, request)
export const on = <K extends EventName>(name: K, listener: Listener<Payload<K>>): (() => void) => bridge.on(name, listener)

/** Hears about a lost or regained app; the present state comes first. */
export const onConnection = (listener: Listener<Connection>): (() => void) => {
  connectionListeners.add(listener)
  listener(connection)
  return () => connectionListeners.delete(listener)
}

/** Try the app again at once. */
export const retryConnection = (): void => {
  reconnect()
}

/** The page in the address: "#/history/run/ID" gives "history/run/ID". */
export const readAddress = (): string => window.location.hash.replace(/^#\/?/u, '')
export const writeAddress = (path: string): void => {
  if (readAddress() !== path) window.location.hash = `/${path}`
}
export const onAddress = (listener: Listener<string>): (() => void) => {
  const handler = (): void => listener(readAddress())
  window.addEventListener('hashchange', handler)
  return () => window.removeEventListener('hashchange', handler)
}

const dark = window.matchMedia('(prefers-color-scheme: dark)')
export const prefersDark = (): boolean => dark.matches
export const onPrefersDark = (listener: Listener<boolean>): (() => void) => {
  const handler = (): void => listener(dark.matches)
  dark.addEventListener('change', handler)
  return () => dark.removeEventListener('change', handler)
}

/** Offers a file to the user: the browser's own download, also inside Electron. */
export const saveFile = (fileName: string, mediaType: string, content: Uint8Array<ArrayBuffer> | string): void => {
  const address = URL.createObjectURL(new Blob([content], { type: mediaType }))
  const link = document.createElement('a')
  link.href = address
  link.download = fileName
  link.click()
  // The download has its own hold on the data once the click is handled.
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000)
}

export const copyText = (text: string): Promise<boolean> =>
  window.navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  )

/** A small thing this window remembers by itself; null where it does not, or may not. */
export const recall = (key: string): string | null => {
  try {
    return window.localStorage.getItem(`agentmem.${key}`)
  } catch {
    return null
  }
}
export const remember = (key: string, value: string): void => {
  try {
    window.localStorage.setItem(`agentmem.${key}`, value)
  } catch {
    // Not allowed to keep anything: it is only forgotten sooner.
  }
}

/** Device pixels a CSS pixel, for canvases. */
export const pixelRatio = (): number => window.devicePixelRatio
