import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { readTrace, type Trace } from '../fixtures/traces/format.ts'
import type { Label } from '../fixtures/traces/labels.ts'

/**
 * Whether agents at work would have been suspended, and idle ones were: all
 * recorded traces of real agents, run through the product's own decision, as
 * often as the session role looks. Labels come from the model server's log and
 * from what was typed. Beside it, on the same traces, rules that know less:
 * CPU time alone, and CPU time with running tools.
 */
const { values: options } = parseArgs({
  options: {
    traces: { type: 'string', multiple: true },
    'interval-ms': { type: 'string', default: '5000' },
    /** Tells where and why each wrong or missing suspend was; for making the rule, so never of held-out traces. */
    explain: { type: 'boolean', default: false },
    'without-held-out': { type: 'boolean', default: false },
  },
})

const RULES = ['product', 'cpu-and-tools', 'cpu'] as const
type RuleName = (typeof RULES)[number]
const CALLED: Readonly<Record<RuleName, string>> = { product: 'the product', 'cpu-and-tools': 'CPU time and tools', cpu: 'CPU time alone, 5 %' }
/** What the policy may be set to: its least, and two that people would choose. */
const LIMITS_MS = [30_000, 120_000, 300_000] as const
/** Idle agents are to be suspended so soon after the limit. */
const WITHIN_MS = 60_000
const MUST_HOURS = 20
const MUST_KINDS = 8
const MUST_PERCENT = 95

const REPLAY = fileURLToPath(new URL('../../helper/agents/activity/replay-cli.ts', import.meta.url))
const FOLDER = fileURLToPath(new URL('../fixtures/traces', import.meta.url))

const verdictsSchema = z.array(z.object({ id: z.string(), atMs: z.number(), idleMs: z.number().nullable(), reasons: z.array(z.string()) })).length(RULES.length)
type Verdict = z.infer<typeof verdictsSchema>[number]

const intervalMs = Number(options['interval-ms'])
if (!(intervalMs >= 0)) throw new Error(`--interval-ms: expected a number from 0 up, got "${options['interval-ms']}"`)

interface Row { what: string; value: number | string; unit: string; must: string; ok: boolean }
const rows: Row[] = []
const round = (value: number): number => Math.round(value * 10) / 10
const shown = (what: string, value: number, unit = ''): void => { rows.push({ what, value: round(value), unit, must: '', ok: true }) }
const least = (what: string, value: number, limit: number, unit = ''): void => { rows.push({ what, value: round(value), unit, must: `>= ${limit}`, ok: value >= limit }) }
const none = (what: string, value: number): void => { rows.push({ what, value, unit: '', must: '= 0', ok: value === 0 }) }

const replay = (samples: readonly unknown[]): Promise<Verdict[][]> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [REPLAY, ...RULES.flatMap((rule) => ['--rule', rule])], { stdio: ['pipe', 'pipe', 'inherit'] })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => parts.push(part))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`replaying: expected exit code 0, got ${code}`))
      else resolve(Buffer.concat(parts).toString().split('\n').filter((line) => line !== '').map((line) => verdictsSchema.parse(JSON.parse(line))))
    })
    child.stdin.on('error', reject)
    child.stdin.end(`${samples.map((sample) => JSON.stringify(sample)).join('\n')}\n`)
  })

/** A stretch of one label, as far as there are samples of it. */
interface Stretch {
  readonly trace: string
  readonly kind: string
  readonly heldOut: boolean
  readonly label: Label
  readonly lengthMs: number
  /** By rule: the look at which it would have been suspended, in ms after the stretch began; by limit. Null: never. */
  readonly suspendedAfterMs: Readonly<Record<RuleName, readonly (number | null)[]>>
  /** Others were connected to it nearly all the time: it may not be suspended, however idle it is itself. */
  readonly neededByOthers: boolean
  /** Of the product's looks, for explaining. */
  readonly verdicts: readonly Verdict[]
}

/** From the raw samples, whatever the rule makes of it. */
const rawSchema = z.object({ atMs: z.number(), connections: z.array(z.object({ inbound: z.boolean(), state: z.string() })).nullable(), unixInbound: z.number().nullable().optional() })

const NEARLY_ALL = 0.9

const stretchesOf = (header: Trace['header'], samples: readonly unknown[], looks: readonly (readonly Verdict[])[]): Stretch[] => {
  const raw = samples.map((sample) => rawSchema.parse(sample))
  return header.labels.flatMap((label): Stretch[] => {
    const within = looks.filter(([first]) => first !== undefined && first.atMs >= label.fromMs && first.atMs < label.untilMs)
    const [first, last] = [within[0]?.[0], within.at(-1)?.[0]]
    if (first === undefined || last === undefined) return []
    const during = raw.filter(({ atMs }) => atMs >= label.fromMs && atMs < label.untilMs)
    const joined = during.filter(({ connections, unixInbound }) => (unixInbound ?? 0) > 0 || connections?.some(({ inbound, state }) => inbound && state === 'established') === true)
    // A stretch that began before the first sample begins with it.
    const beganMs = looks[0]?.[0] === first ? first.atMs : label.fromMs
    const after = (at: number): (number | null)[] => LIMITS_MS.map((limitMs) => {
      const idleOf = (verdicts: readonly Verdict[] | undefined): number => verdicts?.[at]?.idleMs ?? -1
      // Suspended before the stretch began: the key that began it woke it, and idle time began anew. Work for others begins without a key.
      const asleep = label.state !== 'idle' && label.state !== 'serving' && idleOf(looks[looks.indexOf(within[0] ?? []) - 1]) >= limitMs
      const found = within.find((verdicts) => Math.min(idleOf(verdicts), asleep ? (verdicts[at]?.atMs ?? 0) - beganMs : Infinity) >= limitMs)?.[at]
      return found === undefined ? null : found.atMs - beganMs
    })
    return [{
      trace: header.name, kind: header.kind, heldOut: header.heldOut, label, lengthMs: last.atMs - beganMs,
      suspendedAfterMs: { product: after(0), 'cpu-and-tools': after(1), cpu: after(2) },
      neededByOthers: joined.length > during.length * NEARLY_ALL,
      verdicts: within.flatMap(([verdict]) => verdict ?? []),
    }]
  })
}

/** Samples as often as the session role looks; half a sample's distance early counts as on time. */
const asLookedAt = (samples: Trace['samples']): Trace['samples'] => {
  let nextMs = Number.NEGATIVE_INFINITY
  return samples.filter((sample) => {
    const { atMs } = rawSchema.parse(sample)
    if (atMs < nextMs - 500) return false
    nextMs = atMs + intervalMs
    return true
  })
}

const tracesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.trace')).map((name) => join(folder, name)) : [])

const recorded = (): string[] => {
  const data = [...tracesIn(join(FOLDER, 'data')), ...(options['without-held-out'] ? [] : tracesIn(join(FOLDER, 'data/held-out')))]
  return data.length > 0 ? data : tracesIn(join(FOLDER, 'short'))
}
const files = options.traces?.flatMap((path) => (path.endsWith('.trace') ? [path] : tracesIn(path))) ?? recorded()
if (files.length === 0) throw new Error(`no traces in ${FOLDER}; e2e/fixtures/traces/README.md says how to make them`)

const stretches: Stretch[] = []
let sampleCount = 0
let agentMs = 0
const queue = [...files]
const worker = async (): Promise<void> => {
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const { header, samples } = await readTrace(path)
    if (options['without-held-out'] && header.heldOut) continue
    const seen = asLookedAt(samples)
    const looks = await replay(seen)
    sampleCount += samples.length
    agentMs += (looks.at(-1)?.[0]?.atMs ?? 0) - (looks[0]?.[0]?.atMs ?? 0)
    stretches.push(...stretchesOf(header, seen, looks))
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))

const hours = (list: readonly Stretch[]): number => list.reduce((sum, { lengthMs }) => sum + lengthMs, 0) / 3_600_000
const wrong = (list: readonly Stretch[], rule: RuleName, limitMs: number): Stretch[] => list.filter(({ suspendedAfterMs }) => suspendedAfterMs[rule][LIMITS_MS.indexOf(limitMs as (typeof LIMITS_MS)[number])] !== null)
/** Only those that lasted long enough to be suspended in time. */
const due = (list: readonly Stretch[], limitMs: number): Stretch[] => list.filter(({ lengthMs }) => lengthMs >= limitMs + WITHIN_MS)
const late = (list: readonly Stretch[], rule: RuleName, limitMs: number): Stretch[] =>
  due(list, limitMs).filter(({ suspendedAfterMs }) => (suspendedAfterMs[rule][LIMITS_MS.indexOf(limitMs as (typeof LIMITS_MS)[number])] ?? Infinity) > limitMs + WITHIN_MS)
const inTimePercent = (list: readonly Stretch[], rule: RuleName, limitMs: number): number => 100 * (1 - late(list, rule, limitMs).length / Math.max(1, due(list, limitMs).length))
const limitText = (limitMs: number): string => (limitMs < 60_000 ? `${limitMs / 1000} s` : `${limitMs / 60_000} min`)

/** What runs another session's work is at work, though its own session is idle. */
const isWork = ({ label }: Stretch): boolean => label.state === 'working' || label.state === 'serving'
const working = stretches.filter(isWork)
const idle = stretches.filter(({ label, neededByOthers }) => label.state === 'idle' && !neededByOthers)
const needed = stretches.filter(({ label, neededByOthers }) => label.state === 'idle' && neededByOthers)
const typing = stretches.filter(({ label }) => label.state === 'typing')
const waits = [...new Set(working.map(({ label }) => label.waiting ?? 'unnamed'))].toSorted()
const kinds = [...new Set(stretches.map(({ kind }) => kind))].toSorted()

// What the recording itself does not know proves nothing.
least('agent time whose state is known', hours(stretches.filter(({ label }) => label.state !== 'unknown')), MUST_HOURS, 'h')
shown('  of the traces in all', agentMs / 3_600_000, 'h')
least('kinds of waiting', waits.length, MUST_KINDS)
shown('traces', files.length)
shown('samples, one a second', sampleCount)
shown('turns of agents at work', working.length)
shown('  time of them', hours(working), 'h')
for (const limitMs of LIMITS_MS) none(`wrong suspends, limit ${limitText(limitMs)}`, wrong(working, 'product', limitMs).length)
for (const limitMs of LIMITS_MS) none(`suspended while somebody typed, limit ${limitText(limitMs)}`, wrong(typing, 'product', limitMs).length)
const LOOKED_AT_MS = [120_000, 300_000] as const
for (const limitMs of LOOKED_AT_MS) {
  shown(`idle for long enough, limit ${limitText(limitMs)}`, due(idle, limitMs).length)
  const percent = inTimePercent(idle, 'product', limitMs)
  rows.push({ what: `  suspended within a minute of it`, value: round(percent), unit: '%', must: `> ${MUST_PERCENT}`, ok: percent > MUST_PERCENT && due(idle, limitMs).length > 0 })
}
shown('idle, but others are connected to it', needed.length)
none('  suspended all the same', wrong(needed, 'product', 30_000).length)
if (stretches.some(({ heldOut }) => heldOut)) {
  const unseen = stretches.filter(({ heldOut }) => heldOut)
  const parts: [string, Stretch[]][] = [...new Set(unseen.map(({ kind }) => kind))].filter((kind) => stretches.every((stretch) => stretch.kind !== kind || stretch.heldOut)).map((kind): [string, Stretch[]] => [`agent: ${kind}`, unseen.filter((stretch) => stretch.kind === kind)])
  const seenWaits = new Set(working.filter(({ heldOut }) => !heldOut).map(({ label }) => label.waiting))
  for (const wait of waits.filter((name) => !seenWaits.has(name))) parts.push([`waiting: ${wait}`, unseen.filter(({ label }) => label.waiting === wait)])
  for (const [what, list] of parts) {
    const turns = list.filter(isWork)
    shown(`held out, ${what}, turns`, turns.length)
    shown('  time of them', hours(turns), 'h')
    for (const limitMs of LIMITS_MS) none(`  wrong suspends, limit ${limitText(limitMs)}`, wrong(turns, 'product', limitMs).length)
    const calm = list.filter((stretch) => idle.includes(stretch))
    if (due(calm, 120_000).length > 0) shown('  idle: suspended within a minute of 2 min', inTimePercent(calm, 'product', 120_000), '%')
  }
}
for (const rule of RULES.slice(1)) {
  for (const limitMs of LIMITS_MS) shown(`${CALLED[rule]}: wrong suspends, limit ${limitText(limitMs)}`, wrong(working, rule, limitMs).length)
  for (const limitMs of LOOKED_AT_MS) shown(`${CALLED[rule]}: idle within a minute of ${limitText(limitMs)}`, inTimePercent(idle, rule, limitMs), '%')
}

console.log(`waiting              turns   hours  longest  wrong at 2 min: ${RULES.map((rule) => CALLED[rule]).join(' | ')}`)
for (const wait of waits) {
  const list = working.filter(({ label }) => (label.waiting ?? 'unnamed') === wait)
  const counts = RULES.map((rule) => wrong(list, rule, 120_000).length).join(' | ')
  console.log(`${wait.padEnd(20)} ${String(list.length).padStart(5)} ${hours(list).toFixed(2).padStart(7)} ${`${Math.round(Math.max(...list.map(({ lengthMs }) => lengthMs)) / 1000)} s`.padStart(8)}  ${counts}`)
}
for (const kind of kinds) {
  const own = idle.filter((stretch) => stretch.kind === kind)
  console.log(`${kind.padEnd(20)} idle ${hours(own).toFixed(2)} h, ${due(own, 120_000).length} times for 3 min or more, ${late(own, 'product', 120_000).length} of them late`)
}

if (options.explain) {
  const explain = (what: string, stretch: Stretch): void => {
    if (stretch.heldOut) return
    const counts = new Map<string, number>()
    for (const { reasons } of stretch.verdicts) counts.set(reasons.join('+') || '-', (counts.get(reasons.join('+') || '-') ?? 0) + 1)
    console.log(`${what}: ${stretch.trace} ${stretch.label.state} ${stretch.label.waiting ?? ''} from ${stretch.label.fromMs} for ${Math.round(stretch.lengthMs / 1000)} s; looks: ${[...counts].map(([reason, count]) => `${reason} ${count}`).join(', ')}`)
  }
  for (const stretch of wrong(working, 'product', 30_000)) explain('wrong', stretch)
  for (const stretch of wrong(typing, 'product', 30_000)) explain('typing', stretch)
  for (const stretch of new Set(LOOKED_AT_MS.flatMap((limitMs) => late(idle, 'product', limitMs)))) explain('late', stretch)
}

const width = Math.max(...rows.map((row) => row.what.length))
for (const row of rows) console.log(`${row.what.padEnd(width)}  ${String(row.value).padStart(8)} ${row.unit.padEnd(2)}  ${row.must.padStart(7)}  ${row.must === '' ? '' : row.ok ? 'ok' : 'SHORT'}`)
console.log(JSON.stringify({ bench: 'idle-traces', rows }))
if (rows.some((row) => !row.ok)) process.exitCode = 1
