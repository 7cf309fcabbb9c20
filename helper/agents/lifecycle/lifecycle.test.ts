import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fail } from '../../contract/result.ts'
import { readCgroupPids } from '../../observe/cgroup.ts'
import { cgroupPathOf } from '../cgroups/layout.ts'
import { isFrozen } from './freeze.ts'
import type { Lifecycle } from './lifecycle.ts'
import { createFakeGuard, type FakeGuard } from './testing/fake-guard.ts'
import { targetOf, tryLifecycle, whyNotFreeze } from './testing/try-lifecycle.ts'

const why = whyNotFreeze()
const root = { uid: 0, process: null }
const CAUSE = { cause: 'user' as const }

/** `sleep` counts as a server of the agent, `tail` as a tool. */
const shellTree = async (script: string): Promise<ChildProcess & { pid: number }> => {
  const child = spawn('/bin/sh', ['-c', `${script}; echo up; exec cat`], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
  await once(child.stdout, 'data')
  const { pid } = child
  if (pid === undefined) throw new Error('sh did not start')
  // What it started is a copy of itself until it has become another program, and a shell counts as a tool.
  const isShell = (one: string): boolean => existsSync(`/proc/${one}/comm`) && readFileSync(`/proc/${one}/comm`, 'utf8') === 'sh\n'
  const isStarting = (): boolean => isShell(String(pid)) || readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').some((one) => one !== '' && isShell(one))
  for (let tries = 0; tries < 1500 && isStarting(); tries += 1) await sleep(10)
  return Object.assign(child, { pid })
}

/** With what it started, where it leads a group of its own. */
const endTree = (child: ChildProcess): void => {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

describe.skipIf(why !== null)(`suspending on this machine's cgroups${why === null ? '' : ` (${why})`}`, () => {
  let stateDir = ''
  let guard: FakeGuard
  let life: ReturnType<typeof tryLifecycle>
  const children: ChildProcess[] = []
  const lifecycles: Lifecycle[] = []

  const start = async (script = 'sleep 300 & sleep 300 & true') => {
    const child = await shellTree(script)
    children.push(child)
    return child
  }
  const make = (...args: Parameters<typeof tryLifecycle> extends [string, ...infer R] ? R : never) => {
    const made = tryLifecycle(stateDir, ...args)
    lifecycles.push(made)
    return made
  }
  const suspend = async (pid: number, from: Lifecycle = life) => {
    const done = await from.suspend(root, { agent: targetOf(pid), ...CAUSE })
    if (!done.ok) throw new Error(done.error.message)
    return done.value
  }
  const journals = (state: string) => readdirSync(join(stateDir, 'journal/agents')).filter((name) => name.endsWith(state))

  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'agentmem-lifecycle-'))
    guard = createFakeGuard()
    life = make(guard)
  })
  afterEach(async () => {
    for (const one of lifecycles.splice(0)) await one.rollbackAll()
    for (const child of children.splice(0)) endTree(child)
    rmSync(stateDir, { recursive: true, force: true })
  })

  test('the whole tree stands still, and runs again where it was', async () => {
    const { pid } = await start()
    const suspended = await suspend(pid)
    expect(suspended.processes).toHaveLength(3)
    expect(suspended).toMatchObject({ uid: 0, cause: 'user', terminal: null, stoppedBy: expect.stringContaining('only root') })
    expect(isFrozen('/', suspended.cgroup)).toBe(true)
    expect(readCgroupPids('/', suspended.cgroup)).toEqual(new Set(suspended.processes.map((one) => one.pid)))
    expect(guard.asked.slice(0, 2)).toEqual([`hold ${suspended.agentId}`, `frozen ${suspended.agentId}`])
    expect(life.suspended(0)).toEqual([suspended])
    expect(statSync(join(stateDir, 'agents', `${suspended.agentId.split(':').slice(1).join('-')}.json`)).mode & 0o777).toBe(0o600)

    expect(await life.resume(0, null, 'user')).toMatchObject({ resumed: [{ agentId: suspended.agentId, cause: 'user' }], left: [] })
    expect(isFrozen('/', suspended.cgroup)).toBe(false)
    expect(life.suspended(0)).toEqual([])
    // It keeps its cgroup until it ends or everything is put back.
    expect(journals('.open')).toHaveLength(1)
    expect(await life.rollbackAll()).toEqual([])
    expect(existsSync(suspended.cgroup)).toBe(false)
    expect(cgroupPathOf('/', pid)).toBe('/')
    expect(journals('.open')).toEqual([])
    expect(readdirSync(join(stateDir, 'agents'))).toEqual([])
  })

  test('what the guard wakes is known at once, with its cause', async () => {
    const { pid } = await start()
    const { agentId, cgroup } = await suspend(pid)
    guard.wakeByItself(agentId, 'key')
    await expect.poll(() => life.resumed).toMatchObject([{ agentId, cause: 'key' }])
    expect(life.suspended(0)).toEqual([])
    expect(isFrozen('/', cgroup)).toBe(false)
    expect(journals('.open')).toHaveLength(1)
  })

  test('a guard that ends by itself leaves nothing frozen', async () => {
    const { pid } = await start()
    const { cgroup } = await suspend(pid)
    guard.die()
    await expect.poll(() => isFrozen('/', cgroup)).toBe(false)
    await expect.poll(() => life.resumed).toMatchObject([{ cause: 'guard' }])
  })

  test('the next helper takes over what the guard holds, and thaws what nobody holds', async () => {
    const first = await suspend((await start()).pid)
    const second = await suspend((await start()).pid)
    guard.holds.delete(second.agentId)
    const next = make(guard)
    expect((await next.recover()).map((one) => [one.agentId, one.cause])).toEqual([[second.agentId, 'startup-recovery']])
    expect(next.suspended(0).map((one) => one.agentId)).toEqual([first.agentId])
    expect([isFrozen('/', first.cgroup), isFrozen('/', second.cgroup)]).toEqual([true, false])
    // Without any guard all of it runs again.
    const last = make(null)
    await last.recover()
    expect(isFrozen('/', first.cgroup)).toBe(false)
    expect(readdirSync(join(stateDir, 'agents'))).toEqual([])
  })

  test('a journal without a record is enough to thaw', async () => {
    const { cgroup, agentId } = await suspend((await start()).pid)
    rmSync(join(stateDir, 'agents'), { recursive: true })
    guard.holds.delete(agentId)
    await make(guard).recover()
    expect(isFrozen('/', cgroup)).toBe(false)
  })

  test('an agent that ended while it was suspended leaves nothing behind', async () => {
    const child = await start('true')
    const { cgroup } = await suspend(child.pid)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(life.suspended(0)).toEqual([])
    await expect.poll(() => existsSync(cgroup)).toBe(false)
    expect(journals('.open')).toEqual([])
    expect(guard.holds.size).toBe(0)
  })

  test('children born meanwhile are frozen with it', async () => {
    // Starts a server every few milliseconds, each ending soon.
    const child = spawn(process.execPath, ['-e', 'const { spawn } = require("child_process"); process.stdout.write("up"); setInterval(() => { const c = spawn("cat"); setTimeout(() => c.kill(), 300) }, 15)'], { stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    await once(child.stdout, 'data')
    const { pid } = child
    if (pid === undefined) throw new Error('node did not start')
    const tries = await life.suspend(root, { agent: targetOf(pid), ...CAUSE })
    // Either all of it stands still, or it was refused and all of it runs.
    if (tries.ok) {
      expect(isFrozen('/', tries.value.cgroup)).toBe(true)
      const inside = readCgroupPids('/', tries.value.cgroup) ?? new Set()
      const below = readdirSync('/proc').filter((name) => /^\d+$/u.test(name) && (existsSync(`/proc/${name}/stat`) ? readFileSync(`/proc/${name}/stat`, 'utf8') : '').includes(`) S ${pid} `))
      for (const name of below) expect(inside).toContain(Number(name))
    } else expect(tries.error.code).toBe('busy')
    expect(life.suspended(0)).toHaveLength(tries.ok ? 1 : 0)
    expect(journals('.open').length).toBeLessThanOrEqual(tries.ok ? 2 : 1)
  })

  test('a running tool, a lock others wait for and a foreign process are left running', async () => {
    const tool = await start('tail -f /dev/null & true')
    expect(await life.suspend(root, { agent: targetOf(tool.pid), ...CAUSE })).toMatchObject({ error: { code: 'busy', message: expect.stringContaining('tool') } })

    const file = join(stateDir, 'locked')
    writeFileSync(file, '')
    const holder = await start(`exec 9>${file}; flock 9`)
    const waiter = spawn('flock', [file, 'true'])
    children.push(waiter)
    // Others of the machine wait for locks of theirs.
    await expect.poll(() => readFileSync('/proc/locks', 'utf8')).toMatch(new RegExp(`-> .*:${statSync(file).ino} `, 'u'))
    expect(await life.suspend(root, { agent: targetOf(holder.pid), ...CAUSE })).toMatchObject({ error: { code: 'busy', message: expect.stringContaining('lock') } })

    const own = await start()
    expect(await life.suspend({ uid: 12_345, process: null }, { agent: targetOf(own.pid), ...CAUSE })).toMatchObject({ error: { code: 'not-yours' } })
    expect(await life.suspend({ uid: 0, process: { pid: own.pid, startTimeTicks: 0 } }, { agent: targetOf(own.pid), ...CAUSE })).toMatchObject({ error: { code: 'bad-request' } })
    const agent = targetOf(own.pid)
    const reused = { ...agent, id: `${agent.id.slice(0, agent.id.lastIndexOf(':'))}:1` }
    expect(await life.suspend(root, { agent: reused, ...CAUSE })).toMatchObject({ error: { code: 'process-gone' } })
    for (const child of [tool, holder, own]) expect(cgroupPathOf('/', child.pid)).toBe('/')
  })

  test('one that serves another session over the network is left running', async () => {
    const script = 'const s = require("net").createServer(() => {}).listen(0, "127.0.0.1", () => console.log(s.address().port))'
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    const [port] = (await once(child.stdout, 'data')) as [Buffer]
    const { pid } = child
    if (pid === undefined) throw new Error('node did not start')
    const client = spawn(process.execPath, ['-e', `require("net").connect(${Number(port.toString())}, "127.0.0.1", () => console.log("connected"))`], { stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(client)
    await once(client.stdout, 'data')
    expect(await life.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ error: { code: 'busy', message: expect.stringContaining('network') } })
    client.kill('SIGKILL')
    await once(client, 'exit')
    await expect.poll(async () => (await life.suspend(root, { agent: targetOf(pid), ...CAUSE })).ok).toBe(true)
  })

  test('a connection of its own to somebody else does not keep it running', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const child = spawn(process.execPath, ['-e', `require("net").connect(${address.port}, "127.0.0.1", () => console.log("connected")).on("data", (d) => console.log(String(d)))`], { stdio: ['ignore', 'pipe', 'ignore'] })
    children.push(child)
    const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
    await once(child.stdout, 'data')
    const { pid } = child
    if (pid === undefined) throw new Error('node did not start')
    const { agentId } = await suspend(pid)
    socket.write('hello')
    guard.wakeByItself(agentId, 'key')
    const [heard] = (await once(child.stdout, 'data')) as [Buffer]
    expect(heard.toString()).toContain('hello')
    socket.destroy()
    server.close()
  })

  test('nothing is frozen without swap, without a guard, or without a journal', async () => {
    const { pid } = await start()
    const agent = targetOf(pid)
    const dry = make(guard, { swapRoom: () => fail('not-supported', 'There is no swap.') })
    expect(await dry.suspend(root, { agent, ...CAUSE })).toMatchObject({ error: { code: 'not-supported' } })
    expect(dry.ability()).toMatchObject({ how: null, text: expect.stringContaining('no swap') })
    expect(await make(null).suspend(root, { agent, ...CAUSE })).toMatchObject({ error: { code: 'helper-missing' } })
    expect(await make(createFakeGuard({ refuse: 'hold' })).suspend(root, { agent, ...CAUSE })).toMatchObject({ error: { code: 'write-refused' } })
    expect(guard.asked).toEqual([])
    expect(isFrozen('/', `/sys/fs/cgroup/unified${cgroupPathOf('/', pid)}`)).toBe(false)
  })

  test('a record that cannot be written keeps it from being suspended', async () => {
    const { pid } = await start()
    writeFileSync(join(stateDir, 'agents'), 'not a folder')
    chmodSync(join(stateDir, 'agents'), 0o400)
    expect(await life.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ error: { code: 'journal-unusable' } })
    expect(life.suspended(0)).toEqual([])
    expect(guard.holds.size).toBe(0)
    rmSync(join(stateDir, 'agents'))
    expect(await life.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ ok: true })
  })

  test('a key during suspending calls it off', async () => {
    const { pid } = await start()
    const agent = targetOf(pid)
    const eager = make(guard, { checkpoint: (name) => { if (name === 'told') guard.wakeByItself(agent.id, 'key') } })
    expect(await eager.suspend(root, { agent, ...CAUSE })).toMatchObject({ error: { code: 'cancelled', message: expect.stringContaining('key') } })
    expect(eager.suspended(0)).toEqual([])
    expect(journals('.open')).toHaveLength(1)
  })

  test('another user cannot call off a suspension, its own user can, also by resuming all', async () => {
    const { pid } = await start()
    const { id } = targetOf(pid)
    const during = (resume: () => Promise<unknown>) => make(guard, { checkpoint: (name) => { if (name === 'placed') void resume() } })
    const one: Lifecycle = during(() => one.resume(4711, [id], 'user'))
    expect(await one.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ ok: true })
    await one.resume(0, [id], 'user')
    const other: Lifecycle = during(() => other.resume(0, null, 'machine-sleep'))
    expect(await other.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ ok: false, error: { code: 'cancelled' } })
  })

  test('a process that joins its cgroup at the last moment and leaves its tree does not stand still', async () => {
    const { pid } = await start()
    const stranger = await start('true')
    const late = make(guard, {
      checkpoint: (name) => {
        if (name === 'held') writeFileSync(`/sys/fs/cgroup/unified/agentmem.slice/u0/agent-${pid}-${targetOf(pid).processes[0]?.startTimeTicks}/cgroup.procs`, String(stranger.pid))
      },
    })
    expect(await late.suspend(root, { agent: targetOf(pid), ...CAUSE })).toMatchObject({ ok: false, error: { code: 'busy', about: String(stranger.pid) } })
    expect(late.suspended(0)).toEqual([])
  })

  test('a journal that cannot be read keeps nothing frozen', async () => {
    const { pid } = await start()
    const { cgroup } = await suspend(pid)
    const [open] = journals('.open').toSorted().toReversed()
    const path = join(stateDir, 'journal/agents', open ?? '')
    rmSync(path)
    mkdirSync(path)
    guard.die()
    await expect.poll(() => isFrozen('/', cgroup)).toBe(false)
    rmSync(path, { recursive: true })
  })

  test('what was learned of an agent that has ended goes', async () => {
    const { pid } = await start()
    mkdirSync(join(stateDir, 'agents'))
    const keep = (id: string) => writeFileSync(join(stateDir, 'agents', `${id.split(':').slice(1).join('-')}.sets`), JSON.stringify({ version: 1, agentId: id, sets: [] }))
    const { id } = targetOf(pid)
    keep(id)
    keep(id.replace(/:\d+$/u, ':1'))
    await life.recover()
    expect(readdirSync(join(stateDir, 'agents'))).toEqual([`${id.split(':').slice(1).join('-')}.sets`])
  })

  test('agents of others are neither shown nor resumed', async () => {
    const { pid } = await start()
    const { agentId } = await suspend(pid)
    expect(life.suspended(12_345)).toEqual([])
    expect(await life.resume(12_345, [agentId], 'user')).toMatchObject({ resumed: [], left: [{ agentId, error: { code: 'not-yours' } }] })
    expect(await life.resume(12_345, null, 'user')).toEqual({ resumed: [], left: [] })
    expect(await life.resume(0, [agentId], 'user')).toMatchObject({ resumed: [{ agentId }] })
    expect(await life.resume(0, [agentId], 'user')).toEqual({ resumed: [], left: [] })
  })
})
