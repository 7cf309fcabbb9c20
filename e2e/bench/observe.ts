import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { startFleet } from '../fixtures/fleet/fleet.ts'
import { cpuPressurePercent, waitForQuiet } from './parts/quiet.ts'

/**
 * What a snapshot costs, beside smem on the same machine in the same run,
 * taking turns. By default 30 real agents where root and 12 GiB are there, else
 * (or with --stand-ins) 30 copies of node that are named and sized like agents.
 * smem reads every process's smaps; a snapshot reads smaps_rollup of agents
 * alone, and counts the rest from one line each.
 */
const { values: options } = parseArgs({ options: { 'stand-ins': { type: 'boolean', default: false } } })

const ownUid = process.getuid?.() ?? 0
/** Stand-ins run as nobody where they can: that user has no agents of its own. */
const STAND_IN_UID = ownUid === 0 ? 65_534 : ownUid
const ROUNDS = 3
const SLEEPERS = 1000
const AGENTS = { 'claude-code': 10, 'gemini-cli': 10, codex: 5, opencode: 5 } as const
const STAND_IN_MIB = 120
const SNAPSHOT = fileURLToPath(new URL('../../helper/agents/snapshot-cli.ts', import.meta.url))

interface Row { what: string; value: number; unit: string; must: string; ok: boolean }
const rows: Row[] = []
const below = (what: string, value: number, limit: number, unit: string): void => { rows.push({ what, value: Math.round(value * 10) / 10, unit, must: `< ${limit}`, ok: value < limit }) }
const shown = (what: string, value: number, unit: string): void => { rows.push({ what, value: Math.round(value * 10) / 10, unit, must: '', ok: true }) }
const exactly = (what: string, value: number, expected: number): void => { rows.push({ what, value, unit: '', must: `= ${expected}`, ok: value === expected }) }

const briefSchema = z.object({ tookMs: z.number(), cpuMs: z.number(), agents: z.int(), counts: z.object({ seen: z.int(), ofAgents: z.int() }) })
type Brief = z.infer<typeof briefSchema>

/** CPU time of children that ended and were waited for, in ms (hundredths of a second). */
const endedChildrenMs = (): number => {
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /su, '').split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

const measured = (command: string, argv: readonly string[]): { out: string; cpuMs: number; wallMs: number } => {
  const cpu = endedChildrenMs()
  const started = performance.now()
  const run = spawnSync(command, argv, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (run.status !== 0) throw new Error(`${command}: expected exit code 0, got ${run.status ?? run.error?.message ?? 'a signal'}: ${run.stderr}`)
  return { out: run.stdout, wallMs: performance.now() - started, cpuMs: endedChildrenMs() - cpu }
}

/** Of one user's agents, so that others on the machine stay out of the figures. */
const snapshots = (looks: number, uid: number): { briefs: Brief[]; cpuMs: number } => {
  const { out, cpuMs } = measured(process.execPath, [SNAPSHOT, '--brief', '--looks', String(looks), '--interval-ms', '500', '--uid', String(uid)])
  return { briefs: out.trim().split('\n').map((line) => briefSchema.parse(JSON.parse(line))), cpuMs }
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const most = (numbers: readonly number[]): number => Math.max(...numbers)

/** Turn by turn, so that a busy moment of the machine hits both. */
const rounds = (looks: number, uid: number, smem: readonly string[]): { briefs: Brief[]; firsts: Brief[]; programMs: number[]; smemMs: number[] } => {
  const result = { briefs: [] as Brief[], firsts: [] as Brief[], programMs: [] as number[], smemMs: [] as number[] }
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = snapshots(1, uid)
    result.programMs.push(one.cpuMs)
    const ours = snapshots(looks, uid)
    result.briefs.push(...ours.briefs.slice(1))
    result.firsts.push(...one.briefs, ...ours.briefs.slice(0, 1))
    result.smemMs.push(measured('smem', smem).cpuMs)
  }
  return result
}

const end = async (children: readonly ChildProcess[]): Promise<void> => {
  for (const child of children) child.kill('SIGKILL')
  while (children.some((child) => child.exitCode === null && child.signalCode === null)) await sleep(20)
}

const thousandProcesses = async (): Promise<void> => {
  const sleepers: ChildProcess[] = []
  try {
    for (let i = 0; i < SLEEPERS; i += 1) sleepers.push(spawn('sleep', ['900'], { stdio: 'ignore' }))
    await sleep(1000)
    const result = rounds(3, ownUid, ['-H'])
    const seen = Math.min(...result.briefs.map((brief) => brief.counts.seen))
    rows.push({ what: 'processes on the machine', value: seen, unit: '', must: `>= ${SLEEPERS}`, ok: seen >= SLEEPERS })
    below('snapshot of 1,000 processes, first, CPU, worst', most(result.firsts.map((brief) => brief.cpuMs)), 1000, 'ms')
    below('snapshot of 1,000 processes, later ones, CPU, median', median(result.briefs.map((brief) => brief.cpuMs)), 1000, 'ms')
    shown('  the same as a program, with Node\'s start, CPU', median(result.programMs), 'ms')
    shown('  smem, PSS of all of them, CPU', median(result.smemMs), 'ms')
  } finally {
    await end(sleepers)
  }
}

/** Others' work empties the caches that the page-table walk lives on. */
const QUIET_SECONDS = 120

const thirtyAgents = (what: string, uid: number, before: number, smem: readonly string[]): void => {
  shown('share of time in which somebody waits for a CPU', cpuPressurePercent(), '%')
  const result = rounds(4, uid, ['-H', ...smem])
  exactly(`${what} found`, median(result.briefs.map((brief) => brief.agents)) - before, 30)
  shown('  processes of them', median(result.briefs.map((brief) => brief.counts.ofAgents)), '')
  below(`snapshot of ${what}, time, median`, median(result.briefs.map((brief) => brief.tookMs)), 150, 'ms')
  // Almost all of it is the kernel's walk over the page tables; the walks go on beside each other.
  shown('  CPU, median', median(result.briefs.map((brief) => brief.cpuMs)), 'ms')
  shown('  CPU of the first of a new program, median', median(result.firsts.map((brief) => brief.cpuMs)), 'ms')
  shown('  CPU of the worst', most([...result.firsts, ...result.briefs].map((brief) => brief.cpuMs)), 'ms')
  shown('  the same as a program, with Node\'s start, CPU', median(result.programMs), 'ms')
  shown('  smem of the same processes, CPU', median(result.smemMs), 'ms')
}

/** A copy of node where the signature expects Claude Code; it fills memory and then waits as an agent at its prompt does. */
const standIns = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-stand-ins-'))
  const program = join(folder, 'node_modules/@anthropic-ai/claude-code-linux-x64/claude')
  const work = `const held = Array.from({ length: ${STAND_IN_MIB * 4} }, (_, i) => Buffer.alloc(262144, i + 1)); setInterval(() => held.length, 1000)`
  const agents: ChildProcess[] = []
  try {
    mkdirSync(dirname(program), { recursive: true })
    copyFileSync(process.execPath, program)
    chmodSync(folder, 0o755)
    chmodSync(program, 0o755)
    const before = snapshots(1, STAND_IN_UID).briefs[0]?.agents ?? 0
    for (let i = 0; i < 30; i += 1) agents.push(spawn(program, ['-e', work], { stdio: 'ignore', cwd: folder, ...(ownUid === 0 ? { uid: STAND_IN_UID, gid: STAND_IN_UID } : {}) }))
    await sleep(8000)
    await waitForQuiet(QUIET_SECONDS)
    thirtyAgents('30 stand-ins of agents', STAND_IN_UID, before, ['-P', folder])
  } finally {
    await end(agents)
    rmSync(folder, { recursive: true, force: true })
  }
}

const realAgents = async (): Promise<void> => {
  const fleet = await startFleet({ counts: AGENTS })
  try {
    await sleep(5000)
    await waitForQuiet(QUIET_SECONDS)
    thirtyAgents('30 real agents', fleet.user.uid, 0, ['-U', fleet.user.name, '-P', 'claude|gemini|codex|opencode'])
  } finally {
    await fleet.stop()
  }
}

const availableKib = (): number => Number(/^MemAvailable:\s+(\d+)/mu.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0)

const running = readdirSync('/proc').filter((name) => /^\d+$/u.test(name)).length
console.log(`load ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0]}, ${running} processes before the start`)
await thousandProcesses()
const real = !options['stand-ins'] && process.getuid?.() === 0 && availableKib() > 12 * 1024 * 1024
console.log(real ? 'starting 30 real agents' : 'starting 30 stand-ins: copies of node, named and sized like agents')
await (real ? realAgents() : standIns())

const width = Math.max(...rows.map((row) => row.what.length))
for (const row of rows) console.log(`${row.what.padEnd(width)}  ${String(row.value).padStart(8)} ${row.unit.padEnd(2)}  ${row.must.padStart(7)}  ${row.must === '' ? '' : row.ok ? 'ok' : 'SHORT'}`)
console.log(JSON.stringify({ bench: 'observe', rows }))
if (rows.some((row) => !row.ok)) process.exitCode = 1
