import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { isOwnPeer, ownerOfPeer } from './peer.ts'
import { startServer } from './server.ts'

const line = (local: string, remote: string, state: string, uid: number): string =>
  `   1: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 4711 1 0000000000000000 20 4 30 10 -1`
const A = '0100007F:1F90' // 127.0.0.1:8080
const B = '0100007F:C350' // 127.0.0.1:50000
const table = (...lines: string[]): string => ['  sl  local_address rem_address   st ...', ...lines, ''].join('\n')

it.each([
  ['the other end counts, not our own', table(line(A, B, '01', 1000), line(B, A, '01', 1001)), 1001],
  ['one that is being closed is shown as root\'s and tells nothing', table(line(B, A, '05', 0)), null],
  ['one on another address is another one', table(line('0200007F:C350', A, '01', 1001)), null],
  ['an empty table', '', null],
])('%s', (_, text, owner) => {
  expect(ownerOfPeer(text, 50_000, 8080)).toBe(owner)
})

it.each([
  [1000, true],
  [0, true],
  [1001, false],
])('a peer of user %d is let in by user 1000: %j', (owner, allowed) => {
  expect(isOwnPeer({ remotePort: 50_000, localPort: 8080 }, 1000, () => table(line(B, A, '01', owner)))).toBe(allowed)
})

it('refuses what it cannot find, and leaves it to the cookie where there is no table', () => {
  expect(isOwnPeer({ remotePort: 50_000, localPort: 8080 }, 1000, () => table())).toBe(false)
  expect(isOwnPeer({ remotePort: 50_000, localPort: 8080 }, 1000, () => { throw new Error('ENOENT') })).toBe(true)
})

it('knows its own connection by the real table', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const answer = fetch(`http://127.0.0.1:${port}/`)
  const [request, response] = await once(server, 'request')
  expect(isOwnPeer(request.socket, process.getuid?.() ?? 0)).toBe(true)
  response.end()
  await answer
  server.close()
})

const root = process.getuid?.() === 0
it.skipIf(!root)(`another user gets nothing, with a cookie that is good${root ? '' : ' (needs root: starts a program as somebody else)'}`, async () => {
  const started = await startServer({ app: { callUntrusted: async () => ({ ok: true, value: {} }), on: () => () => {} }, rendererDir: '/nonexistent', port: 0 })
  if (!started.ok) throw new Error(started.error.message)
  const { access, address } = started.value
  const cookie = `${access.cookieName}=${access.redeem(access.newToken()) ?? ''}`
  const { port } = new URL(address)
  const request = ['POST /call/live.get HTTP/1.1', `Host: 127.0.0.1:${port}`, `Origin: ${address}`, `Cookie: ${cookie}`, 'Content-Type: application/json', 'Content-Length: 2', 'Connection: close', '', '{}'].join('\r\n')
  // By the shell, which every user can start: the checkout's Node may lie in a closed home.
  const statusAs = async (uid: number): Promise<string> => {
    const child = spawn('/bin/bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}; printf %s "$REQUEST" >&3; cat <&3`], { uid, gid: uid, cwd: '/', env: { REQUEST: request, PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
    await once(child, 'close')
    return `${/^HTTP\/1\.1 (\d+)/u.exec(text)?.[1] ?? text} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`
  }
  expect(await statusAs(0)).toMatch(/^200 [^]*\{"ok":true,"value":\{\}\}/u)
  expect(await statusAs(65_534)).toMatch(/^403 [^]*This connection does not come from/u)
  await started.value.close()
})
