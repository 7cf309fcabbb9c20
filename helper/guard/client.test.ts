import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectGuard } from './client.ts'
import { GUARD_LINE_BYTES, GUARD_MOST, holdLines, parseGuardLine, runLines } from './protocol.ts'

const ID = '0f0f0f0f-0000-4000-8000-000000000000:12:345'
let folder = ''
let server: Server
let peer: Socket | null = null
/** Lines that came from the client. */
let got: string[] = []
/** What the other side says to a line; null: nothing. */
let answer: (line: string) => string | null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-guard-client-'))
  got = []
  answer = () => 'ok '
  server = createServer((socket) => {
    peer = socket
    let rest = ''
    socket.on('error', () => undefined)
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        got.push(line)
        const said = answer(line)
        if (said !== null) socket.write(`${said}\n`)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'guard.sock'), resolve))
})

afterEach(() => {
  peer?.destroy()
  server.close()
  rmSync(folder, { recursive: true })
})

const connected = async () => {
  const client = await connectGuard({ socketPath: join(folder, 'guard.sock'), program: null, log: () => undefined })
  if (!client.ok) throw new Error(client.error.message)
  return client.value
}

const request = { id: ID, uid: 1000, freezePath: '/sys/fs/cgroup/a b/cgroup.freeze', terminalOf: 12, processes: [{ pid: 12, startTimeTicks: 345 }], prefault: [{ pid: 12, ranges: [['7000', '9000']] as [string, string][] }] }

describe('lines', () => {
  it('holds in one go, paths escaped', () => {
    expect(holdLines(request)).toEqual([`hold ${ID} 1000 12 /sys/fs/cgroup/a%20b/cgroup.freeze`, `process ${ID} 12 345`, `range ${ID} 12 7000-9000`, `held ${ID}`])
  })

  it('never sends more than the guard takes, the most wanted first', () => {
    const ranges = Array.from({ length: 2000 }, (_unused, index): [string, string] => [`7ffffff${index.toString(16).padStart(4, '0')}0`, 'ffffffffffff'])
    const processes = Array.from({ length: 20 }, (_unused, index) => ({ pid: 4_000_000 + index, startTimeTicks: 1 }))
    const lines = holdLines({ ...request, processes, prefault: processes.map(({ pid }) => ({ pid, ranges })) })
    const rangeLines = lines.filter((line) => line.startsWith('range '))
    expect(rangeLines.flatMap((line) => line.split(' ').slice(3))).toHaveLength(GUARD_MOST.rangesEach)
    expect(rangeLines.every((line) => line.includes(' 4000000 '))).toBe(true)
    expect(lines.filter((line) => line.startsWith('process '))).toHaveLength(GUARD_MOST.processesEach)
    expect(Math.max(...lines.map((line) => line.length + 1))).toBeLessThan(GUARD_LINE_BYTES)
  })

  it('arms a run with its files', () => {
    expect(runLines({ runId: 'r1', journalPath: '/j/r1.open', paths: ['/sys/x'] })).toEqual(['run r1 - /j/r1.open', 'file r1 /sys/x', 'armed r1'])
  })

  it('tells what comes unasked from what is not understood', () => {
    const word = { atMs: 1, what: 'woke', text: 'A key was typed.', runId: null, agentId: ID, uid: 1000 }
    expect(parseGuardLine(`word ${JSON.stringify(word)}`)).toEqual({ kind: 'word', word })
    expect(parseGuardLine(`woke ${ID} key 4096 1500`)).toEqual({ kind: 'woke', woken: { agentId: ID, cause: 'key', prefaultedBytes: 4096, tookMs: 1.5 } })
    expect(parseGuardLine(`gone ${ID}`)).toEqual({ kind: 'gone', agentId: ID })
    expect(parseGuardLine('bye')).toEqual({ kind: 'bye' })
    for (const odd of ['word {', 'word {"what":"nothing"}', `woke ${ID} boredom 1 1`, `woke ${ID} key 1`, 'gone x', '', 'OK ']) expect(parseGuardLine(odd).kind).toBe('unknown')
  })
})

describe('client', () => {
  it('says hello first and is refused by another version', async () => {
    answer = () => 'error version expected version 1 of this protocol'
    const client = await connectGuard({ socketPath: join(folder, 'guard.sock'), program: null, log: () => undefined })
    expect(client.ok ? null : client.error.code).toBe('too-old')
    expect(got).toEqual(['hello 1 own'])
  })

  it('says that nobody is there where it may not start one', async () => {
    const client = await connectGuard({ socketPath: join(folder, 'other.sock'), program: null, log: () => undefined })
    expect(client.ok ? null : client.error.code).toBe('helper-missing')
  })

  it('takes back a hold that failed half-way', async () => {
    const client = await connected()
    answer = (line) => (line.startsWith('process') ? 'error full the guard may not open more files' : 'ok ')
    const held = await client.hold(request)
    expect(held.ok ? null : held.error).toMatchObject({ code: 'busy', got: 'full' })
    expect(got.at(-1)).toBe(`release ${ID}`)
  })

  it('leaves one alone that is held already', async () => {
    const client = await connected()
    answer = (line) => (line.startsWith('hold ') ? 'error exists this agent is held already' : 'error unknown no agent of this name is being held')
    expect((await client.hold(request)).ok).toBe(false)
    expect(got.some((line) => line.startsWith('release'))).toBe(false)
  })

  it('wakes, and hears what the guard says meanwhile', async () => {
    const client = await connected()
    const heard: unknown[] = []
    client.onWoke((woken) => heard.push(woken))
    answer = () => `woke ${ID} user 8192 2500\nok 8192 2500`
    expect(await client.wake(ID, 'user')).toEqual({ ok: true, value: { prefaultedBytes: 8192, tookMs: 2.5 } })
    expect(heard).toHaveLength(1)
  })

  it('fails what was asked when the guard dies, and says so once', async () => {
    const client = await connected()
    const closed: boolean[] = []
    client.onClosed((clean) => closed.push(clean))
    answer = () => null
    const asked = client.status()
    peer?.destroy()
    const status = await asked
    expect(status.ok ? null : status.error.code).toBe('helper-gone')
    expect(closed).toEqual([false])
    expect((await client.frozen(ID)).ok).toBe(false)
  })

  it('knows a guard that ended because nothing was left', async () => {
    const client = await connected()
    const closed = new Promise((resolve) => client.onClosed(resolve))
    peer?.end('bye\n')
    expect(await closed).toBe(true)
  })

  it('asks once more where one ends, holding nothing, while it is greeted', async () => {
    answer = () => {
      if (got.length === 1) peer?.end('bye\n')
      return got.length === 1 ? null : 'ok 1 77'
    }
    await connected()
    expect(got).toEqual(['hello 1 own', 'hello 1 own'])
  })

  it('hears nothing of an end it asked for', async () => {
    const client = await connected()
    const closed: boolean[] = []
    client.onClosed((clean) => closed.push(clean))
    await client.leave()
    expect(got).toEqual(['hello 1 own', 'leave'])
    await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toEqual([])
  })

  it('refuses a status of another form', async () => {
    const client = await connected()
    answer = () => 'ok {"pid":1}'
    const status = await client.status()
    expect(status.ok ? null : status.error.code).toBe('internal')
  })
})
