import { describe, expect, test } from 'vitest'
import type { Activity } from '../../contract/lifecycle.ts'
import { createActivityJudge, type LookedAt } from './decide.ts'
import { sampleSchema, type Sample, type SampleConnection, type SampleProcess } from './sample.ts'

const SECOND = 1000
const START_MS = 1_800_000_000_000

const main: SampleProcess = {
  pid: 100, startTimeTicks: 1000, parentPid: 1, role: 'main', label: 'Claude Code', comm: 'claude', kernelState: 'S', cpuTicks: 100, endedChildrenTicks: 0, majorFaults: 0,
  readChars: 0, writtenChars: 0, reads: 0, writes: 0, voluntarySwitches: 0, tracerPid: 0, stdio: ['terminal', 'terminal', 'terminal'], command: false, fuse: false,
}
const child: SampleProcess = { ...main, pid: 101, parentPid: 100, startTimeTicks: 90_000, role: 'tool', label: 'curl', comm: 'curl', cpuTicks: 0, stdio: ['null', 'pipe', 'pipe'] }
const connection: SampleConnection = { pid: 100, inode: 7, state: 'established', loopback: false, within: false, inbound: false, remotePort: 443, sendQueueBytes: 0, receiveQueueBytes: 0, retransmits: 0, info: null }

/** An agent at its prompt for ten minutes, that a test changes from look to look. */
const stage = (idleCpuPercent?: number) => {
  const judge = createActivityJudge({ idleCpuPercent })
  let now: Sample = {
    version: 1, atMs: START_MS, monotonicMs: 50_000, id: '00000000-1111-4222-8333-444444444444:100:1000', kind: 'claude-code', ageMs: 600_000, holdsAgents: false, processes: [main],
    terminal: { device: '/dev/pts/3', inputAtMs: START_MS - 400_000, outputAtMs: START_MS - 390_000 }, connections: [], listening: [], datagrams: 0, locks: [],
  }
  let at: LookedAt = { hook: null, pinned: false }
  const look = (): Activity => judge.look(sampleSchema.parse(now), at)
  const step = (change: (sample: Sample) => Partial<Sample> = () => ({}), byMs = 5 * SECOND): Activity => {
    now = { ...now, atMs: now.atMs + byMs, monotonicMs: now.monotonicMs + byMs, ageMs: now.ageMs + byMs }
    now = { ...now, ...change(now) }
    return look()
  }
  /** The same change at every look, for so long; the last look's word. */
  const go = (forMs: number, change?: (sample: Sample, passedMs: number) => Partial<Sample>, byMs = 5 * SECOND): Activity => {
    let last = step((sample) => change?.(sample, byMs) ?? {}, byMs)
    for (let passed = byMs * 2; passed <= forMs; passed += byMs) last = step((sample) => change?.(sample, passed) ?? {}, byMs)
    return last
  }
  look()
  return { step, go, look, know: (next: LookedAt) => { at = next } }
}
const reasons = (activity: Activity): string[] => activity.reasons.map(({ reason }) => reason)
const wrote = (sample: Sample): Partial<Sample> => ({ terminal: sample.terminal === null ? null : { ...sample.terminal, outputAtMs: sample.atMs } })
const burns = (ticks: number) => (sample: Sample): Partial<Sample> => ({ processes: sample.processes.map((process) => (process.pid === 100 ? { ...process, cpuTicks: process.cpuTicks + ticks } : process)) })
const info = (lastSentMs: number, lastReceivedMs: number, sentBytes: number, receivedBytes: number): SampleConnection => ({ ...connection, info: { lastSentMs, lastReceivedMs, sentBytes, receivedBytes } })

describe('at the prompt', () => {
  test('idle once watched, and idle time counts from then', () => {
    const agent = stage()
    expect(reasons(agent.look())).toEqual(['not-measured'])
    expect(agent.look().idleMs.value).toBeNull()
    expect(agent.go(60 * SECOND)).toEqual({ idle: true, idleMs: { value: 60_000 }, reasons: [], knownBy: 'evidence' })
  })
  test('what a prompt does is forgiven: timers, a burst of collection each minute, a redraw each minute', () => {
    const agent = stage()
    const activity = agent.go(600 * SECOND, (sample, passed) => ({
      ...burns(passed % 60_000 === 0 ? 42 : 2)(sample),
      ...(passed % 65_000 === 0 ? wrote(sample) : {}),
    }))
    expect(activity.idle).toBe(true)
    expect(activity.idleMs.value).toBe(600_000)
  })
  test('what is quiet differs by kind', () => {
    expect(stage(5).go(120 * SECOND, burns(20)).idle).toBe(true)
    expect(reasons(stage().go(120 * SECOND, burns(20)))).toEqual(['cpu'])
  })
  test('a connection that was answered and is kept open, with its heartbeats', () => {
    const agent = stage()
    agent.step(() => ({ connections: [info(2000, 1000, 50_000, 4000)] }))
    const activity = agent.go(300 * SECOND, (_, passed) => ({ connections: [passed % 30_000 === 0 ? info(30, 10, 50_000 + passed / 1000, 4000 + passed / 1000) : info(2000 + passed, 1000 + passed, 50_000 + Math.floor(passed / 30_000) * 30, 4000 + Math.floor(passed / 30_000) * 30)] }))
    expect(activity).toMatchObject({ idle: true, reasons: [] })
    expect(activity.idleMs.value).toBeGreaterThan(290_000)
  })
  test('servers at rest are no tools, and neither is a server that no rule knows', () => {
    const agent = stage()
    const known: SampleProcess = { ...child, role: 'mcp-server', label: 'notes MCP server' }
    const unknown: SampleProcess = { ...child, pid: 102, startTimeTicks: 1300, label: 'wizard', stdio: ['pipe', 'socket', 'file'] }
    const below: SampleProcess = { ...child, pid: 103, parentPid: 102, startTimeTicks: 1400, role: 'shell', label: 'sh', command: true }
    expect(agent.go(60 * SECOND, () => ({ processes: [main, known, unknown, below] })).idle).toBe(true)
  })
  test('a lock held for the session, as some agents do', () => {
    const agent = stage()
    const locks = [{ pid: 100, file: '08:01:7', exclusive: true, waitedFor: false }]
    expect(reasons(agent.go(30 * SECOND, () => ({ locks })))).toEqual(['lock'])
    const later = agent.go(60 * SECOND)
    expect(later).toMatchObject({ idle: true, reasons: [] })
    // It was never work: idle time went on meanwhile.
    expect(later.idleMs.value).toBe(90_000)
  })
})

describe('at work', () => {
  const quiet = 40 * SECOND
  test.each<[string, string, (sample: Sample, passedMs: number) => Partial<Sample>]>([
    ['a spinner on the terminal, and hardly any CPU time', 'terminal-output', (sample, passed) => (passed % 10_000 === 0 ? wrote(sample) : {})],
    ['CPU time', 'cpu', burns(30)],
    ['a request to which nothing came back yet', 'network', (_, passed) => ({ connections: [info(passed, passed + 200_000, 50_000, 0)] })],
    ['a request on a connection that was used before', 'network', (_, passed) => ({ connections: [passed === 5000 ? info(300_000, 299_000, 50_000, 4000) : info(passed - 7000, 294_000 + passed, 99_000, 4000)] })],
    ['a connection that is being made', 'network', () => ({ connections: [{ ...connection, state: 'connecting' }] })],
    ['something sent that nobody acknowledges', 'network', () => ({ connections: [{ ...info(10_000, 20_000, 50_000, 4000), retransmits: 4 }] })],
    ['an answer that trickles in', 'network', (_, passed) => ({ connections: [info(passed, 900, 50_000, 4000 + passed / 50)] })],
    ['a connection whose times cannot be seen', 'network', () => ({ connections: [connection] })],
    ['connections that cannot be seen at all', 'network', () => ({ connections: null })],
    ['QUIC', 'network', () => ({ datagrams: 1 })],
    ['a command, however quiet', 'tool', () => ({ processes: [main, child] })],
    ['a shell with a command', 'tool', () => ({ processes: [main, { ...child, role: 'shell', label: 'bash', command: true }] })],
    ['another agent below it', 'subagent', () => ({ holdsAgents: true })],
    ['a debugger', 'debugger', () => ({ processes: [{ ...main, tracerPid: 55 }] })],
    ['somebody who waits for its lock', 'lock', () => ({ locks: [{ pid: 100, file: '08:01:7', exclusive: false, waitedFor: true }] })],
    ['a file system that it serves', 'lock', () => ({ processes: [{ ...main, fuse: true }] })],
    ['another program connected to it', 'lock', () => ({ connections: [{ ...info(90_000, 90_000, 500, 500), inbound: true }] })],
    ['another program connected to a Unix socket of it', 'lock', () => ({ unixInbound: 1 })],
    ['somebody connected to it of whom nothing can be seen', 'lock', () => ({ unixInbound: null })],
    ['a terminal in line mode: a single task', 'lock', (sample) => ({ terminal: sample.terminal === null ? null : { ...sample.terminal, raw: false } })],
    ['a terminal whose mode cannot be read', 'lock', (sample) => ({ terminal: sample.terminal === null ? null : { ...sample.terminal, raw: null } })],
    ['no terminal', 'lock', () => ({ terminal: null })],
    ['a disk that it waits for', 'cpu', () => ({ processes: [{ ...main, kernelState: 'D' }] })],
    ['a processor that it does not get', 'cpu', () => ({ processes: [{ ...main, kernelState: 'R' }] })],
  ])('%s', (_, reason, change) => {
    const agent = stage()
    agent.go(quiet)
    const activity = agent.go(300 * SECOND, change)
    expect(reasons(activity)).toContain(reason)
    expect(activity.idle).toBe(false)
  })

  test('a shell at its prompt and an ended command are no tools', () => {
    const agent = stage()
    expect(agent.go(60 * SECOND, () => ({ processes: [main, { ...child, role: 'shell', label: 'bash' }, { ...child, pid: 102, kernelState: 'Z' }] })).idle).toBe(true)
  })
  test('the end of work is noticed within half a minute', () => {
    const agent = stage()
    agent.go(120 * SECOND, (sample) => ({ ...wrote(sample), ...burns(25)(sample), connections: [info(sample.monotonicMs, sample.monotonicMs + 9, 50_000, 0)] }))
    agent.step(() => ({ connections: [info(90_000, 500, 50_000, 900)] }))
    const activity = agent.go(60 * SECOND, (_, passed) => ({ connections: [info(90_000 + passed, 500 + passed, 50_000, 900)] }))
    expect(activity.idle).toBe(true)
    expect(activity.idleMs.value).toBeGreaterThanOrEqual(30_000)
  })
  test('a small request on a warm connection waits too; what a protocol sends by itself does not', () => {
    const agent = stage()
    agent.go(quiet, (_, passed) => ({ connections: [info(9000 + passed, 8000 + passed, 900, 900)] }))
    expect(reasons(agent.step(() => ({ connections: [info(2000, 50_000, 1200, 900)] })))).toEqual(['network'])
    expect(agent.step(() => ({ connections: [info(7000, 10, 1200, 1000)] })).reasons).toEqual([])
    // A window update that follows the end of the answer at once.
    expect(agent.step(() => ({ connections: [info(1000, 1003, 1250, 9000)] })).reasons.map(({ text }) => text).filter((text) => text.startsWith('waits'))).toEqual([])
  })
  test('what comes at once after a large request is the handshake, for three minutes; a later byte is the answer', () => {
    const agent = stage()
    agent.go(quiet)
    const asked = (passed: number) => ({ connections: [info(passed, passed - 150, 79_000, 5200)] })
    expect(reasons(agent.go(170 * SECOND, (_, passed) => asked(passed)))).toEqual(['network'])
    expect(agent.go(20 * SECOND, (_, passed) => asked(170_000 + passed)).reasons).toEqual([])
    const answered = stage()
    answered.go(10 * SECOND, (_, passed) => asked(passed))
    expect(answered.step(() => ({ connections: [info(15_000, 100, 79_000, 6000)] })).reasons).toEqual([])
    // On this machine there is nothing between the two: what came back is the answer.
    expect(stage().go(quiet, (_, passed) => ({ connections: asked(passed).connections.map((made) => ({ ...made, loopback: true })) })).reasons).toEqual([])
  })
  test('typing starts idle time anew', () => {
    const agent = stage()
    agent.go(120 * SECOND)
    expect(reasons(agent.step((sample) => ({ terminal: sample.terminal === null ? null : { ...sample.terminal, inputAtMs: sample.atMs } })))).toEqual(['terminal-input'])
    expect(agent.go(20 * SECOND).idleMs.value).toBe(20_000)
  })
  test('a young agent is left alone', () => {
    const agent = stage()
    expect(reasons(agent.step(() => ({ ageMs: 4000 })))).toContain('starting')
    expect(agent.go(60 * SECOND, (_, passed) => ({ ageMs: 4000 + passed })).idleMs.value).toBe(45_000)
  })
  test('nothing is known about the time in which nobody looked', () => {
    const agent = stage()
    agent.go(300 * SECOND)
    expect(reasons(agent.step(undefined, 3_600_000))).toEqual(['not-measured'])
    expect(agent.go(20 * SECOND).idleMs.value).toBe(20_000)
  })
})

describe('what others say', () => {
  test('pinned', () => {
    const agent = stage()
    agent.know({ hook: null, pinned: true })
    expect(agent.go(60 * SECOND)).toMatchObject({ idle: false, idleMs: { value: 60_000 }, reasons: [{ reason: 'pinned' }] })
  })
  test('a hook that a turn is under way is believed against every silence, for half an hour', () => {
    const agent = stage()
    agent.know({ hook: { turn: 'working', sinceMs: START_MS }, pinned: false })
    expect(agent.go(29 * 60 * SECOND)).toMatchObject({ idle: false, reasons: [{ reason: 'hook' }], knownBy: 'hook' })
    expect(agent.go(2 * 60 * SECOND).idle).toBe(true)
  })
  test('a hook that the turn ended does not make a tool idle, and idle time begins with it', () => {
    const agent = stage()
    agent.go(60 * SECOND)
    agent.know({ hook: { turn: 'waiting', sinceMs: START_MS + 60_000 }, pinned: false })
    expect(agent.go(20 * SECOND)).toMatchObject({ idle: true, idleMs: { value: 20_000 }, knownBy: 'hook' })
    expect(reasons(agent.step(() => ({ processes: [main, child] })))).toEqual(['tool'])
  })
})

describe('what is too short to be work keeps it awake at that moment alone', () => {
  test.each<[string, string, (sample: Sample) => Partial<Sample>]>([
    ['a look after the repository', 'tool', (sample) => ({ processes: [main, { ...child, label: 'git', startTimeTicks: 1000 + (sample.ageMs - 500) / 10 }], connections: [info(65_000, 64_000, 50_000, 4000)] })],
    ['a report of use', 'network', () => ({ connections: [info(300, 64_000, 53_000, 4000)] })],
  ])('%s', (_, reason, change) => {
    const agent = stage()
    agent.go(60 * SECOND)
    agent.step(() => ({ connections: [info(60_000, 59_000, 50_000, 4000)] }))
    const then = agent.step(change)
    expect(reasons(then)).toEqual([reason])
    expect(then.idle).toBe(false)
    expect(agent.step(() => ({ processes: [main], connections: [info(5300, 5100, 53_000, 4500)] })).idleMs.value).toBe(75_000)
  })
  test('a question each minute', () => {
    const agent = stage()
    const activity = agent.go(600 * SECOND, (_, passed) => {
      const asked = Math.floor(passed / 60_000)
      const agoMs = passed % 60_000
      const answered = agoMs >= 200
      return { connections: [info(agoMs, answered ? agoMs - 200 : agoMs + 59_800, 900 + asked * 700, 500 + (answered ? asked : asked - 1) * 900)] }
    })
    expect(activity.idleMs.value).toBe(600_000)
  })
})
