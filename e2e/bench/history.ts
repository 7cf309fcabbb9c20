import { spawnSync } from 'node:child_process'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/**
 * History: a week of 30 agents, every one written every second, stays under
 * 50 MB and any range draws in under 100 ms. Beside it, in the same run, the
 * naive way: every value kept, scaled up from a shorter span.
 */
const measuredSchema = z.object({
  days: z.number(),
  agents: z.number(),
  series: z.number(),
  fileBytes: z.number(),
  largestBytes: z.number(),
  writeMsPerSecond: z.number(),
  slowestWriteMs: z.number(),
  rollUpMsPerSecond: z.number(),
  rollUpWorstMs: z.number(),
  cpuMsPerSecond: z.number(),
  ranges: z.array(z.object({ what: z.string(), points: z.number(), medianMs: z.number(), worstMs: z.number(), worstCpuMs: z.number() })),
  naive: z.object({ hours: z.number(), bytes: z.number(), bytesScaled: z.number(), writeMsPerSecond: z.number(), drawMs: z.number(), drawMsScaled: z.number() }),
})

interface Row {
  what: string
  value: number
  unit: string
  must: string
  ok: boolean
}

const MB = 1e6
const round = (value: number): number => Number(value.toPrecision(3))
const below = (what: string, value: number, limit: number, unit: string): Row => ({ what, value: round(value), unit, must: `< ${limit}`, ok: value < limit })
/**
 * With more runnable programs than cores a draw can be made to wait for its
 * turn: then the worst one is judged, and shown, by its CPU time.
 */
const isBusy = (): boolean => (loadavg()[0] ?? 0) > availableParallelism()
const drawn = (what: string, ms: number, points: number, cpuMs: number | null = null): Row => {
  const byCpu = cpuMs !== null && busy
  const counted = byCpu ? cpuMs : ms
  return { ...below(byCpu ? `${what}, CPU time (machine is busy)` : what, counted, 100, 'ms'), ok: counted < 100 && points > 0 }
}
const shown = (what: string, value: number, unit: string): Row => ({ what, value: round(value), unit, must: '', ok: true })

const program = fileURLToPath(new URL('../../electron/app/history/bench-cli.ts', import.meta.url))
const busyBefore = isBusy()
const run = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 24 })
if (run.status !== 0) {
  console.error(`bench history: the measuring program ended with ${run.status ?? run.signal}`)
  process.exit(1)
}
const measured = measuredSchema.parse(JSON.parse(run.stdout))
const { naive } = measured
const busy = busyBefore || isBusy()

const rows: Row[] = [
  below(`file after ${measured.days} days of ${measured.agents} agents (${measured.series} series)`, measured.fileBytes / MB, 50, 'MB'),
  below('file with its log, largest seen', measured.largestBytes / MB, 50, 'MB'),
  ...measured.ranges.flatMap((range) => [
    // A range that draws nothing is fast for the wrong reason.
    drawn(`draw ${range.what}, ${range.points} points: median`, range.medianMs, range.points),
    drawn(`draw ${range.what}, ${range.points} points: worst of 40`, range.worstMs, range.points, range.worstCpuMs),
  ]),
  below('write one second, mean', measured.writeMsPerSecond, 10, 'ms'),
  shown('write one second, slowest', measured.slowestWriteMs, 'ms'),
  shown('roll-up, per second', measured.rollUpMsPerSecond, 'ms'),
  shown('roll-up, slowest', measured.rollUpWorstMs, 'ms'),
  below('CPU per second of history', measured.cpuMsPerSecond, 10, 'ms'),
  shown(`naive: file, ${naive.hours} h scaled to ${measured.days} days`, naive.bytesScaled / MB, 'MB'),
  shown('naive: write one second, mean', naive.writeMsPerSecond, 'ms'),
  shown(`naive: draw machine, ${naive.hours} h scaled to ${measured.days} days`, naive.drawMsScaled, 'ms'),
]

const width = Math.max(...rows.map((row) => row.what.length))
for (const row of rows) console.log(`${row.what.padEnd(width)}  ${String(row.value).padStart(9)} ${row.unit.padEnd(2)}  ${row.must.padStart(6)}  ${row.must === '' ? '' : row.ok ? 'ok' : 'SHORT'}`)
console.log(JSON.stringify({ bench: 'history', rows }))
if (rows.some((row) => !row.ok)) process.exitCode = 1
