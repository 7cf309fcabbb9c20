import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askDiagnosis } from './ask-diagnosis.ts'
import { askApp, listenAsApp, socketPath } from './app-socket.ts'
import { privateFolder } from './files.ts'

let folder = ''
const runtimeDir = (): string => join(folder, 'agentmem')
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'agentmem-socket-')) })
afterEach(() => { rmSync(folder, { recursive: true, force: true }) })
const reply = { pid: 7, sessionBus: 'unix:path=/x', url: null, page: null }
const answers = { answer: () => reply, diagnosis: async (leaks: boolean) => ({ ok: true, value: { leaks, long: 'x'.repeat(300_000) } }) }

describe('one app a user', () => {
  it('says that there is none', async () => {
    expect(await askApp(runtimeDir(), { do: 'info' })).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
  })

  it('answers others and keeps a second one out', async () => {
    const first = await listenAsApp(runtimeDir(), answers)
    if (!first.ok) throw new Error(first.error.message)
    expect(statSync(runtimeDir()).mode & 0o777).toBe(0o700)
    expect(await askApp(runtimeDir(), { do: 'open' })).toEqual({ ok: true, value: reply })
    expect(await listenAsApp(runtimeDir(), answers)).toMatchObject({ ok: false, error: { code: 'busy' } })
    first.value.close()
    const again = await listenAsApp(runtimeDir(), answers)
    expect(again.ok).toBe(true)
    if (again.ok) again.value.close()
  })

  it('is asked for a diagnosis, of any length, and there is none where nobody answers', async () => {
    expect(await askDiagnosis(runtimeDir(), true)).toBeNull()
    const made = await listenAsApp(runtimeDir(), answers)
    if (!made.ok) throw new Error(made.error.message)
    expect(await askDiagnosis(runtimeDir(), true)).toEqual({ ok: true, value: { leaks: true, long: 'x'.repeat(300_000) } })
    made.value.close()
    const older = await listenAsApp(runtimeDir(), { ...answers, diagnosis: async () => { throw new Error('not known') } })
    if (!older.ok) throw new Error(older.error.message)
    expect(await askDiagnosis(runtimeDir(), false)).toBeNull()
    older.value.close()
  })

  it('takes the place of one that crashed', async () => {
    mkdirSync(runtimeDir(), { mode: 0o700 })
    writeFileSync(socketPath(runtimeDir()), '')
    const made = await listenAsApp(runtimeDir(), answers)
    expect(made.ok).toBe(true)
    if (made.ok) made.value.close()
  })

  it('ends a connection that speaks something else', async () => {
    mkdirSync(runtimeDir(), { mode: 0o700 })
    const server = createServer((socket) => { socket.end('hello\n') })
    await new Promise<void>((resolve) => { server.listen(socketPath(runtimeDir()), resolve) })
    expect(await askApp(runtimeDir(), { do: 'info' })).toMatchObject({ ok: false, error: { code: 'too-old' } })
    server.close()
  })

  it('refuses a run-time folder that is a link to elsewhere', () => {
    mkdirSync(join(folder, 'elsewhere'))
    symlinkSync(join(folder, 'elsewhere'), runtimeDir())
    expect(privateFolder(runtimeDir())).toMatchObject({ ok: false })
  })
})
