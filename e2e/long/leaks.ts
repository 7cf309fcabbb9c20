/**
 * `npm run long -- leaks [--minutes 60] [--seed N] [--keep FILE]`: real agents,
 * some idle and some at work, and processes that really leak beside them,
 * watched by the real app as its user. Counts what it calls a leak that is
 * none, and holds the slopes of the real leaks against what was put in.
 * Needs root and the fleet's packages; takes about 4 GiB. `--keep` writes the
 * curves as a recording for the tests. Changes no setting of the machine.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Leak } from '../../electron/contract/diagnosis.ts'
import { startFleet, type Fleet } from '../fixtures/fleet/fleet.ts'
import { fleetKinds, type FleetKind } from '../fixtures/fleet/kinds.ts'
import { allProcesses } from '../fixtures/fleet/processes.ts'
import { drive } from '../fixtures/traces/drive.ts'
import { planOf, randomOf } from '../fixtures/traces/plan.ts'
import { followServer, type ServerEvents } from '../fixtures/traces/server-events.ts'
import { makeUserFolders, startAppHost } from '../installed/app-host.ts'
import { countAlarms, leakerLine, recordingOf, tableOf, type Alarm, type Held, type Leaker } from './parts/leak-count.ts'
import { heldBy } from './parts/process-memory.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' }, keep: { type: 'string' } } })
const minutes = Number(values.minutes)
const seed = Number(values.seed)
if (!(minutes >= 25)) throw new Error(`--minutes: expected 25 or more (growth is judged from 20 minutes on), got ${values.minutes}`)

/** How often somebody asks: often, so that rules over a few looks have every chance to be wrong. */
const ASK_MS = 20_000
/** Of each kind so many only idle; the others work by a script. */
const IDLE: Readonly<Record<FleetKind, number>> = { 'claude-code': 1, 'gemini-cli': 1, opencode: 0, codex: 0 }
const FIRST = { 'claude-code': 3, 'gemini-cli': 2, opencode: 1, codex: 1 }
/** Started while somebody watches, after these parts of the time: what is new grows most. */
const LATER: readonly { readonly after: number; readonly counts: Partial<Record<FleetKind, number>> }[] = [
  { after: 0.3, counts: { 'claude-code': 1 } },
  { after: 0.55, counts: { 'gemini-cli': 1 } },
]
const LEAKERS = [
  { name: 'steady', baseMb: 60, mbPerHour: 60, garbageMb: 0, garbageSeconds: 0, errorPercent: 10 },
  { name: 'below garbage', baseMb: 60, mbPerHour: 180, garbageMb: 100, garbageSeconds: 300, errorPercent: 25 },
] as const

const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)
const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort())
const wait = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal: ending.signal }).catch(() => undefined)

const startLeakers = async (fleet: Fleet): Promise<Leaker[]> => {
  const script = join(fleet.ground.folder, 'leaker.mjs')
  copyFileSync(join(import.meta.dirname, 'parts', 'leaker.mjs'), script)
  chmodSync(script, 0o644)
  const leakers: Leaker[] = []
  for (const leaker of LEAKERS) {
    // Without it glibc keeps what was let go of once, and the leak hides in there for a while.
    const { shellPid } = await fleet.run(['env', 'MALLOC_MMAP_THRESHOLD_=65536', 'node', '--expose-gc', script, ...[leaker.baseMb, leaker.mbPerHour, leaker.garbageMb, leaker.garbageSeconds].map(String)])
    await sleep(2_000)
    const child = (await allProcesses()).find(({ parentPid }) => parentPid === shellPid)
    if (child === undefined) throw new Error(`the leaker "${leaker.name}" did not start`)
    leakers.push({ name: leaker.name, pid: child.pid, startTicks: child.startTimeTicks, bytesPerHour: leaker.mbPerHour * 1024 ** 2, errorPercent: leaker.errorPercent })
  }
  return leakers
}

/** Starts agents, and sets those to work that shall. */
const startAgents = async (fleet: Fleet, counts: Partial<Record<FleetKind, number>>, events: ServerEvents, working: Promise<void>[]): Promise<void> => {
  for (const kind of fleetKinds) {
    if ((counts[kind] ?? 0) === 0) continue
    const before = fleet.agents.filter((agent) => agent.kind === kind).length
    for (const [at, agent] of (await fleet.add({ [kind]: counts[kind] ?? 0 })).entries()) {
      const number = before + at + 1
      if (number <= IDLE[kind]) continue
      const index = working.length
      const plan = planOf({ kind, index, heldOutOnly: false }, seed)
      working.push(drive({ fleet, agent, name: `${kind}-${number}`, events, log: () => undefined, random: randomOf(seed + index), ending: ending.signal }, plan))
    }
  }
}

const folder = mkdtempSync('/tmp/agentmem-leaks-')
chmodSync(folder, 0o755)
const fleet = await startFleet({ counts: {}, model: {}, mcp: true, user: `agentmem-leaks-${process.pid}` })
const stop: (() => Promise<unknown>)[] = [() => fleet.stop(), async () => rmSync(folder, { recursive: true, force: true })]
try {
  if (fleet.model === null) throw new Error('the fleet has no model server')
  setPriority(fleet.ground.serverPid, 5)
  const own = join(folder, 'user')
  await makeUserFolders(own, fleet.user)
  // No helper of the system: whatever happens here, no setting of the machine is touched.
  const app = await startAppHost({ user: fleet.user, folder: own, node: join(fleet.packages.folder, 'bin', 'node'), systemBus: `unix:path=${join(folder, 'no-bus')}` })
  stop.unshift(() => app.stop())
  const events = await followServer(fleet.model.logFile, join(folder, 'server.jsonl'))
  stop.unshift(() => events.stop())

  const held: Held[] = []
  const alarms: Alarm[] = []
  const asked = { times: 0, failures: 0 }
  let leaks: readonly Leak[] = []
  let leakers: readonly Leaker[] = []
  const ask = async (): Promise<void> => {
    const atMs = Date.now()
    held.push({ atMs, lines: heldBy(fleet.user.uid) })
    const answer = await app.call('diagnosis.get', { leaks: true })
    asked.times += 1
    if (!answer.ok) {
      asked.failures += 1
      say(`no answer: ${answer.error.code} ${answer.error.message}`)
      return
    }
    leaks = answer.value.leaks ?? []
    for (const alarm of countAlarms(answer.value, leakers, atMs)) {
      if (!alarms.some(({ what, subject }) => what === alarm.what && subject === alarm.subject)) say(`FALSE ALARM ${alarm.what} ${alarm.subject}: ${alarm.why}`)
      alarms.push(alarm)
    }
  }

  const startedAtMs = Date.now()
  const endAtMs = startedAtMs + minutes * 60_000
  const working: Promise<void>[] = []
  const starting = (async () => {
    leakers = await startLeakers(fleet)
    await startAgents(fleet, FIRST, events, working)
    say(`${fleet.agents.length} agents, ${working.length} of them at work; ${leakers.length} leak`)
    for (const { after, counts } of LATER) {
      await wait(startedAtMs + after * minutes * 60_000 - Date.now())
      if (!ending.signal.aborted) await startAgents(fleet, counts, events, working)
      say(`${fleet.agents.length} agents`)
    }
  })()
  while (Date.now() < endAtMs && !ending.signal.aborted) {
    const from = Date.now()
    await ask()
    await wait(Math.max(0, from + ASK_MS - Date.now()))
  }
  ending.abort()
  await Promise.allSettled(working)
  await starting

  const out = join(import.meta.dirname, '../../build/long')
  mkdirSync(out, { recursive: true })
  const recording = recordingOf({ startedAtMs, minutes: Math.round((Date.now() - startedAtMs) / 60_000), versions: fleet.packages.versions, leaks, leakers, held })
  writeFileSync(values.keep ?? join(out, 'leaks.json'), recording)
  console.log(tableOf(leaks, leakers))
  const hours = (of: Leak['subject']['of']): number => leaks.filter(({ subject }) => subject.of === of).reduce((sum, { spanMs }) => sum + spanMs, 0) / 3_600_000
  const count = (what: string): number => new Set(alarms.filter((alarm) => alarm.what === what).map(({ subject }) => subject)).size
  console.log(`asked ${asked.times} times, ${asked.failures} without an answer; ${hours('process').toFixed(1)} process-hours, ${hours('agent').toFixed(1)} agent-hours`)
  console.log(`false alarms: ${count('process')} of processes, ${count('agent')} of agents, ${count('rule')} by the rule over a few looks`)
  const lines = leakers.map((leaker) => leakerLine(leaks, leaker))
  for (const { text } of lines) console.log(text)
  if (alarms.length > 0 || lines.some(({ isRight }) => !isRight)) process.exitCode = 1
} finally {
  ending.abort()
  for (const step of stop) await step().catch((error: unknown) => console.error(error))
}
