import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Suspension } from '../../helper/contract/lifecycle.ts'
import type { SystemMethod, SystemResponse } from '../../helper/contract/requests.ts'
import { isAlive, startFleet, type Fleet, type FleetAgent } from '../fixtures/fleet/fleet.ts'
import type { FleetUser } from '../fixtures/fleet/ground.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { processRef } from '../fixtures/fleet/processes.ts'
import { installHelper, type InstalledHelper } from './installed-helper.ts'
import { takeKernelLock } from './kernel-lock.ts'
import { fleetPrograms, whyNot } from './needs.ts'
import { undoList } from './undo.ts'
import { startCaller, worldProblem, type BusCaller } from './world.ts'

const MIB = 1024 * 1024
const reason = whyNot([...fleetPrograms, 'flock', 'dbus-daemon', 'dbus-send', 'gcc', 'mkswap', 'swapon']) ?? worldProblem() ?? (existsSync('/sys/fs/cgroup/unified/cgroup.procs') ? null : 'needs a v2 hierarchy beside v1') ?? (existsSync('/sys/block/zram0/disksize') ? null : 'needs zram0')

const frozen = (cgroup: string): boolean => /^frozen 1$/mu.test(existsSync(`${cgroup}/cgroup.events`) ? readFileSync(`${cgroup}/cgroup.events`, 'utf8') : '')

/** A server that an agent talks to, outside of it, and what counts its timers: both must come through. */
const PEER = `
const net = require('net')
const { writeFileSync } = require('fs')
const server = net.createServer((socket) => socket.on('data', (data) => socket.write(data))).listen(0, '127.0.0.1', () => writeFileSync(process.argv[1], String(server.address().port)))
`
const CLIENT = `
const net = require('net')
const { appendFileSync, readFileSync } = require('fs')
const [portFile, log] = process.argv.slice(1)
const socket = net.connect(Number(readFileSync(portFile, 'utf8')), '127.0.0.1')
let sent = 0
setInterval(() => { sent += 1; socket.write('n' + sent + ' ') }, 200)
socket.on('data', (data) => appendFileSync(log, data))
socket.on('close', () => appendFileSync(log, 'closed'))
`

describe.skipIf(reason !== null)(`real agents suspended through the installed helper${reason === null ? '' : ` (${reason})`}`, () => {
  const undo = undoList()
  let fleet: Fleet
  let helper: InstalledHelper
  let denied: FleetUser
  let own: BusCaller
  let other: BusCaller

  const ask = async <M extends SystemMethod>(caller: BusCaller, method: M, request: unknown): Promise<SystemResponse<M>> => {
    const answer = await caller.call(method, request)
    if (!answer.ok) throw new Error(`${method}: ${answer.error?.code} ${answer.error?.message}`)
    return answer.value as SystemResponse<M>
  }
  const targetOf = async (agent: Pick<FleetAgent, 'main'>) => {
    const { agents } = await ask(own, 'Snapshot', { commandLines: false })
    const found = agents.find(({ pid }) => pid === agent.main.pid)
    if (found === undefined) throw new Error(`agent ${agent.main.pid} was not found`)
    return { id: found.id, title: found.title, idleMs: null, kind: found.kind, processes: found.processes.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })) }
  }
  /** A tool that the agent happens to run for a moment is over a moment later. */
  const suspend = async (agent: Pick<FleetAgent, 'main'>): Promise<Suspension> => {
    for (let tries = 0; ; tries += 1) {
      const answer = await own.call('Suspend', { agent: await targetOf(agent), cause: 'user' })
      if (answer.ok) return answer.value as Suspension
      if (answer.error?.code !== 'busy' || tries > 20) throw new Error(`${answer.error?.code}: ${answer.error?.message}`)
      await sleep(500)
    }
  }
  const held = async () => (await ask(own, 'Held', {})).suspended.map(({ agentId }) => agentId)
  const agentAt = (index: number): FleetAgent => {
    const agent = fleet.agents[index]
    if (agent === undefined) throw new Error(`no agent ${index}`)
    return agent
  }
  const typed = async (agent: FleetAgent, key: string): Promise<void> => {
    const before = await fleet.capture(agent.pane)
    await fleet.typeKey(agent.pane, key)
    await vi.waitFor(async () => expect(await fleet.capture(agent.pane)).not.toBe(before), { timeout: 15_000, interval: 20 })
  }

  beforeAll(async () => {
    const lock = await takeKernelLock()
    undo.push(() => lock.release())
    // Only now: another test may have used it until we got the lock.
    expect(readFileSync('/sys/block/zram0/disksize', 'utf8').trim(), 'zram0 is used by somebody else').toBe('0')
    const algorithm = /\[(\S+)\]/u.exec(readFileSync('/sys/block/zram0/comp_algorithm', 'utf8'))?.[1] ?? 'lzo-rle'
    undo.push(() => runCommand('sh', ['-ec', `swapoff /dev/zram0 || true; echo 1 > /sys/block/zram0/reset; echo ${algorithm} > /sys/block/zram0/comp_algorithm`]))
    fleet = await startFleet({ counts: { 'claude-code': 2, 'gemini-cli': 1 }, mcp: true })
    undo.push(() => fleet.stop())
    denied = await undo.user(`agentmem-no-${process.pid}`)
    helper = await installHelper(`polkit.addRule(function (action, subject) {
  if (action.id === 'org.agentmem.look') return polkit.Result.YES
  if (action.id.indexOf('org.agentmem.') === 0) return subject.user === '${fleet.user.name}' ? polkit.Result.YES : polkit.Result.NO
})`, { idleExitSeconds: 5 })
    undo.push(() => helper.stop())
    own = await startCaller(helper.bus, fleet.user.uid)
    undo.push(() => own.stop())
    other = await startCaller(helper.bus, denied.uid)
    undo.push(() => other.stop())
  }, 900_000)
  afterAll(undo.run, 120_000)

  test('without swap nothing is frozen, and it says what is missing', async () => {
    const answer = await own.call('Suspend', { agent: await targetOf(agentAt(0)), cause: 'user' })
    expect(answer).toMatchObject({ ok: false, error: { code: 'not-supported', message: expect.stringContaining('swap') } })
    expect((await ask(own, 'Held', {})).suspend).toMatchObject({ how: null, text: expect.stringContaining('swap') })
    await runCommand('sh', ['-ec', 'echo lz4 > /sys/block/zram0/comp_algorithm; echo 4G > /sys/block/zram0/disksize; mkswap -L agentmem-test /dev/zram0; swapon /dev/zram0'])
    expect((await ask(own, 'Held', {})).suspend).toMatchObject({ how: 'helper' })
  })

  test('an ordinary user suspends an own agent; what was won is what was measured', async () => {
    const agent = agentAt(0)
    const target = await targetOf(agent)
    const done = await suspend(agent)
    expect(done).toMatchObject({ agentId: target.id, uid: fleet.user.uid, stoppedBy: null })
    expect(frozen(done.cgroup)).toBe(true)
    expect(done.terminal).toMatch(/^\/dev\/pts\//u)
    expect(done.after.residentAnonBytes).toBeLessThan(done.before.residentAnonBytes / 10)
    expect(done.wonBytes).toBe(done.before.costBytes - done.after.costBytes)
    expect(done.wonBytes).toBeGreaterThan(20 * MIB)
    expect(done.after.compressedBytes).toBeGreaterThan(0)
    // Found by another way: the snapshot of the same agent says the same.
    const { agents } = await ask(own, 'Snapshot', { commandLines: false })
    const seen = agents.find(({ id }) => id === done.agentId)
    expect(Math.abs((seen?.cost.costBytes ?? 0) - done.after.costBytes)).toBeLessThan(8 * MIB)
    process.stdout.write(`\n${target.title}: ${Math.round(done.before.costBytes / MIB)} -> ${Math.round(done.after.costBytes / MIB)} MiB, frozen in ${done.freezeMs.toFixed(1)} ms, paged out in ${Math.round(done.reclaimMs)} ms\n`)
  }, 60_000)

  test('who was denied, and another user, can neither suspend nor see nor wake it', async () => {
    const target = await targetOf(agentAt(1))
    expect(await other.call('Suspend', { agent: target, cause: 'user' })).toMatchObject({ ok: false, error: { code: 'authorization-denied' } })
    expect((await ask(other, 'Held', {})).suspended).toEqual([])
    const [suspended] = await held()
    expect(await ask(other, 'Resume', { agentIds: [suspended], cause: 'user' })).toMatchObject({ resumed: [], left: [{ error: { code: 'not-yours' } }] })
    expect(await held()).toEqual([suspended])
  })

  test('a key wakes it, and its screen changes', async () => {
    const agent = agentAt(0)
    const [id] = await held()
    await typed(agent, 'h')
    await vi.waitFor(async () => expect(await held()).toEqual([]), { timeout: 5000, interval: 50 })
    const { guard } = await ask(own, 'Held', {})
    expect(guard.words.at(-1)).toMatchObject({ what: 'woke', agentId: id })
    expect(await isAlive(agent)).toBe(true)
    await typed(agent, 'i')
  }, 60_000)

  test('the window wakes one: its MCP server and its timers come through', async () => {
    const agent = agentAt(1)
    const { agents } = await ask(own, 'Snapshot', { commandLines: false })
    const servers = agents.filter(({ processes }) => processes.some(({ role }) => role === 'mcp-server'))
    expect(servers.map(({ pid }) => pid)).toContain(agent.main.pid)
    const before = await suspend(agent)
    expect(before.processes.length).toBeGreaterThan(1)
    await sleep(1500)
    expect(await ask(own, 'Resume', { agentIds: [before.agentId], cause: 'user' })).toMatchObject({ resumed: [{ agentId: before.agentId, cause: 'user' }], left: [] })
    expect(frozen(before.cgroup)).toBe(false)
    for (const { pid, startTimeTicks } of before.processes) expect(await isAlive({ main: { pid, startTimeTicks } as FleetAgent['main'] })).toBe(true)
    await typed(agent, 'k')
  }, 60_000)

  test('a TCP connection and timers of a frozen process go on where they were', async () => {
    const portFile = join(fleet.ground.folder, 'port')
    const log = join(fleet.ground.folder, 'heard')
    await fleet.run(['node', '-e', PEER, portFile])
    await vi.waitFor(() => expect(existsSync(portFile)).toBe(true), { timeout: 10_000, interval: 50 })
    const { shellPid } = await fleet.run(['node', '-e', CLIENT, portFile, log])
    await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toContain('n3 '), { timeout: 10_000, interval: 50 })
    const children = (await runCommand('ps', ['-o', 'pid=', '--ppid', String(shellPid)])).trim()
    const pid = Number(children)
    const { startTimeTicks } = processRef(pid)
    const { bootId } = await ask(own, 'Snapshot', { commandLines: false })
    const agent = { id: `${bootId}:${pid}:${startTimeTicks}`, title: 'Own kind', idleMs: null, kind: 'own-kind', processes: [{ pid, startTimeTicks }] }
    const done = await ask(own, 'Suspend', { agent, cause: 'user' })
    const atFreeze = readFileSync(log, 'utf8')
    await sleep(2000)
    expect(readFileSync(log, 'utf8')).toBe(atFreeze)
    await ask(own, 'Resume', { agentIds: [done.agentId], cause: 'user' })
    await vi.waitFor(() => expect(readFileSync(log, 'utf8').length).toBeGreaterThan(atFreeze.length + 8), { timeout: 10_000, interval: 50 })
    const numbers = readFileSync(log, 'utf8').match(/\d+/gu)?.map(Number) ?? []
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
    expect(readFileSync(log, 'utf8')).not.toContain('closed')
  }, 60_000)

  test('trimming a running agent says what was really won', async () => {
    const trimmed = await ask(own, 'Trim', { agent: await targetOf(agentAt(2)), mostBytes: 32 * MIB })
    expect(trimmed.wonBytes).toBeLessThanOrEqual(40 * MIB)
    expect(trimmed.stoppedBy).toBeNull()
    expect(await isAlive(agentAt(2))).toBe(true)
  }, 60_000)

  test('a helper that is killed leaves nothing frozen', async () => {
    const done = await suspend(agentAt(2))
    const pid = await helper.pid()
    if (pid === null) throw new Error('no helper')
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(frozen(done.cgroup)).toBe(false), { timeout: 10_000, interval: 50 })
    expect(await held()).toEqual([])
    expect(await isAlive(agentAt(2))).toBe(true)
    await typed(agentAt(2), 'm')
  }, 60_000)

  test('a helper that has gone to sleep leaves it suspended, and a key still wakes it', async () => {
    const done = await suspend(agentAt(0))
    const before = await helper.pid()
    await vi.waitFor(async () => expect(await helper.pid()).toBeNull(), { timeout: 30_000, interval: 200 })
    expect(frozen(done.cgroup)).toBe(true)
    await typed(agentAt(0), 'n')
    expect(frozen(done.cgroup)).toBe(false)
    expect(await held()).toEqual([])
    expect(await helper.pid()).not.toBe(before)
  }, 60_000)

  test('uninstalling wakes all, moves every process back and removes the cgroups', async () => {
    const done = await suspend(agentAt(1))
    await helper.uninstall()
    expect(frozen(done.cgroup)).toBe(false)
    // Its own part: another user's agents may be in theirs.
    expect(existsSync(`/sys/fs/cgroup/unified/agentmem.slice/u${fleet.user.uid}`)).toBe(false)
    for (const agent of fleet.agents) {
      expect(await isAlive(agent)).toBe(true)
      expect(readFileSync(`/proc/${agent.main.pid}/cgroup`, 'utf8')).toMatch(/^0::\/$/mu)
    }
  }, 60_000)
})
