import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { openHistory } from './open.ts'
import { agentSeriesId, MACHINE_SERIES, type AgentSample, type MachineSample } from './types.ts'

/**
 * Measures the history for `npm run bench -- history` and prints one JSON
 * object. Time is simulated, everything else is the real writer and reader.
 * `--days N` (7), `--agents N` (30), `--naive-hours N` (2).
 */
const argument = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  const value = at === -1 ? fallback : Number(process.argv[at + 1])
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`--${name} needs a number above 0, got ${process.argv[at + 1] ?? 'nothing'}`)
  return value
}
const days = argument('days', 7)
const agentCount = argument('agents', 30)
const naiveHours = argument('naive-hours', 2)
const MIB = 1024 * 1024
const START_MS = Date.UTC(2026, 10, 13)

/** Deterministic, so that two runs of the bench store the same bytes (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
const random = randomOf(20_261_113)

interface Walker extends AgentSample {
  homeBytes: number
  endsS: number
}
let made = 0
const kinds = [['claude-code', 'Claude Code', 151], ['gemini-cli', 'Gemini CLI', 315], ['opencode', 'opencode', 629]] as const
/** An agent that lives for 2 to 14 hours around the size of its kind. */
const newAgent = (nowS: number): Walker => {
  made += 1
  const [kind, title, mib] = kinds[made % kinds.length] ?? kinds[0]
  const homeBytes = mib * MIB * (0.8 + 0.6 * random())
  return { id: `3f2a9c1e-7b44-4d0e-9a61-0c5de8f1b2a7:${1000 + made}:${100_000 + made}`, kind, title, name: `project-${made % 40}`, costBytes: homeBytes * 1.4, homeBytes, endsS: nowS + 7200 + random() * 43_200 }
}

/** One second of everything: agents drift back to their size, work in bursts, come and go. */
const createWorld = () => {
  const agents: Walker[] = Array.from({ length: agentCount }, () => newAgent(0))
  let cacheBytes = 2500 * MIB
  let pressurePercent = 0
  return (second: number): { machine: MachineSample; agents: readonly AgentSample[] } => {
    agents.forEach((agent, i) => {
      if (second > agent.endsS) agents[i] = newAgent(second)
      else agent.costBytes = Math.round(agent.costBytes + (agent.homeBytes - agent.costBytes) * 0.001 + (random() - 0.5) * 2 * MIB + (random() < 0.0005 ? 60 * MIB : 0))
    })
    cacheBytes = Math.max(500 * MIB, cacheBytes + (random() - 0.5) * 20 * MIB)
    pressurePercent = Math.max(0, pressurePercent * 0.9 + (random() < 0.01 ? random() * 10 : 0))
    const agentsCostBytes = agents.reduce((sum, agent) => sum + agent.costBytes, 0)
    const freeBytes = Math.max(100 * MIB, 22_000 * MIB - agentsCostBytes - cacheBytes)
    return { agents, machine: { availableBytes: freeBytes + cacheBytes * 0.8, agentsCostBytes, compressedBytes: 400 * MIB + random() * MIB, freeBytes, pressurePercent, cacheBytes, swapUsedBytes: 1500 * MIB + random() * MIB } }
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
/** Wall time and the CPU time of this process: on a busy machine only the second is history's own. */
const times = (count: number, work: () => unknown): { medianMs: number; worstMs: number; worstCpuMs: number } => {
  const took = Array.from({ length: count }, () => {
    const cpuBefore = process.cpuUsage()
    const begin = performance.now()
    work()
    const wallMs = performance.now() - begin
    const cpu = process.cpuUsage(cpuBefore)
    return { wallMs, cpuMs: (cpu.user + cpu.system) / 1000 }
  })
  return { medianMs: median(took.map((one) => one.wallMs)), worstMs: Math.max(...took.map((one) => one.wallMs)), worstCpuMs: Math.max(...took.map((one) => one.cpuMs)) }
}

const folder = mkdtempSync(join(tmpdir(), 'agentmem-bench-history-'))
try {
  const path = join(folder, 'history.db')
  const opened = openHistory(path)
  if (!opened.ok) throw new Error(opened.error.message)
  const { writer } = opened.value
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

  const seconds = Math.round(days * 86_400)
  const next = createWorld()
  const rollUpMs: number[] = []
  let largestBytes = 0
  let last: readonly AgentSample[] = []
  let writeMs = 0
  let slowestMs = 0
  const cpuBefore = process.cpuUsage()
  let worldMs = 0
  for (let s = 0; s < seconds; s += 1) {
    const t0 = performance.now()
    const { machine, agents } = next(s)
    const t1 = performance.now()
    const stored = writer.addSamples(START_MS + s * 1000, machine, agents)
    const t2 = performance.now()
    worldMs += t1 - t0
    writeMs += t2 - t1
    slowestMs = Math.max(slowestMs, t2 - t1)
    if (!stored.ok) throw new Error(stored.error.message)
    last = agents
    if (s % 60 === 59) {
      const begin = performance.now()
      const rolled = writer.rollUp(START_MS + s * 1000)
      if (!rolled.ok) throw new Error(rolled.error.message)
      rollUpMs.push(performance.now() - begin)
    }
    if (s % 3600 === 0) largestBytes = Math.max(largestBytes, sizeOf(path) + sizeOf(`${path}-wal`))
  }
  const cpu = process.cpuUsage(cpuBefore)
  const endMs = START_MS + seconds * 1000
  largestBytes = Math.max(largestBytes, sizeOf(path) + sizeOf(`${path}-wal`))
  const rollUpTotalMs = rollUpMs.reduce((sum, ms) => sum + ms, 0)

  // Drawing is read by a connection of its own, as a window just opened would.
  const again = openHistory(path)
  if (!again.ok) throw new Error(again.error.message)
  const { reader } = again.value
  const agent = last[0]
  if (agent === undefined) throw new RangeError('the bench needs at least one agent')
  const range = (what: string, spanMs: number, toMs: number, series: readonly string[], maxPoints = 2000) => {
    const request = { fromMs: toMs - spanMs, toMs, series, maxPoints }
    const points = reader.series(request).series[0]?.values.filter((value) => value !== null).length ?? 0
    return { what, points, ...times(40, () => reader.series(request)) }
  }
  const MINUTE = 60_000
  const DAY = 86_400_000
  const all = [...MACHINE_SERIES, ...last.map((one) => agentSeriesId(one.id))]
  const ranges = [
    range('10 min, machine', 10 * MINUTE, endMs, MACHINE_SERIES),
    range('1 h, machine', 60 * MINUTE, endMs, MACHINE_SERIES),
    range('day, machine', DAY, endMs, MACHINE_SERIES),
    range('week, machine', 7 * DAY, endMs, MACHINE_SERIES),
    range('an hour of two days ago, machine', 60 * MINUTE, endMs - 2 * DAY, MACHINE_SERIES),
    range('10 min, one agent', 10 * MINUTE, endMs, [agentSeriesId(agent.id)]),
    range('day, one agent', DAY, endMs, [agentSeriesId(agent.id)]),
    range('week, one agent', 7 * DAY, endMs, [agentSeriesId(agent.id)]),
    range(`10 min, machine and ${agentCount} agents`, 10 * MINUTE, endMs, all),
    range(`week, machine and ${agentCount} agents`, 7 * DAY, endMs, all),
  ]
  again.value.close()
  opened.value.close()

  // The naive way: every value of every second kept, one index, drawn point by point.
  const naivePath = join(folder, 'naive.db')
  const naive = new Database(naivePath)
  naive.pragma('journal_mode = WAL')
  naive.pragma('synchronous = NORMAL')
  naive.exec('CREATE TABLE sample (at_ms INTEGER, series INTEGER, value REAL); CREATE INDEX sample_by_series ON sample (series, at_ms)')
  const insert = naive.prepare('INSERT INTO sample VALUES (?, ?, ?)')
  const naiveSeconds = Math.round(naiveHours * 3600)
  const naiveNext = createWorld()
  const naiveBegin = performance.now()
  for (let s = 0; s < naiveSeconds; s += 1) {
    const { machine, agents } = naiveNext(s)
    naive.transaction(() => {
      Object.values(machine).forEach((value, i) => insert.run(START_MS + s * 1000, i, value))
      agents.forEach((one, i) => insert.run(START_MS + s * 1000, 100 + i, one.costBytes))
    })()
  }
  const naiveWriteMs = performance.now() - naiveBegin - (worldMs * naiveSeconds) / seconds
  const select = naive.prepare('SELECT at_ms, value FROM sample WHERE series = ? AND at_ms >= ? ORDER BY at_ms')
  const naiveDraw = times(10, () => MACHINE_SERIES.map((_, i) => select.raw().all(i, START_MS)))
  naive.close()
  const scale = (days * 24) / naiveHours

  console.log(
    JSON.stringify({
      days,
      agents: agentCount,
      series: made + MACHINE_SERIES.length,
      fileBytes: sizeOf(path),
      largestBytes,
      writeMsPerSecond: writeMs / seconds,
      slowestWriteMs: slowestMs,
      rollUpMsPerSecond: rollUpTotalMs / seconds,
      rollUpWorstMs: Math.max(...rollUpMs),
      cpuMsPerSecond: (cpu.user + cpu.system) / 1000 / seconds - worldMs / seconds,
      ranges,
      naive: { hours: naiveHours, bytes: sizeOf(naivePath), bytesScaled: sizeOf(naivePath) * scale, writeMsPerSecond: naiveWriteMs / naiveSeconds, drawMs: naiveDraw.medianMs, drawMsScaled: naiveDraw.medianMs * scale },
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
