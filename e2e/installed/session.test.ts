import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sessionRequests } from '../../helper/contract/requests.ts'
import { projectDir, startCaller, startProgram, startSessionBus } from './world.ts'
import type { BusCaller, PrivateBus, Running } from './world.ts'

const problem = existsSync('/usr/bin/dbus-daemon') ? null : 'needs dbus-daemon: sudo apt install dbus'
const uid = process.getuid?.() ?? 0

describe.skipIf(problem !== null)(problem === null ? 'session role' : `session role (${problem})`, () => {
  let bus: PrivateBus
  let caller: BusCaller
  const running: Running[] = []
  const agents: ChildProcess[] = []

  const start = async (idleExitSeconds = 0): Promise<Running> => {
    const helper = await startProgram(process.execPath, [join(projectDir, 'helper', 'session.ts'), '--bus', bus.address, '--idle-exit-seconds', String(idleExitSeconds)], {
      ready: /agentmem session helper .* on /u,
      env: { XDG_CONFIG_HOME: join(bus.folder, 'config'), XDG_STATE_HOME: join(bus.folder, 'state'), DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${bus.folder}/none` },
    })
    running.push(helper)
    return helper
  }
  const ownSignatures = (text: string): void => {
    mkdirSync(join(bus.folder, 'config', 'agentmem'), { recursive: true })
    writeFileSync(join(bus.folder, 'config', 'agentmem', 'agents.json'), text)
  }
  const ownKind = JSON.stringify({ version: 1, agents: [{ kind: 'own-agent', title: 'Own agent', match: [{ executable: ['agentmem-own-agent'] }] }], children: [] })
  const kindsSeen = async (): Promise<string[]> => {
    const answer = await caller.call('Agents', {})
    return sessionRequests.Agents.response.parse(answer.value).agents.filter((agent) => agents.some(({ pid }) => pid === agent.pid)).map((agent) => agent.kind)
  }

  beforeAll(async () => {
    bus = await startSessionBus()
    caller = await startCaller(bus, uid, 'Session1')
  })
  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.kill('SIGKILL')
    for (const helper of running.splice(0)) await helper.stop()
  })
  afterAll(async () => {
    await caller?.stop()
    await bus?.stop()
  })

  test('answers with what the contract promises', async () => {
    await start()
    for (const [method, request] of [['Status', {}], ['Agents', {}], ['Snapshot', { commandLines: true }], ['ReloadSignatures', {}]] as const) {
      const answer = await caller.call(method, request)
      expect(answer, method).toMatchObject({ ok: true })
      expect(sessionRequests[method].response.safeParse(answer.value).error, method).toBeUndefined()
    }
    expect(await caller.call('Snapshot', { commandLines: true, more: 1 })).toMatchObject({ ok: false, error: { code: 'bad-request' } })
    expect(await caller.call('Apply', {})).toMatchObject({ ok: false, error: { code: 'bus:org.freedesktop.DBus.Error.UnknownMethod' } })
  })

  test("finds agents by the user's own signatures once they are read again; a bad file changes nothing and is told", async () => {
    const program = join(bus.folder, 'agentmem-own-agent')
    copyFileSync('/bin/sleep', program)
    chmodSync(program, 0o755)
    agents.push(spawn(program, ['600'], { stdio: 'ignore' }))
    await start()
    expect(await kindsSeen()).toEqual([])
    ownSignatures(ownKind)
    const reloaded = await caller.call('ReloadSignatures', {})
    expect(reloaded).toMatchObject({ ok: true, value: { problem: null, kinds: expect.arrayContaining(['own-agent', 'claude-code']) } })
    expect(await kindsSeen()).toEqual(['own-agent'])
    ownSignatures('{ "version": 1, "agents": [')
    expect(await caller.call('ReloadSignatures', {})).toMatchObject({ ok: true, value: { problem: expect.stringContaining('agents.json'), kinds: expect.arrayContaining(['claude-code']) } })
    expect(await kindsSeen()).toEqual([])
  })

  test('a second one on the same bus gives way', async () => {
    await start()
    const second = await startProgram(process.execPath, [join(projectDir, 'helper', 'session.ts'), '--bus', bus.address])
    expect(await second.ended).toBe(1)
    expect(second.log()).toContain('already owns')
    expect(await caller.call('Status', {})).toMatchObject({ ok: true })
  })

  test('ends when nobody asks for a while', async () => {
    const helper = await start(1)
    expect(await caller.call('Status', {})).toMatchObject({ ok: true })
    expect(await helper.ended).toBe(0)
  })
})
