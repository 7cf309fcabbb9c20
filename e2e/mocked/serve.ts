import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import type { Mock } from './mock.ts'

const root = new URL('../../build/renderer/', import.meta.url).pathname
const types: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json' }

const body = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

const send = (response: ServerResponse, status: number, type: string, content: string | Buffer): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(content)
}

export interface Served {
  readonly address: string
  /** Errors of the mock itself: a request or an answer that does not fit the schema. */
  readonly faults: string[]
  /** Drops every connection and answers nothing until `resume`. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

/** Serves the built window and the mocked app over the wire the browser host uses. */
export const serve = async (mock: Mock): Promise<Served> => {
  const streams = new Set<ServerResponse>()
  const faults: string[] = []
  let paused = false
  const off = mock.on((name, payload) => {
    for (const stream of streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`)
  })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? '/', 'http://127.0.0.1').pathname
    if (paused) {
      request.socket.destroy()
      return
    }
    if (request.method === 'POST' && path.startsWith('/call/')) {
      const name = decodeURIComponent(path.slice('/call/'.length))
      try {
        send(response, 200, 'application/json', JSON.stringify(await mock.call(name, JSON.parse(await body(request)))))
      } catch (error) {
        faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
        send(response, 500, 'text/plain', 'mock fault')
      }
      return
    }
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(': hello\n\n')
      streams.add(response)
      request.on('close', () => streams.delete(response))
      return
    }
    const file = normalize(path === '/' ? 'index.html' : path.slice(1))
    if (file.startsWith('..')) {
      send(response, 404, 'text/plain', 'not here')
      return
    }
    try {
      send(response, 200, types[extname(file)] ?? 'application/octet-stream', await readFile(join(root, file)))
    } catch {
      send(response, 404, 'text/plain', 'not here')
    }
  }

  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const dropStreams = (): void => {
    for (const stream of streams) stream.destroy()
    streams.clear()
  }
  return {
    address: `http://127.0.0.1:${address.port}`,
    faults,
    pause: () => {
      paused = true
      dropStreams()
      server.closeAllConnections()
    },
    resume: () => {
      paused = false
    },
    close: async () => {
      off()
      mock.close()
      dropStreams()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
