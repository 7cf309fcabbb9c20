import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { App } from '../app/app.ts'
import { errnoOf, messageOf } from '../app/files.ts'
import { isCallName } from '../app/ipc/dispatch.ts'
import { createAccess, type Access } from './access.ts'
import { streamEvents } from './events.ts'
import { isLocalHost, isOwnFetch, isOwnOrigin } from './origin.ts'
import { isOwnPeer } from './peer.ts'
import { notBuiltPage, signedInPage, signInPage } from './pages.ts'
import { readStatic, WINDOW_CSP } from '../app/static-files.ts'

/** The largest honest request is an imported preset of 100 kB. */
const MOST_BODY_BYTES = 512 * 1024

const PAGE_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export interface BrowserServer {
  readonly address: string
  readonly port: number
  readonly access: Access
  close(): Promise<void>
}

const send = (response: ServerResponse, status: number, type: string, body: string | Buffer, more: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...more })
  response.end(body)
}
const html = (response: ServerResponse, status: number, body: string, more: Record<string, string> = {}): void => {
  send(response, status, 'text/html; charset=utf-8', body, { 'content-security-policy': PAGE_CSP, ...more })
}
const json = (response: ServerResponse, status: number, body: unknown): void => {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify(body))
}

const readBody = async (request: IncomingMessage): Promise<string | null> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_BODY_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The server behind the browser host: 127.0.0.1 only, everything but signing in needs the cookie. */
export const startServer = async (options: {
  readonly app: Pick<App, 'callUntrusted' | 'on'>
  readonly rendererDir: string
  /** 0 takes a free one. */
  readonly port: number
  /** Told when a token was used up, so that its launcher page can go. */
  readonly onRedeemed?: () => void
  readonly now?: () => number
}): Promise<Result<BrowserServer>> => {
  let access = createAccess('0', options.now)

  const signIn = (response: ServerResponse, token: string): void => {
    const cookie = access.redeem(token)
    if (cookie === null) {
      html(response, 403, signInPage())
      return
    }
    options.onRedeemed?.()
    html(response, 200, signedInPage(), { 'set-cookie': `${access.cookieName}=${cookie}; HttpOnly; SameSite=Strict; Path=/` })
  }

  const callOf = async (request: IncomingMessage, response: ServerResponse, name: string): Promise<void> => {
    if (!isOwnOrigin(request.headers)) {
      json(response, 403, fail('authorization-denied', 'This request does not come from the window of this app.'))
      return
    }
    if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
      json(response, 415, fail('bad-request', 'Expected JSON.', { got: request.headers['content-type'] ?? 'nothing' }))
      return
    }
    if (!isCallName(name)) {
      json(response, 404, fail('bad-request', `There is no call "${name.slice(0, 60)}".`))
      return
    }
    const text = await readBody(request)
    if (text === null) {
      json(response, 413, fail('bad-request', `The request is larger than ${MOST_BODY_BYTES / 1024} KiB.`))
      return
    }
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      json(response, 400, fail('bad-request', `${name}: the request is not JSON.`))
      return
    }
    json(response, 200, await options.app.callUntrusted(name, body))
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'no-referrer')
    response.setHeader('cross-origin-opener-policy', 'same-origin')
    response.setHeader('cross-origin-resource-policy', 'same-origin')
    if (strangers.has(request.socket)) {
      send(response, 403, 'text/plain; charset=utf-8', 'This connection does not come from a program of the user who started this app.\n')
      return
    }
    if (!isLocalHost(request.headers.host)) {
      send(response, 421, 'text/plain; charset=utf-8', 'This server answers to 127.0.0.1 and localhost only.\n')
      return
    }
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`)
    const { method = 'GET' } = request

    if (method === 'POST' && url.pathname === '/token') {
      if (!isOwnOrigin(request.headers, true)) {
        html(response, 403, signInPage())
        return
      }
      signIn(response, new URLSearchParams((await readBody(request)) ?? '').get('token') ?? '')
      return
    }
    const token = url.searchParams.get('token')
    if (method === 'GET' && url.pathname === '/' && token !== null) {
      signIn(response, token)
      return
    }

    if (!access.allows(request.headers.cookie)) {
      if (method === 'GET' && url.pathname === '/') html(response, 401, signInPage())
      else json(response, 401, fail('authorization-denied', 'This window is not signed in.', { advice: 'Run "agentmemctl open" and use the address it shows.' }))
      return
    }
    if (method === 'POST' && url.pathname.startsWith('/call/')) {
      await callOf(request, response, url.pathname.slice('/call/'.length))
      return
    }
    if (method !== 'GET') {
      json(response, 405, fail('bad-request', `${method} is not known here.`))
      return
    }
    if (url.pathname === '/events') {
      if (isOwnFetch(request.headers)) streamEvents(options.app, response)
      else json(response, 403, fail('authorization-denied', 'Events are for the window of this app only.'))
      return
    }
    const file = await readStatic(options.rendererDir, url.pathname)
    if (file !== null) {
      send(response, 200, file.type, file.body, { 'content-security-policy': WINDOW_CSP, 'cache-control': file.immutable ? 'private, max-age=31536000, immutable' : 'no-cache' })
    } else if (url.pathname === '/') html(response, 503, notBuiltPage())
    else send(response, 404, 'text/plain; charset=utf-8', 'Not found.\n')
  }

  const strangers = new WeakSet<Socket>()
  const server: Server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(messageOf(error))
      if (!response.headersSent) json(response, 500, fail('internal', 'The server failed by a mistake in this program.', { got: messageOf(error) }))
      else response.destroy()
    })
  })
  // Looked up when it is made: later its other end may be gone, and then it tells nothing.
  server.on('connection', (socket) => {
    if (!isOwnPeer(socket, process.getuid?.() ?? 0)) strangers.add(socket)
  })
  // Undo may take minutes; only receiving a request is bounded.
  server.requestTimeout = 30_000
  server.headersTimeout = 10_000
  server.keepAliveTimeout = 60_000

  const listening = await new Promise<Result<void>>((resolve) => {
    server.once('error', (error) => {
      resolve(fail('busy', errnoOf(error) === 'EADDRINUSE' ? `Port ${options.port} is taken by another program.` : `The server could not start: ${messageOf(error)}`, { advice: 'Choose another with --port, or leave it out.' }))
    })
    server.listen(options.port, '127.0.0.1', () => { resolve(ok(undefined)) })
  })
  if (!listening.ok) return listening
  const { port } = server.address() as AddressInfo
  access = createAccess(String(port), options.now)
  return ok({
    address: `http://127.0.0.1:${port}`,
    port,
    access,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => { server.close(() => { resolve() }) })
    },
  })
}
