import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Preset } from '../../helper/contract/presets.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import type { RunState } from '../../helper/contract/runs.ts'
import { isAlive, type FleetAgent } from '../fixtures/fleet/fleet.ts'
import { readProcess } from '../fixtures/fleet/processes.ts'
import type { AppHost } from './app-host.ts'
import { startJob, valueOf, waitForRun, type Job } from './job.ts'
import { readSettings } from './settings-files.ts'

/** What is killed, and what it should have been doing. */
export const VICTIMS = ['helper', 'app', 'session', 'agent', 'bus', 'polkitd', 'guard'] as const
export type Victim = (typeof VICTIMS)[number]
/** Suspending most, and being suspended: they are what could leave something frozen. */
const DEEDS = ['suspend', 'suspend', 'be suspended', 'be suspended', 'be suspended', 'resume', 'apply', 'apply and keep', 'undo', 'nothing'] as const
/** Agents less often: the new ones in their place are never idle at once. */
const LOT: readonly Victim[] = ['helper', 'helper', 'app', 'session', 'session', 'bus', 'polkitd', 'guard', 'guard', 'agent']
export type Deed = (typeof DEEDS)[number]

export interface ChaosRound {
  readonly number: number
  readonly deed: Deed
  /** In the order of their death, each some time after the one before. */
  readonly victims: readonly Victim[]
  /** Agents suspended when the first death came, and at the end of the round. */
  readonly suspendedBefore: number
  readonly suspendedAfter: number
  /** What did not hold afterwards; empty when all did. */
  readonly problems: readonly string[]
  readonly tookMs: number
}

/** Mulberry32: the same seed gives the same rounds, so that a bad one can be had again. */
const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const V2_MOUNTS = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup']

/** Folders of cgroups that are frozen and hold processes; of one user's agents where `uid` is given. */
export const frozenGroups = async (uid?: number): Promise<string[]> => {
  const found: string[] = []
  const look = async (folder: string): Promise<void> => {
    const events = await readFile(join(folder, 'cgroup.events'), 'utf8').catch(() => '')
    if (/^frozen 1$/mu.test(events) && /^populated 1$/mu.test(events)) found.push(folder)
    const names = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of names) if (entry.isDirectory()) await look(join(folder, entry.name))
  }
  for (const mount of V2_MOUNTS) {
    const isV2 = await readFile(join(mount, 'cgroup.controllers'), 'utf8').then(() => true, () => false)
    if (isV2) await look(mount)
  }
  return uid === undefined ? found : found.filter((folder) => folder.includes(`/u${uid}/`))
}

const guardPid = async (): Promise<number | null> => {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    const comm = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '')
    if (comm.trim() === 'agentmem-guard' && (await readProcess(Number(name))) !== null) return Number(name)
  }
  return null
}

const sessionPid = async (uid: number): Promise<number | null> => {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    const line = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0')
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    if (line.some((word) => /(?:^|\/)session\.(?:ts|js)$/u.test(word)) && new RegExp(`^Uid:\\s+${uid}\\s`, 'mu').test(status)) return Number(name)
  }
  return null
}

/** Is it true within `limitMs`? Answers with what is still wrong. */
const settled = async (limitMs: number, wrong: () => Promise<string[]>): Promise<string[]> => {
  const until = performance.now() + limitMs
  for (;;) {
    const problems = await wrong()
    if (problems.length === 0 || performance.now() > until) return problems
    await sleep(250)
  }
}

/** How much of a swap device is used is no setting. */
const settingOf = (path: string, text: string | undefined): string | undefined => (path === '/proc/swaps' ? text?.replaceAll(/\t\d+\t+(-?\d+)$/gmu, ' $1') : text)

const OVER: ReadonlySet<RunState> = new Set<RunState>(['undone', 'failed'])
const AGENTS = 4

/** Compressed swap, kept: without it nothing is suspended. */
export const setUpSwap = async (app: AppHost): Promise<string> => {
  const own: Preset = { version: 1, id: 'swap-only', title: 'Swap only', description: '', settleMs: 0, confirmMs: 60_000, settings: { compressedSwap: { mode: 'zram', compressors: ['lz4', 'lzo-rle'], sizePercentOfMemory: 50 } } }
  valueOf(await app.call('presets.save', { preset: own }))
  const plan = valueOf(await app.call('plan.make', { presetId: own.id, agentIds: null }))
  const { runId } = valueOf(await app.call('run.apply', { presetId: own.id, digest: plan.plan.digest, agentIds: null }))
  await waitForRun(app, runId, ['waiting'], 60_000)
  valueOf(await app.call('run.keep', { runId }))
  return runId
}

export interface Chaos {
  /** One deed, and so many deaths while it is under way. */
  round(number: number, kills?: number): Promise<ChaosRound>
  /** Wakes all, undoes all, and answers with what is not as it was at first. */
  finish(): Promise<string[]>
  stop(): Promise<void>
}

/**
 * Real agents, the installed helper, a real bus and polkitd; each round begins
 * something and kills one of those it depends on at a random moment.
 */
export const startChaos = async (options: { seed: number; settleMs?: number; log: (text: string) => void }): Promise<Chaos> => {
  const random = randomOf(options.seed)
  const pick = <T>(from: readonly T[]): T => {
    const one = from[Math.floor(random() * from.length)]
    if (one === undefined) throw new Error('nothing to pick from')
    return one
  }
  const settleMs = options.settleMs ?? 20_000
  const job: Job = await startJob({ plain: { 'claude-code': 2, 'gemini-cli': 1, opencode: 1 }, launched: {} })
  const { fleet, helper } = job
  const untouched = await readSettings()
  let opened = 0
  const openApp = () => job.openApp(fleet.user, `app${(opened += 1)}`)
  let app = await openApp()
  const swapRun = await setUpSwap(app)
  const first = await readSettings()
  const alive = new Set<FleetAgent>(fleet.agents)

  const registry = async (): Promise<Registry | null> => {
    const answer = await app.call('lifecycle.get', {}).catch(() => null)
    return answer?.ok === true ? answer.value : null
  }
  const idsOf = async (): Promise<string[]> => (await registry())?.entries.filter((entry) => entry.state !== 'gone').map((entry) => entry.id) ?? []

  const begin = async (deed: Deed): Promise<void> => {
    if (deed === 'suspend' || deed === 'be suspended' || deed === 'resume') {
      const ids = await idsOf()
      if (ids.length > 0) await app.call(deed !== 'resume' ? 'agents.suspend' : 'agents.resume', { ids, cause: 'user' })
    } else if (deed === 'apply' || deed === 'apply and keep') {
      const plan = await app.call('plan.make', { presetId: 'layer-ksm-on', agentIds: null })
      if (!plan.ok) return
      const run = await app.call('run.apply', { presetId: 'layer-ksm-on', digest: plan.value.plan.digest, agentIds: null })
      if (run.ok && deed === 'apply and keep') await app.call('run.keep', { runId: run.value.runId })
    } else if (deed === 'undo') {
      const runs = await app.call('runs.list', { limit: 50 })
      const last = runs.ok ? runs.value.find(({ summary }) => summary.id !== swapRun && !OVER.has(summary.state)) : undefined
      if (last !== undefined) await app.call('run.undo', { runId: last.summary.id })
    }
  }

  const kill = async (victim: Victim): Promise<void> => {
    const end = (pid: number | null): void => {
      if (pid !== null) process.kill(pid, 'SIGKILL')
    }
    if (victim === 'helper') end(await helper.pid())
    else if (victim === 'guard') end(await guardPid())
    else if (victim === 'session') end(await sessionPid(fleet.user.uid))
    else if (victim === 'app') process.kill(app.pid, 'SIGKILL')
    else if (victim === 'bus') await helper.bus.crash()
    else if (victim === 'polkitd') await helper.crashPolkitd()
    else {
      const agent = pick([...alive])
      alive.delete(agent)
      process.kill(agent.main.pid, 'SIGKILL')
    }
    // polkitd does not survive its bus; init would start both.
    if (victim === 'bus') await helper.crashPolkitd()
  }

  /** Whatever is frozen must be somebody's open suspension, and whatever is changed an open or kept run's. */
  const wrong = async (): Promise<string[]> => {
    const problems: string[] = []
    const frozen = await frozenGroups(fleet.user.uid)
    if (frozen.length > 0) {
      const held = (await registry())?.entries.flatMap((entry) => (entry.suspension === null ? [] : [entry.suspension.cgroup])) ?? []
      for (const folder of frozen) if (!held.includes(folder)) problems.push(`${folder} is frozen and nobody answers for it`)
      if (held.length > 0 && (await guardPid()) === null) problems.push('agents are suspended and no guard runs')
    }
    const runs = await app.call('runs.list', { limit: 20 }).catch(() => null)
    const inForce = runs?.ok === true && runs.value.some(({ summary }) => summary.id !== swapRun && !OVER.has(summary.state))
    if (!inForce) {
      const now = await readSettings(Object.keys(first))
      for (const [path, text] of Object.entries(now)) if (settingOf(path, first[path]) !== settingOf(path, text)) problems.push(`${path} holds ${JSON.stringify(text)} without a run, it held ${JSON.stringify(first[path])}`)
    }
    for (const agent of alive) if (!(await isAlive(agent))) problems.push(`${agent.kind} ${agent.main.pid} died and nobody killed it`)
    return problems
  }

  const round: Chaos['round'] = async (number, kills = 1) => {
    const deed = pick(DEEDS)
    const startedMs = performance.now()
    const victims: Victim[] = []
    const moments: string[] = []
    // What a death does to the call is the dead one's business: it may fail, it may not hang for ever.
    const deeds = begin(deed).catch(() => undefined)
    if (deed === 'be suspended') await deeds
    const suspendedBefore = (await frozenGroups(fleet.user.uid)).length
    for (let at = 0; at < kills; at += 1) {
      const victim = pick(LOT)
      const delayMs = Math.floor(random() ** 2 * 3000)
      await sleep(delayMs)
      await kill(victim)
      victims.push(victim)
      moments.push(`${victim} after ${delayMs} ms`)
      if (victim === 'app') app = await openApp()
    }
    await Promise.race([deeds, sleep(60_000)])
    // As many as there were, so that there is always somebody to kill.
    while (alive.size < AGENTS) for (const agent of await fleet.add({ [pick(['claude-code', 'gemini-cli', 'opencode'] as const)]: 1 })) alive.add(agent)
    const problems = await settled(settleMs, wrong)
    const suspendedAfter = (await frozenGroups(fleet.user.uid)).length
    options.log(`${number}: ${deed}; killed ${moments.join(', ')}; ${suspendedBefore} suspended before, ${suspendedAfter} after; ${Math.round((performance.now() - startedMs) / 1000)} s`)
    return { number, deed, victims, suspendedBefore, suspendedAfter, problems, tookMs: Math.round(performance.now() - startedMs) }
  }

  return {
    round,
    finish: async () => {
      const ids = await idsOf()
      if (ids.length > 0) valueOf(await app.call('agents.resume', { ids, cause: 'user' }))
      for (let turn = 0; turn < 50; turn += 1) {
        // The swap as well: last comes first.
        const undone = await app.call('run.undo', { runId: null })
        if (!undone.ok && undone.error.code !== 'busy') break
        await sleep(200)
      }
      return settled(60_000, async () => {
        const problems = (await frozenGroups(fleet.user.uid)).map((folder) => `${folder} is frozen at the end`)
        const now = await readSettings(Object.keys(untouched))
        for (const [path, text] of Object.entries(now)) if (untouched[path] !== text) problems.push(`${path} holds ${JSON.stringify(text)} at the end, it held ${JSON.stringify(untouched[path])}`)
        for (const agent of alive) if (!(await isAlive(agent))) problems.push(`${agent.kind} ${agent.main.pid} died and nobody killed it`)
        return problems
      })
    },
    stop: () => job.stop(),
  }
}
