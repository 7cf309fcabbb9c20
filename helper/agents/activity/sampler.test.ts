import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../signatures.ts'
import { sampleSchema, type Sample } from './sample.ts'
import { createSampler } from './sampler.ts'

const loaded = loadSignatures(BUILT_IN_SIGNATURES_PATH)
if (!loaded.ok) throw new Error(loaded.error.message)
const signatures = loaded.value

describe('a captured tree', () => {
  let made: MadeRoot
  beforeEach(() => { made = makeRoot() })
  afterEach(() => made.remove())

  const CLAUDE = '/home/dev/.local/share/claude/versions/2.1.197'
  const one = async (uid: number | null = 1000): Promise<Sample> => {
    const [sample, ...more] = await createSampler({ root: made.root, signatures, uid, nowMs: () => 5 }).sample()
    if (sample === undefined || more.length > 0) throw new Error('expected one agent')
    return sampleSchema.parse(sample)
  }

  test('what the kernel does not show is null, never 0', async () => {
    made.run({ pid: 100, exe: CLAUDE, argv: ['claude'], cpuTicks: 42 })
    expect(await one()).toMatchObject({
      version: 1, kind: 'claude-code', monotonicMs: 5, ageMs: 5_000_000, terminal: null, connections: null, datagrams: null, locks: null,
      processes: [{ pid: 100, cpuTicks: 42, readChars: null, voluntarySwitches: null, tracerPid: null, stdio: null, fuse: false }],
    })
  })

  test('counters, files, locks and who traces it', async () => {
    made.run({ pid: 100, exe: CLAUDE, argv: ['claude'] })
    made.put('/proc/100/io', 'rchar: 10\nwchar: 20\nsyscr: 3\nsyscw: 4\nread_bytes: 0\n')
    made.put('/proc/100/status', 'Uid:\t1000\t1000\t1000\t1000\nTracerPid:\t77\nvoluntary_ctxt_switches:\t9\n')
    for (const [fd, target] of Object.entries({ 0: '/dev/null', 1: 'pipe:[12]', 2: '/tmp/log', 9: '/dev/fuse' })) made.put(`/proc/100/fd/${fd}`, target)
    made.put('/proc/locks', '1: POSIX  ADVISORY  WRITE 100 08:01:5 0 EOF\n2: POSIX  ADVISORY  READ 100 08:01:6 0 EOF\n3: FLOCK  ADVISORY  WRITE 999 08:01:7 0 EOF\n')
    const sample = await one()
    expect(sample.processes[0]).toMatchObject({ readChars: 10, writtenChars: 20, reads: 3, writes: 4, tracerPid: 77, voluntarySwitches: 9, stdio: ['null', 'pipe', 'file'], fuse: true })
    expect(sample.locks).toEqual([{ pid: 100, file: '08:01:5', exclusive: true, waitedFor: false }])
  })

  test('connections of the tree: within it, out of it, and into it', async () => {
    made.run({ pid: 100, exe: CLAUDE, argv: ['claude'] }, { pid: 101, parent: 100, exe: '/usr/bin/gopls', argv: ['gopls'] })
    const line = (at: number, local: string, remote: string, state: string, inode: number): string => `   ${at}: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 20 4 0 10 -1\n`
    made.put('/proc/100/net/tcp', [
      line(0, '0100007F:1F90', '00000000:0000', '0A', 1),
      line(1, '0100007F:1F90', '0100007F:C001', '01', 2), line(2, '0100007F:C001', '0100007F:1F90', '01', 3), // from gopls to it
      line(3, '0100007F:1F90', '0100007F:C002', '01', 4), line(4, '0100007F:C002', '0100007F:1F90', '01', 99), // from a stranger to it
      line(5, '0F02000A:C003', '22D7B8AC:01BB', '01', 5),
    ].join(''))
    made.put('/proc/100/net/udp', line(0, '0F02000A:C004', '22D7B8AC:01BB', '01', 6) + line(1, '0F02000A:C005', '3500007F:0035', '01', 7))
    for (const [pid, inodes] of [[100, [1, 2, 4, 5, 6, 7]], [101, [3]]] as const) inodes.forEach((inode, fd) => made.put(`/proc/${pid}/fd/${fd + 3}`, `socket:[${inode}]`))
    const sample = await one()
    expect(sample.listening).toEqual([8080])
    expect(sample.connections?.map(({ inode, within, inbound, loopback, info }) => [inode, within, inbound, loopback, info])).toEqual([
      [2, true, false, true, null], [4, false, true, true, null], [5, false, false, false, null], [3, true, false, true, null],
    ])
    expect(sample.datagrams).toBe(1)
  })

  test('only agents of that user', async () => {
    made.run({ pid: 100, exe: CLAUDE, argv: ['claude'], uid: 1001 })
    expect(await createSampler({ root: made.root, signatures, uid: 1000 }).sample()).toEqual([])
  })
})

describe('a real process at a real terminal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-sampler-'))
  const program = join(folder, 'node_modules/@anthropic-ai/claude-code-linux-x64/claude')
  const script = join(folder, 'agent.mjs')
  const socket = join(folder, 'agent.sock')
  let terminal: ChildProcess | null = null
  beforeAll(() => {
    mkdirSync(dirname(program), { recursive: true })
    copyFileSync(process.execPath, program)
    writeFileSync(script, `import { spawn } from 'node:child_process'; import { connect, createServer } from 'node:net'
spawn('bash', ['-c', 'sleep 300; true'], { stdio: 'ignore' })
createServer((socket) => { socket.on('error', () => {}) }).listen(process.argv[2], () => { connect(process.argv[2]); console.log('ready'); process.stdin.resume() })`)
  })
  afterAll(async () => {
    if (terminal !== null && terminal.exitCode === null) {
      terminal.kill('SIGKILL')
      await once(terminal, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })

  test('its terminal, its counters, its command', async () => {
    // script(1) gives a terminal; the agent ends with it.
    const opened = spawn('script', ['-qfc', `exec "${program}" "${script}" "${socket}"`, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] })
    terminal = opened
    await once(opened.stdout, 'data')
    const sampler = createSampler({ root: '/', signatures, uid: process.getuid?.() ?? 0 })
    const ours = async (): Promise<Sample | undefined> => (await sampler.sample()).find(({ processes }) => processes[0]?.parentPid === opened.pid)
    let sample = await ours()
    // Its shell needs a moment to start the command.
    for (let turn = 0; turn < 100 && sample?.processes.length !== 3; turn += 1, sample = await ours()) await sleep(50)
    if (sample === undefined) throw new Error('expected the agent among the samples')
    sampleSchema.parse(sample)
    expect(sample.terminal?.device).toMatch(/^\/dev\/pts\/\d+$/u)
    expect(sample.terminal?.outputAtMs).toBeGreaterThan(Date.now() - 60_000)
    expect(sample.processes[0]).toMatchObject({ role: 'main', stdio: ['terminal', 'terminal', 'terminal'], tracerPid: 0 })
    expect(sample.processes[0]?.readChars).toBeGreaterThan(0)
    expect(sample.processes.slice(1).map(({ role, command }) => [role, command])).toEqual([['shell', true], ['tool', false]])
    // script(1) is no prompt: a single task's terminal is left in line mode.
    expect(sample.terminal?.raw).toBe(false)
    // It is connected to itself; a stranger is somebody who waits for it.
    if (sample.unixInbound === null) return // no ss here
    expect(sample.unixInbound).toBe(0)
    const stranger = connect(socket)
    try {
      await once(stranger, 'connect')
      let seen = await ours()
      // Connected is not yet accepted.
      for (let turn = 0; turn < 100 && seen?.unixInbound === 0; turn += 1, seen = await ours()) await sleep(50)
      expect(seen?.unixInbound).toBe(1)
    } finally {
      stranger.destroy()
    }
  })
})
