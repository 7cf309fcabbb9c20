import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAccess } from './access.ts'
import { launcherPage } from './pages.ts'
import { startServer, type BrowserServer } from './server.ts'
import { readStatic } from '../app/static-files.ts'

let folder = ''
let server: BrowserServer
let nowMs = 0
const callUntrusted = vi.fn(async () => ({ ok: true as const, value: {} }))
const listeners = new Map<string, (payload: never) => void>()

interface Reply { status: number; headers: Record<string, string | string[] | undefined>; body: string }
/** Raw, as fetch does not let a test set Host. */
const ask = (method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, method, path, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => { text += chunk.toString() })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }) })
    })
    request.on('error', reject)
    request.end(body)
  })
const own = (): string => server.address
const signIn = async (): Promise<string> => {
  const reply = await ask('GET', `/?token=${server.access.newToken()}`)
  return String(reply.headers['set-cookie']).split(';')[0] ?? ''
}
const call = (headers: Record<string, string>, body = '{}', name = 'live.get'): Promise<Reply> =>
  ask('POST', `/call/${name}`, { 'content-type': 'application/json', ...headers }, body)

beforeEach(async () => {
  nowMs = 1_000
  folder = mkdtempSync(join(tmpdir(), 'agentmem-server-'))
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>window</title>')
  writeFileSync(join(folder, 'assets', 'a.js'), '1')
  writeFileSync(join(folder, '.secret.json'), '{}')
  callUntrusted.mockClear()
  const started = await startServer({
    app: { callUntrusted, on: (name, listener) => { listeners.set(name, listener); return () => { listeners.delete(name) } } },
    rendererDir: folder,
    port: 0,
    now: () => nowMs,
  })
  if (!started.ok) throw new Error(started.error.message)
  server = started.value
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('signing in', () => {
  it('gives a strict cookie for a token, once', async () => {
    const token = server.access.newToken()
    const reply = await ask('GET', `/?token=${token}`)
    expect(reply.status).toBe(200)
    expect(String(reply.headers['set-cookie'])).toMatch(/^agentmem-\d+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/u)
    const again = await ask('GET', `/?token=${token}`)
    expect(again.status).toBe(403)
    expect(again.headers['set-cookie']).toBeUndefined()
  })

  it('takes the token from the launcher page, whose origin is "null", and from no web page', async () => {
    const form = (origin: string): Promise<Reply> => ask('POST', '/token', { origin, 'content-type': 'application/x-www-form-urlencoded' }, `token=${server.access.newToken()}`)
    expect((await form('null')).status).toBe(200)
    expect((await form(own())).status).toBe(200)
    expect((await form('https://example.org')).status).toBe(403)
  })

  it('refuses a token after ten minutes, and a made-up one', async () => {
    const token = server.access.newToken()
    nowMs += 10 * 60_000 + 1
    expect((await ask('GET', `/?token=${token}`)).status).toBe(403)
    expect((await ask('GET', '/?token=guess')).status).toBe(403)
  })

  it('opens nothing without a cookie or with that of another session', async () => {
    expect((await ask('GET', '/')).status).toBe(401)
    for (const path of ['/assets/a.js', '/events', '/index.html']) expect((await ask('GET', path)).status).toBe(401)
    expect((await call({ origin: own() })).status).toBe(401)
    const stolen = `${server.access.cookieName}=${'x'.repeat(43)}`
    expect((await call({ origin: own(), cookie: stolen })).status).toBe(401)
    const other = createAccess('1')
    const foreign = other.redeem(other.newToken()) ?? ''
    expect((await call({ origin: own(), cookie: `${server.access.cookieName}=${foreign}` })).status).toBe(401)
    expect(callUntrusted).not.toHaveBeenCalled()
  })

  it('puts the token into the page that posts it and into no address', () => {
    const page = launcherPage('http://127.0.0.1:1', 'tok"en')
    expect(page).toContain('value="tok&quot;en"')
    expect(page).not.toContain('?token')
  })
})

describe('calls', () => {
  it('are answered for the own window, also two at once and through a forwarded port', async () => {
    const [first, second] = [await signIn(), await signIn()]
    expect(first).not.toBe(second)
    for (const cookie of [first, second]) expect((await call({ origin: own(), cookie })).status).toBe(200)
    expect((await call({ host: 'localhost:9000', origin: 'http://localhost:9000', cookie: first })).status).toBe(200)
    expect(callUntrusted).toHaveBeenCalledTimes(3)
    expect(callUntrusted).toHaveBeenCalledWith('live.get', {})
  })

  it('are refused from another origin, or none, though the cookie is right', async () => {
    const cookie = await signIn()
    for (const origin of ['https://example.org', 'http://127.0.0.1:1', 'null', `${own()}.example.org`]) expect((await call({ origin, cookie })).status).toBe(403)
    expect((await call({ cookie })).status).toBe(403)
    expect(callUntrusted).not.toHaveBeenCalled()
  })

  it('are refused under another host name: a page that rebinds its own name comes with it', async () => {
    const cookie = await signIn()
    for (const host of ['example.org', `example.org:${server.port}`, '127.0.0.1.example.org', '192.168.0.1', '']) {
      expect((await call({ host, origin: `http://${host}`, cookie })).status).toBeGreaterThanOrEqual(400)
    }
    expect(callUntrusted).not.toHaveBeenCalled()
  })

  it('must be JSON, known, and of a sane size', async () => {
    const cookie = await signIn()
    const good = { origin: own(), cookie }
    expect((await ask('POST', '/call/live.get', { ...good, 'content-type': 'text/plain' }, '{}')).status).toBe(415)
    expect((await call(good, '{')).status).toBe(400)
    expect((await call(good, '{}', 'no.such')).status).toBe(404)
    expect((await call(good, '{}', '__proto__')).status).toBe(404)
    expect((await call(good, `"${'x'.repeat(600_000)}"`)).status).toBe(413)
    expect((await ask('DELETE', '/call/live.get', good)).status).toBe(405)
    expect(callUntrusted).not.toHaveBeenCalled()
  })
})

describe('files and events', () => {
  it('serves the window with a tight policy', async () => {
    const reply = await ask('GET', '/', { cookie: await signIn() })
    expect(reply.body).toContain('window')
    const policy = String(reply.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(reply.headers['x-content-type-options']).toBe('nosniff')
  })

  it('serves nothing outside of its folder', async () => {
    const cookie = await signIn()
    for (const path of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/hosts.json', '/.secret.json', '/assets/../.secret.json', '/a%00.js', '/%']) {
      expect((await ask('GET', path, { cookie })).status).toBe(404)
    }
    expect(await readStatic(folder, '/../x.js')).toBeNull()
    symlinkSync('/etc/hostname', join(folder, 'link'))
    expect(await readStatic(folder, '/link')).toBeNull()
  })

  it('streams events to the own window and stops listening when it goes', async () => {
    const cookie = await signIn()
    expect((await ask('GET', '/events', { cookie, 'sec-fetch-site': 'same-site' })).status).toBe(403)
    const text = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port: server.port, path: '/events', headers: { cookie, 'sec-fetch-site': 'same-origin' } }, (response) => {
        let heard = ''
        response.on('error', () => {})
        response.on('data', (chunk: Buffer) => {
          heard += chunk.toString()
          listeners.get('changed')?.({ what: 'runs', runId: null } as never)
          if (heard.includes('event: changed')) {
            request.destroy()
            resolve(heard)
          }
        })
        response.on('data', () => {})
      })
      request.on('error', (error) => { if (!request.destroyed) reject(error) })
      request.end()
    })
    expect(text).toContain('event: changed\ndata: {"what":"runs","runId":null}\n\n')
    await vi.waitFor(() => { expect(listeners.size).toBe(0) }, 15_000)
  })
})
