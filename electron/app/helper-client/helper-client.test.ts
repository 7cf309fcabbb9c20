import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Message, sessionBus, type MessageBus } from 'dbus-next'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { PROTOCOL_VERSION, SYSTEM_BUS_NAME, SYSTEM_OBJECT_PATH } from '../../../helper/contract/requests.ts'
import type { Progress } from '../../../helper/contract/runs.ts'
import { readAnswer } from './answer.ts'
import { connectBus, usualSessionBus } from './bus.ts'
import { startPrivateBus, type PrivateBus } from './private-bus.ts'
import { createSessionClient } from './session-client.ts'
import { createSystemClient, type SystemClient } from './system-client.ts'

const hasBus = spawnSync('dbus-daemon', ['--version']).status === 0
let folder = ''
const runtimeDir = (): string => join(folder, 'agentmem')
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-client-')) })
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

describe('reading an answer', () => {
  const schema = z.object({ n: z.int() })
  it('takes value and failure as they are', () => {
    expect(readAnswer('X', '{"ok":true,"value":{"n":1}}', schema)).toEqual({ ok: true, value: { n: 1 } })
    const failure = { ok: false, error: { code: 'busy', message: 'Another run is open.' } }
    expect(readAnswer('X', JSON.stringify(failure), schema)).toEqual(failure)
  })
  it.each(['nonsense', '{"ok":true,"value":{"n":"1"}}', '{"ok":false,"error":{"code":"brand-new","message":""}}', 'null'])('lets nothing else through: %s', (text) => {
    expect(readAnswer('X', text, schema)).toMatchObject({ ok: false, error: { code: 'too-old', about: 'X' } })
  })
})

describe.skipIf(!hasBus)('an abstract address (needs dbus-daemon)', () => {
  it('is reached, also behind one that is dead', async () => {
    const name = `/tmp/agentmem-client-${process.pid}`
    const daemon = spawn('dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address=1', `--address=unix:abstract=${name}`], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      await once(daemon.stdout, 'data')
      const made = await connectBus(`unix:path=${join(folder, 'none')};unix:abstract=${name},guid=00`)
      expect(made).toMatchObject({ ok: true })
      if (made.ok) {
        expect(await made.value.hasOwner('org.freedesktop.DBus')).toEqual({ ok: true, value: true })
        made.value.close()
      }
    } finally {
      daemon.kill()
    }
  })
})

describe('the usual place of the session bus', () => {
  it('is a socket of this user, and nothing else', async () => {
    const env = { XDG_RUNTIME_DIR: folder }
    expect(usualSessionBus(env)).toBeNull()
    writeFileSync(join(folder, 'bus'), '')
    expect(usualSessionBus(env)).toBeNull()
    rmSync(join(folder, 'bus'))
    const server = createServer().listen(join(folder, 'bus'))
    await once(server, 'listening')
    expect(usualSessionBus(env)).toBe(`unix:path=${join(folder, 'bus')}`)
    server.close()
  })
})

describe('without a bus', () => {
  it('says no-bus, and answers calls with helper-missing', async () => {
    const client = createSystemClient(`unix:path=${join(folder, 'none')}`)
    expect(await client.refresh()).toEqual({ system: 'no-bus', systemVersion: null })
    expect(await client.call('Runs', {})).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
    client.close()
  })
})

/** Answers as the helper would, or as a broken one. */
const serve = async (address: string, answers: Record<string, (message: Message) => string | null>): Promise<MessageBus> => {
  const bus = sessionBus({ busAddress: address })
  bus.addMethodHandler((message: Message) => {
    const answer = answers[message.member]
    if (message.path !== SYSTEM_OBJECT_PATH || answer === undefined) return false
    const text = answer(message)
    if (text !== null) bus.send(Message.newMethodReturn(message, 's', [text]))
    return true
  })
  await bus.requestName(SYSTEM_BUS_NAME, 0)
  return bus
}
const status = (protocolVersion: number): string =>
  JSON.stringify({ ok: true, value: { protocolVersion, version: '9.9.9', role: 'system', pid: 1, startedAtMs: 0, openRunId: null } })

describe.skipIf(!hasBus)('on a real bus (needs dbus-daemon)', () => {
  let privateBus: PrivateBus
  let client: SystemClient
  let helper: MessageBus | null = null
  beforeEach(async () => {
    const started = await startPrivateBus(runtimeDir())
    if (!started.ok) throw new Error(started.error.message)
    privateBus = started.value
    client = createSystemClient(privateBus.address)
  })
  afterEach(() => {
    client.close()
    helper?.disconnect()
    helper = null
    privateBus.close()
  })

  it('tells "not installed" from "ready" and asks for the version once', async () => {
    expect(await client.refresh()).toEqual({ system: 'not-installed', systemVersion: null })
    expect(await client.call('Runs', {})).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
    const asked = vi.fn(() => status(PROTOCOL_VERSION))
    helper = await serve(privateBus.address, { Status: asked, Runs: () => '{"ok":true,"value":[]}' })
    expect(await client.refresh()).toEqual({ system: 'ready', systemVersion: '9.9.9' })
    await client.refresh()
    expect(asked).toHaveBeenCalledTimes(1)
    expect(await client.call('Runs', {})).toEqual({ ok: true, value: [] })
  })

  it('refuses to work with a helper of another protocol', async () => {
    const runs = vi.fn(() => '{"ok":true,"value":[]}')
    helper = await serve(privateBus.address, { Status: () => status(PROTOCOL_VERSION + 1), Runs: runs })
    expect(await client.refresh()).toEqual({ system: 'too-old', systemVersion: '9.9.9' })
    expect(await client.call('Runs', {})).toMatchObject({ ok: false, error: { code: 'too-old' } })
    expect(runs).not.toHaveBeenCalled()
  })

  it('says helper-gone when it dies during a call, and tells those who listen', async () => {
    const gone = vi.fn()
    client.onGone(gone)
    helper = await serve(privateBus.address, { Status: () => status(PROTOCOL_VERSION), Undo: () => { setTimeout(() => helper?.disconnect(), 20); return null } })
    expect(await client.call('Undo', { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'helper-gone' } })
    await vi.waitFor(() => { expect(gone).toHaveBeenCalled() }, 15_000)
  })

  it('says helper-gone when the bus itself goes away', async () => {
    helper = await serve(privateBus.address, { Status: () => status(PROTOCOL_VERSION), Undo: () => { setTimeout(() => { privateBus.close() }, 20); return null } })
    helper.on('error', () => {})
    expect(await client.call('Undo', { runId: null, cause: 'user-undo' })).toMatchObject({ ok: false, error: { code: 'helper-gone' } })
    expect(client.state().system).toBe('no-bus')
  })

  it('passes on progress that fits the contract and drops what does not', async () => {
    const heard: Progress[] = []
    client.onProgress((progress) => { heard.push(progress) })
    helper = await serve(privateBus.address, {
      Status: () => status(PROTOCOL_VERSION),
      Runs: (message) => {
        const good: Progress = { runId: '20261121T093005Z-1a2b3c4d', state: 'settling', fraction: 0.5, text: 'Settling', confirmUntilMs: null, canCancel: true }
        for (const text of ['nonsense', JSON.stringify({ ...good, fraction: 7 }), JSON.stringify(good)]) {
          const signal = Message.newSignal(SYSTEM_OBJECT_PATH, SYSTEM_BUS_NAME, 'Progress', 's', [text])
          signal.destination = message.sender
          helper?.send(signal)
        }
        return '{"ok":true,"value":[]}'
      },
    })
    await client.call('Runs', {})
    expect(heard.map((progress) => progress.text)).toEqual(['Settling'])
  })
})

describe.skipIf(!hasBus)('a bus of our own (needs dbus-daemon)', () => {
  it('ends when the program that started it is killed, and its folder goes with the next start', async () => {
    const starter = join(folder, 'starter.ts')
    writeFileSync(starter, `import { startPrivateBus } from ${JSON.stringify(join(import.meta.dirname, 'private-bus.ts'))}
const made = await startPrivateBus(${JSON.stringify(runtimeDir())})
console.log(made.ok ? made.value.address : made.error.message)
setInterval(() => {}, 1000)
`)
    const child = spawn(process.execPath, [starter], { stdio: ['ignore', 'pipe', 'inherit'] })
    const address = await new Promise<string>((resolve) => { child.stdout.once('data', (chunk: Buffer) => { resolve(chunk.toString().trim()) }) })
    const path = /path=([^,]+)/u.exec(address)?.[1] ?? ''
    const connects = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = createConnection(path)
        socket.once('connect', () => { socket.destroy(); resolve(true) })
        socket.once('error', () => { resolve(false) })
      })
    expect(await connects()).toBe(true)
    child.kill('SIGKILL')
    await vi.waitFor(async () => { expect(await connects()).toBe(false) }, 15_000)
    utimesSync(join(path, '..'), 1, 1)
    const next = await startPrivateBus(runtimeDir())
    expect(existsSync(join(path, '..'))).toBe(false)
    if (next.ok) next.value.close()
  })
})

describe.skipIf(!hasBus)('the session role (needs dbus-daemon)', () => {
  const program = join(import.meta.dirname, '../../../helper/session.ts')

  it('is started, with a bus of its own, and ended with the client', async () => {
    const client = createSessionClient({ address: null, runtimeDir: runtimeDir(), program, startChild: true })
    const answer = await client.call('Status', {})
    expect(answer).toMatchObject({ ok: true, value: { role: 'session', protocolVersion: PROTOCOL_VERSION } })
    expect(client.state()).toBe('ready')
    const pid = answer.ok ? answer.value.pid : 0
    expect(existsSync(`/proc/${pid}`)).toBe(true)

    // Killed from outside, it comes back by itself with the next call.
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => { expect(client.state()).toBe('starting') }, 15_000)
    const again = await client.call('Status', {})
    const next = again.ok ? again.value.pid : 0
    expect(next).toBeGreaterThan(0)
    expect(next).not.toBe(pid)

    client.close()
    await vi.waitFor(() => { expect(existsSync(`/proc/${next}`)).toBe(false) }, 15_000)
    expect(readdirSync(runtimeDir())).toEqual([])
  })

  it('leaves nothing behind when it is closed while it still connects', async () => {
    const client = createSessionClient({ address: null, runtimeDir: runtimeDir(), program, startChild: true })
    const answer = client.call('Status', {})
    client.close()
    expect(await answer).toMatchObject({ ok: false })
    await vi.waitFor(() => { expect(readdirSync(runtimeDir())).toEqual([]) }, 15_000)
  })

  it('is shared: a second client on the same bus starts none', async () => {
    const started = await startPrivateBus(runtimeDir())
    if (!started.ok) throw new Error(started.error.message)
    const make = () => createSessionClient({ address: started.value.address, runtimeDir: runtimeDir(), program, startChild: true })
    const [first, second] = [make(), make()]
    const one = await first.call('Status', {})
    const two = await second.call('Status', {})
    expect(one.ok && two.ok && one.value.pid === two.value.pid).toBe(true)
    first.close()
    second.close()
    started.value.close()
  })

  it('meets the session bus at its usual place when the environment names a dead one', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const started = await startPrivateBus(runtimeDir())
    if (!started.ok) throw new Error(started.error.message)
    const client = createSessionClient({ address: 'unix:abstract=/tmp/agentmem-nobody', usualAddress: started.value.address, runtimeDir: runtimeDir(), program, startChild: true })
    expect(await client.call('Status', {})).toMatchObject({ ok: true })
    expect(client.busAddress()).toBe(started.value.address)
    expect(console.error).toHaveBeenCalledTimes(1)
    client.close()
    started.value.close()
    vi.restoreAllMocks()
  })

  it('says why it cannot run, with the last line it printed', async () => {
    const broken = join(folder, 'broken.mjs')
    writeFileSync(broken, 'console.error("the disk ate my signatures"); process.exit(3)')
    const client = createSessionClient({ address: null, runtimeDir: runtimeDir(), program: broken, startChild: true, startWaitMs: 10_000 })
    expect(await client.call('Status', {})).toMatchObject({ ok: false, error: { got: expect.stringContaining('disk ate'), advice: expect.any(String) } })
    expect(client.state()).toBe('unreachable')
    client.close()
  })
})
