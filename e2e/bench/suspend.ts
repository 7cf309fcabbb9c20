import { readFileSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import type { Agent } from '../../helper/contract/agents.ts'
import { sessionRequests, systemRequests, type SessionMethod, type SystemMethod } from '../../helper/contract/requests.ts'
import type { FleetAgent } from '../fixtures/fleet/fleet.ts'
import { asUser } from '../fixtures/fleet/ground.ts'
import { treeOf } from '../fixtures/fleet/processes.ts'
import { userEnvironment, makeUserFolders, startSessionBus } from '../installed/app-host.ts'
import { startJob } from '../installed/job.ts'
import { startCaller, startProgram, type BusCaller } from '../installed/world.ts'
import { watchPane } from './parts/key-latency.ts'
import { createRows, quantile } from './parts/rows.ts'

/**
 * What suspending idle agents gives and costs, on real agents of an ordinary
 * user, with the installed helper and a real polkitd. Agents left alone are
 * the control: started in turn with the others and measured at the same
 * moment. Takes the machine's kernel settings meanwhile and gives them back.
 */
const { values: options } = parseArgs({
  options: {
    /** Suspended agents: claude-code, gemini-cli, opencode. */
    treated: { type: 'string', default: '12,12,6' },
    control: { type: 'string', default: '3,3,2' },
    'suspended-minutes': { type: 'string', default: '10' },
  },
})
const KINDS = ['claude-code', 'gemini-cli', 'opencode'] as const
type Kind = (typeof KINDS)[number]
const MIB = 1024 * 1024
const ONE_CORE_MS_PER_S = 1000

const countsOf = (text: string): Record<Kind, number> => {
  const [claude = 0, gemini = 0, opencode = 0] = text.split(',').map(Number)
  return { 'claude-code': claude, 'gemini-cli': gemini, opencode }
}
const treatedCounts = countsOf(options.treated)
const controlCounts = countsOf(options.control)
const suspendedMs = Number(options['suspended-minutes']) * 60_000
const rows = createRows('suspend')

/** CPU time of the whole machine that was not idle, in ms over all cores. */
const busyMs = (): number => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = /^cpu +(.*)$/mu.exec(readFileSync('/proc/stat', 'utf8'))?.[1]?.split(' ').map(Number) ?? []
  return (user + nice + system + irq + softirq) * 10
}

/**
 * CPU time, in ms, of every program that is none of ours, ended children
 * included: the machine may be shared, and what others do is no cost of ours.
 * Kernel threads are ours: paging is done there.
 */
const othersMs = (ours: ReadonlySet<number>): Map<number, number> => {
  const found = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/u.test(name) || ours.has(Number(name))) continue
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'latin1').replace(/^.*\) /su, '').split(' ')
      // Parent 2 is kthreadd.
      if (fields[1] !== '2' && name !== '2') found.set(Number(name), [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * 10)
    } catch {
      continue // ended meanwhile: its time is its parent's now
    }
  }
  return found
}

/** What the machine did in a minute that was not others' doing, in percent of all its cores. */
const ownPercent = async (ours: ReadonlySet<number>): Promise<number> => {
  const before = othersMs(ours)
  const from = busyMs()
  await sleep(60_000)
  const busy = busyMs() - from
  let others = 0
  for (const [pid, ms] of othersMs(ours)) others += Math.max(0, ms - (before.get(pid) ?? 0))
  return Math.max(0, busy - others) / 60 / ONE_CORE_MS_PER_S / availableParallelism() * 100
}

const cpuMsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /su, '').split(' ')
      return sum + (Number(fields[11]) + Number(fields[12])) * 10
    } catch {
      return sum // ended meanwhile
    }
  }, 0)

/** PSS and its anonymous part from smaps_rollup. */
const pssOf = (pid: number): { pssBytes: number; anonBytes: number } => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'mu').exec(text)?.[1] ?? Number.NaN)
  return { pssBytes: kib('Pss') * 1024, anonBytes: kib('Pss_Anon') * 1024 }
}

const programsNamed = (name: string): number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/u.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name
      } catch {
        return false
      }
    })

const valueOf = <S extends z.ZodType>(schema: S, answer: Awaited<ReturnType<BusCaller['call']>>): z.infer<S> => {
  if (!answer.ok) throw new Error(`${answer.error?.code ?? '?'}: ${answer.error?.message ?? ''} ${answer.error?.advice ?? ''}`)
  return schema.parse(answer.value)
}

const waitUntil = async (what: string, limitMs: number, test: () => Promise<boolean>): Promise<void> => {
  const until = performance.now() + limitMs
  while (!(await test())) {
    if (performance.now() > until) throw new Error(`not within ${limitMs / 1000} s: ${what}`)
    await sleep(1000)
  }
}

const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`)

const total = (counts: Record<Kind, number>): number => KINDS.reduce((sum, kind) => sum + counts[kind], 0)

// Before anything of ours runs: what the machine does without us.
say(`load ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0]}; CPU of the machine without agents, for a minute`)
const quietPercent = await ownPercent(new Set())

say(`starting ${total(treatedCounts)} agents to suspend and ${total(controlCounts)} to leave alone`)
const plain = Object.fromEntries(KINDS.map((kind) => [kind, treatedCounts[kind] + controlCounts[kind]])) as Record<Kind, number>
const job = await startJob({ plain, launched: {} })
try {
  const { fleet, helper } = job
  // Taken from among the others, so that neither side is older.
  const control = new Set<FleetAgent>()
  for (const kind of KINDS) {
    const all = fleet.agents.filter((agent) => agent.kind === kind)
    for (let at = 0; at < controlCounts[kind]; at += 1) {
      const chosen = all[Math.floor(((at + 0.5) * all.length) / controlCounts[kind])]
      if (chosen !== undefined) control.add(chosen)
    }
  }
  const treated = fleet.agents.filter((agent) => !control.has(agent))

  const folder = join(fleet.ground.folder, 'bench-user')
  await makeUserFolders(folder, fleet.user)
  const bus = await startSessionBus(fleet.user, folder)
  const unit = readFileSync(join(helper.place, 'usr/lib/systemd/user/agentmem-session.service'), 'utf8')
  const [, ...flags] = (/^ExecStart=(.*)$/mu.exec(unit)?.[1] ?? '').replaceAll('/usr/lib/agentmem', join(helper.place, 'usr/lib/agentmem')).split(' ')
  // As the unit starts it, flags and environment.
  const environment = [...unit.matchAll(/^Environment=(.*)$/gmu)].flatMap((match) => match[1]?.split(' ') ?? [])
  const session = await startProgram('env', [...environment, ...asUser(fleet.user), join(helper.place, 'usr/lib/agentmem/node'), ...flags], {
    env: userEnvironment({ user: fleet.user, folder, systemBus: helper.bus.address, sessionBus: bus.address }),
    ready: /agentmem session helper .* on /u,
  })
  const system = await startCaller(helper.bus, fleet.user.uid)
  const own = await startCaller({ address: bus.address, folder: helper.bus.folder }, fleet.user.uid, 'Session1')
  const askSystem = async <M extends SystemMethod>(method: M, request: unknown): Promise<z.infer<(typeof systemRequests)[M]['response']>> =>
    valueOf(systemRequests[method].response as never, await system.call(method, request))
  const askSession = async <M extends SessionMethod>(method: M, request: unknown): Promise<z.infer<(typeof sessionRequests)[M]['response']>> =>
    valueOf(sessionRequests[method].response as never, await own.call(method, request))
  try {
    const settings = { compressedSwap: { mode: 'zram', compressors: ['lz4'], sizePercentOfMemory: 100 } }
    const plan = await askSystem('Plan', { settings, agents: [] })
    const { runId } = await askSystem('Apply', { presetId: 'bench-swap', presetTitle: 'Compressed swap', settings, digest: plan.digest, cause: 'command-line', agents: [], control: [], settleMs: 0, confirmMs: 120_000 })
    await waitUntil('compressed swap set up', 60_000, async () => (await askSystem('Run', { runId })).state === 'waiting')
    await askSystem('Keep', { runId })

    const idOf = new Map<FleetAgent, string>()
    say('waiting until every agent counts as idle')
    await waitUntil('every agent idle for 30 s', 600_000, async () => {
      const { agents } = await askSession('Agents', {})
      for (const agent of fleet.agents) {
        const found = agents.find((candidate) => candidate.pid === agent.main.pid)
        if (found !== undefined) idOf.set(agent, found.id)
      }
      const { entries } = await askSession('Registry', {})
      const idle = new Set(entries.filter((entry) => entry.activity.idle && (entry.activity.idleMs.value ?? 0) >= 30_000).map((entry) => entry.id))
      return fleet.agents.every((agent) => idle.has(idOf.get(agent) ?? ''))
    })

    const ids = treated.map((agent) => idOf.get(agent) ?? '')
    const startedMs = performance.now()
    const wins: number[] = []
    for (const id of ids) {
      // One a call: a bus call has its limit, and this is how the policy does it.
      const { suspended, left } = await askSession('Suspend', { ids: [id], cause: 'user' })
      for (const failure of left) say(`left alone: ${failure.agentId}: ${failure.error.message} ${failure.error.got ?? ''}`)
      wins.push(...suspended.map((one) => one.wonBytes))
    }
    const tookMs = performance.now() - startedMs
    say(`${wins.length} of ${ids.length} suspended in ${Math.round(tookMs / 1000)} s`)
    rows.atLeast('idle agents suspended', wins.length, ids.length, '')
    rows.shown('  won, as each suspend reported it, sum', wins.reduce((sum, won) => sum + won, 0) / MIB, 'MiB')
    rows.shown('  time for one, mean', tookMs / ids.length, 'ms')

    const sessionCpuFromMs = cpuMsOf([session.pid])
    const sessionFromMs = performance.now()
    await sleep(Math.max(0, suspendedMs - 70_000))
    say('CPU of the machine with the agents suspended, for a minute')
    const treatedPids = (await Promise.all(treated.map((agent) => treeOf(agent.main.pid)))).flat()
    const helperPid = await helper.pid()
    const withAgentsPercent = await ownPercent(new Set([...treatedPids, ...programsNamed('agentmem-guard'), session.pid, ...(helperPid === null ? [] : [helperPid])]))
    rows.shown('CPU of the machine without agents, less what other programs used', quietPercent, '%')
    rows.shown('  with all of them suspended, helper, guard and session role included', withAgentsPercent, '%')
    rows.atMost('  difference', withAgentsPercent - quietPercent, 1, '%')
    rows.below('session role, CPU of one core meanwhile', (cpuMsOf([session.pid]) - sessionCpuFromMs) / (performance.now() - sessionFromMs) * 100, 0.5, '%')
    const role = pssOf(session.pid)
    rows.below('session role, PSS', role.pssBytes / MIB, 60, 'MiB')
    rows.below('  of which anonymous', role.anonBytes / MIB, 20, 'MiB')
    const guards = programsNamed('agentmem-guard')
    rows.atLeast('guards running', guards.length, 1, '')
    rows.below('guard, PSS', Math.max(...guards.map((pid) => pssOf(pid).pssBytes)) / MIB, 2, 'MiB')

    const snapshot = await askSystem('Snapshot', { commandLines: false })
    const byId = new Map<string, Agent>(snapshot.agents.map((agent) => [agent.id, agent]))
    const figures = (agents: readonly FleetAgent[]) => {
      const found = agents.flatMap((agent) => byId.get(idOf.get(agent) ?? '') ?? [])
      const sum = (of: (agent: Agent) => number): number => found.reduce((all, agent) => all + of(agent), 0)
      return { count: found.length, anonBytes: sum((agent) => agent.cost.anonBytes.value ?? Number.NaN), compressedBytes: sum((agent) => agent.cost.compressedBytes), fileBytes: sum((agent) => agent.cost.fileBytes.value ?? 0) }
    }
    let costBytes = 0
    let expectedBytes = 0
    let bySuspended = 0
    for (const kind of KINDS) {
      const ours = figures(treated.filter((agent) => agent.kind === kind))
      const theirs = figures([...control].filter((agent) => agent.kind === kind))
      if (ours.count === 0 || theirs.count === 0) continue
      const ownBytes = ours.anonBytes + ours.compressedBytes
      const mean = (theirs.anonBytes + theirs.compressedBytes) / theirs.count
      costBytes += ownBytes
      expectedBytes += mean * ours.count
      bySuspended += ours.anonBytes
      rows.shown(`${kind}: anonymous + pool, mean of ${ours.count} suspended`, ownBytes / ours.count / MIB, 'MiB')
      rows.shown(`  mean of ${theirs.count} left alone`, mean / MIB, 'MiB')
      rows.shown('  file pages, mean suspended', ours.fileBytes / ours.count / MIB, 'MiB')
    }
    rows.shown('all suspended: still resident, anonymous', bySuspended / MIB, 'MiB')
    rows.shown('  with their pool', costBytes / MIB, 'MiB')
    rows.shown('  what they would cost by the control', expectedBytes / MIB, 'MiB')
    rows.atMost(`cost after ${options['suspended-minutes']} min, of the control's (aim 25)`, (costBytes / expectedBytes) * 100, 35, '%')

    say('waking each by a key')
    const first = new Map<Kind, number[]>()
    const warm: number[] = []
    let silent = 0
    for (const agent of treated) {
      const watch = await watchPane(fleet.ground.socket, agent.pane)
      const tookKeyMs = await watch.press('x', 10_000)
      if (tookKeyMs === null) silent += 1
      else first.set(agent.kind as Kind, [...(first.get(agent.kind as Kind) ?? []), tookKeyMs])
      await sleep(1500)
      const again = await watch.press('y', 10_000)
      if (again !== null) warm.push(again)
      await watch.stop()
    }
    const all = [...first.values()].flat()
    rows.atMost('keys that changed no screen in 10 s', silent, 0, '')
    rows.below('first key to changed screen, median', quantile(all, 0.5), 100, 'ms')
    rows.below('  95 of 100', quantile(all, 0.95), 300, 'ms')
    rows.shown('  slowest', Math.max(...all), 'ms')
    for (const [kind, times] of first) rows.shown(`  ${kind}, median`, quantile(times, 0.5), 'ms')
    rows.shown('second key, awake, median', quantile(warm, 0.5), 'ms')
    await askSession('Resume', { ids: null, cause: 'user' })
  } finally {
    await own.stop()
    await session.stop()
    await system.call('Resume', { agentIds: null, cause: 'user' }).catch(() => undefined)
    await system.call('Rollback', {}).catch(() => undefined)
    await system.stop()
    await bus.stop()
  }
} finally {
  await job.stop()
}
rows.print()
