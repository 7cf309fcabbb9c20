import { existsSync, mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { processStartTicks } from '../../actions/process-check.ts'
import { agentIdOf } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Limits, LimitView } from '../../contract/limits.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import { readText, under } from '../../observe/files.ts'
import { createJournal, journalState, listJournals, moveJournal, newJournalId, readJournal, type Journal, type JournalHeader } from '../../change/journal.ts'
import type { KernelFiles } from '../../change/write.ts'
import type { GuardClient } from '../../guard/client.ts'
import { watchBurst, type Burst, type Hold } from './burst.ts'
import { isFolder, pidsBelow } from './folders.ts'
import { readHealth, STALLED_PERCENT, verdict, type GroupHealth } from './health.ts'
import { createLimitFiles, FIELDS } from './limit-files.ts'
import { amountText, isOutOfOrder, limitWrites, type Amount, type LimitWrite } from './limit-order.ts'
import type { Placer } from './place.ts'
import type { Systemd } from './systemd.ts'

/** How long a limit is watched before it counts as a success, and how often. */
export interface LimitPace {
  readonly watchMs: number
  readonly everyMs: number
  /** While a bound of tools is in force: a burst is over in seconds. */
  readonly burstMs: number
  /** Until what stands above a new `max` has gone out by `high`. */
  readonly settleMs: number
}

export const defaultLimitPace: LimitPace = { watchMs: 120_000, everyMs: 2000, burstMs: 500, settleMs: 15_000 }

export type LimitGuard = Pick<GuardClient, 'armRun' | 'doneRun' | 'hold' | 'frozen' | 'release'>

export interface LimitsDeps {
  readonly root: string
  readonly kernel: KernelFiles
  readonly placer: Placer
  /** The manager whose units are limited; null without systemd. */
  readonly systemd: Systemd | null
  readonly journalFolder: string
  readonly role: JournalHeader['role']
  readonly bootId: () => string
  /**
   * Stands for tools that are frozen for a moment, and where no systemd starts
   * a dead helper again for the limits too. Under systemd limits are not armed:
   * a limit that is felt counts as pressure of the whole machine, for which the
   * guard ends the helper. null in tests.
   */
  readonly guard: (() => Promise<Result<LimitGuard>>) | null
  readonly log: (text: string) => void
  readonly nowMs?: () => number
  readonly pace?: Partial<LimitPace>
}

export interface AgentLimits {
  /** `agent` null: all of this user's agents together. With every field given null the limits go, and all is as before. */
  set(agent: AgentTarget | null, uid: number, limits: Limits, tools?: ReadonlySet<number>): Promise<Result<LimitView>>
  /** Limits in force and those undone by themselves, of one user. */
  views(uid: number): LimitView[]
  /** How many stand, over all users: whoever set them stays. */
  inForce(): number
  /** Takes all back, also what a helper before this one left; answers with what could not be. */
  undoAll(): Promise<string[]>
  /** The guard took back what this journal says. */
  guardUndid(journalId: string): Promise<void>
}

interface Entry {
  readonly key: string
  readonly uid: number
  readonly agentId: string | null
  readonly folder: string
  readonly unit: string | null
  readonly journalId: string
  readonly journal: Journal
  readonly first: Map<string, Amount>
  limits: Limits
  setAtMs: number
  state: LimitView['state']
  watchUntilMs: number
  text: string
  health: GroupHealth | null
  stalledLooks: number
  burst: Burst | null
}

const MIB = 1024 * 1024
const size = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`

/** Limits of agents' cgroups and of all of a user's together: journaled, read back, watched, and undone by themselves where an agent suffers. */
export const createLimits = (deps: LimitsDeps): AgentLimits => {
  const { root, kernel, placer, systemd, journalFolder, role, bootId, log } = deps
  const nowMs = deps.nowMs ?? Date.now
  const pace = { ...defaultLimitPace, ...deps.pace }
  const entries = new Map<string, Entry>()
  /** Undone by themselves: shown until the next try. */
  const ended = new Map<string, { uid: number; view: LimitView }>()
  let timer: NodeJS.Timeout | null = null
  let queue: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = queue.then(work)
    queue = mine.catch(() => undefined)
    return mine
  }

  const { amountOf, present, put, unitOfPath, takeBack } = createLimitFiles(root, kernel, systemd)

  const viewOf = (entry: Entry): LimitView => ({
    agentId: entry.agentId,
    cgroup: entry.folder,
    limits: entry.limits,
    files: [...entry.first].map(([file, oldBytes]) => ({ file, oldBytes, nowBytes: amountOf(file) ?? null })),
    setAtMs: entry.setAtMs,
    state: entry.state,
    watchUntilMs: entry.watchUntilMs,
    text: entry.text,
  })

  /** What became of the limit of an agent that has ended is of no use to anybody. */
  const isThere = ({ agentId }: LimitView): boolean => {
    const [, pid, ticks] = agentId?.split(':') ?? []
    return agentId === null || processStartTicks(root, Number(pid)) === Number(ticks)
  }

  const finish = async (entry: Entry, text: string): Promise<string[]> => {
    await entry.burst?.thaw()
    const state = journalState(journalFolder, entry.journalId) ?? 'open'
    const content = readJournal(journalFolder, entry.journalId, state)
    const problems = content.ok ? await takeBack(content.value.records, entry.unit, entry.folder) : []
    const last: LimitView = { ...viewOf(entry), state: 'undone', text: problems.length === 0 ? text : `${text} Not all of it could be taken back: ${problems.join('; ')}` }
    entry.journal.close()
    if (problems.length === 0) {
      moveJournal(journalFolder, entry.journalId, state, 'undone')
      const guard = systemd === null ? await deps.guard?.() : undefined
      if (guard?.ok === true) await guard.value.doneRun(entry.journalId)
    }
    entries.delete(entry.key)
    ended.set(entry.key, { uid: entry.uid, view: last })
    if (entry.agentId !== null) await placer.unplace(entry.agentId, 'limit')
    return problems
  }

  const look = async (entry: Entry): Promise<void> => {
    const now = readHealth(root, entry.folder)
    if (now === null || (entry.agentId !== null && (readText(under(root, `${entry.folder}/cgroup.events`), 'vanished').value ?? '').includes('populated 0'))) {
      await finish(entry, 'The agent has ended.')
      entries.delete(entry.key)
      ended.delete(entry.key)
      return
    }
    entry.stalledLooks = now.stalledPercent >= STALLED_PERCENT ? entry.stalledLooks + 1 : 0
    const why = entry.health === null ? null : verdict(entry.health, now, entry.stalledLooks)
    if (why !== null) {
      log(`limit of ${entry.agentId ?? 'all agents'} undone: ${why}`)
      await finish(entry, `Taken back: ${why}.`)
      return
    }
    if (entry.state === 'watching' && nowMs() >= entry.watchUntilMs) {
      entry.state = 'holds'
      entry.text = `It holds: ${size(now.currentBytes)} in use, slowed down ${now.highEvents - (entry.health?.highEvents ?? 0)} times, nothing ended.`
    }
    await entry.burst?.step()
  }

  const schedule = (): void => {
    if (timer !== null || entries.size === 0) return
    const burst = [...entries.values()].some((entry) => entry.burst !== null)
    timer = setTimeout(() => {
      timer = null
      inTurn(async () => {
        for (const entry of entries.values()) await look(entry)
      }).catch((error: unknown) => log(`watching limits: ${String(error)}`)).finally(schedule)
    }, burst ? pace.burstMs : pace.everyMs)
    timer.unref()
  }

  /** A new `max` below what is in use would end something at once: `high` brings it down first, or it is not set. */
  const fitsBelow = async (folder: string, maxBytes: number): Promise<boolean> => {
    const end = nowMs() + pace.settleMs
    for (;;) {
      const health = readHealth(root, folder)
      if (health === null || health.currentBytes <= maxBytes) return true
      if (nowMs() >= end) return false
      await sleep(200)
    }
  }

  const newEntry = async (key: string, uid: number, agentId: string | null, folder: string, unit: string | null): Promise<Result<Entry>> => {
    mkdirSync(journalFolder, { recursive: true, mode: 0o700 })
    const journalId = newJournalId(nowMs())
    const journal = createJournal(journalFolder, { bootId: bootId(), runId: journalId, role })
    if (!journal.ok) return journal
    if (deps.guard !== null && systemd === null) {
      const guard = await deps.guard()
      const files = [...FIELDS.keys()].map((file) => `${folder}/${file}`)
      const leaf = isFolder(root, `${folder}/tools`) ? [`${folder}/tools/memory.high`, `${folder}/tools/cgroup.freeze`] : []
      const armed = guard.ok ? await guard.value.armRun({ runId: journalId, uid, journalPath: `${journalFolder}/${journalId}.open`, paths: [...files, ...leaf].filter((path) => existsSync(under(root, path))) }) : guard
      if (!armed.ok) {
        journal.value.close()
        moveJournal(journalFolder, journalId, 'open', 'undone')
        return armed
      }
    }
    const entry: Entry = { key, uid, agentId, folder, unit, journalId, journal: journal.value, first: new Map(), limits: {}, setAtMs: nowMs(), state: 'watching', watchUntilMs: 0, text: '', health: null, stalledLooks: 0, burst: null }
    entries.set(key, entry)
    return ok(entry)
  }

  const carryOut = async (entry: Entry, path: string, bytes: Amount): Promise<Result<null>> => {
    const old = amountOf(path)
    if (old === undefined) return fail('not-supported', `${path} is not there.`, { about: path, expected: 'Linux with the memory controller of cgroup v2', got: 'no such file' })
    if (!entry.first.has(path)) entry.first.set(path, old)
    if (old === bytes) return ok(null)
    const line = entry.journal.append({ undoClass: 'now', verb: 'write', target: path, old: amountText(old), new: amountText(bytes) })
    if (!line.ok) return line
    const written = await put(unitOfPath(entry.unit, entry.folder, path), path, bytes)
    if (!written.ok) return written
    const after = amountOf(path)
    return after === bytes ? ok(null) : fail('read-back-differs', `${path} should hold ${amountText(bytes)} and holds ${after === undefined ? 'nothing readable' : amountText(after)}.`, { about: path, expected: amountText(bytes), got: after === undefined ? 'nothing' : amountText(after) })
  }

  /** Protection reaches no further than what every group above has: each that we may change gets at least the sum below it. */
  const protectAbove = async (entry: Entry): Promise<Result<string>> => {
    const wanted = [...entries.values()].filter((one) => one.uid === entry.uid && one.agentId !== null).reduce((sum, one) => sum + (one.limits.lowBytes ?? 0), 0)
    let capped = ''
    for (let at = entry.folder.slice(0, entry.folder.lastIndexOf('/')); at.split('/').length > 4; at = at.slice(0, at.lastIndexOf('/'))) {
      const low = amountOf(`${at}/memory.low`)
      if (low === undefined || low === null || low >= wanted) continue
      const raised = await carryOut(entry, `${at}/memory.low`, wanted)
      // Another user's manager, or no right to it: what stands there is the most that protects.
      if (!raised.ok) capped = ` Protection ends at ${size(low)}, since ${at.slice(at.lastIndexOf('/') + 1)} gives no more.`
    }
    return ok(capped)
  }

  const apply = async (entry: Entry, limits: Limits, writes: readonly LimitWrite[]): Promise<Result<string>> => {
    let said = ''
    for (const { field, file, bytes } of writes) {
      if (field === 'maxBytes' && bytes !== null && !(await fitsBelow(entry.folder, bytes))) {
        return fail('does-not-fit', `${size(readHealth(root, entry.folder)?.currentBytes ?? 0)} are in use and do not go out: a limit of ${size(bytes)} would end the agent.`, { advice: 'Set a higher limit, or add compressed swap.' })
      }
      const done = await carryOut(entry, `${entry.folder}/${file}`, bytes)
      // Where there is no swap accounting, taking the limit away needs nothing done.
      if (!done.ok && !(done.error.code === 'not-supported' && bytes === null)) return done
    }
    entry.limits = { ...entry.limits, ...limits }
    if (typeof limits.lowBytes === 'number' && limits.lowBytes > 0) {
      const above = await protectAbove(entry)
      if (!above.ok) return above
      said = above.value
    }
    return ok(said)
  }

  const groupOf = async (agent: AgentTarget | null, uid: number, tools?: ReadonlySet<number>): Promise<Result<{ folder: string; unit: string | null; partial: boolean }>> => {
    if (agent !== null) {
      const placed = await placer.place(agent, uid, 'limit', tools)
      return placed.ok ? ok({ folder: placed.value.cgroup, unit: placer.way.unitOf(placed.value.cgroup), partial: placed.value.partial }) : placed
    }
    const slice = placer.way.slice(uid)
    if (slice.unit !== null && systemd !== null) {
      const started = await systemd.startUnit(slice.unit)
      if (!started.ok) return started
      for (let waits = 0; waits < 50 && !isFolder(root, slice.folder); waits += 1) await sleep(50)
    } else if (!isFolder(root, slice.folder)) {
      return fail('not-supported', 'No agent is in a control group of its own yet, so that there is nothing to limit.', { advice: 'Turn on control groups of their own for agents, or suspend or limit one first.' })
    }
    return ok({ folder: slice.folder, unit: slice.unit, partial: false })
  }

  /** Journaled, and the guard thaws them should this program die; under pressure they stay as they are. */
  const holdTools = async (entry: Entry, file: string): Promise<Hold | null> => {
    const pid = pidsBelow(root, file.slice(0, file.lastIndexOf('/')))[0]
    const startTimeTicks = pid === undefined ? null : processStartTicks(root, pid)
    if (pid === undefined || startTimeTicks === null) return null
    const line = entry.journal.append({ undoClass: 'now', verb: 'thaw', target: file, old: '0', new: '1' })
    if (!line.ok) return null
    if (deps.guard === null) return { frozen: async () => undefined, release: async () => undefined }
    const guard = await deps.guard()
    const id = agentIdOf(bootId(), { pid, startTimeTicks })
    const held = guard.ok ? await guard.value.hold({ id, uid: entry.uid, freezePath: file, terminalOf: null, processes: [{ pid, startTimeTicks }], prefault: [] }) : guard
    if (!guard.ok || !held.ok) return null
    return { frozen: async () => void (await guard.value.frozen(id)), release: async () => void (await guard.value.release(id)) }
  }

  const set = async (agent: AgentTarget | null, uid: number, limits: Limits, tools?: ReadonlySet<number>): Promise<Result<LimitView>> => {
    const key = `${uid}/${agent?.id ?? 'all'}`
    const given = Object.values(limits)
    const before = entries.get(key)
    ended.delete(key)
    if (given.every((value) => value === null)) {
      if (before === undefined) return fail('bad-request', 'There is no limit to take away.', { about: agent?.title ?? 'all agents' })
      const view = { ...viewOf(before), limits }
      const problems = await finish(before, 'Taken away.')
      ended.delete(key)
      return problems.length === 0 ? ok({ ...view, state: 'undone', text: 'Taken away.', files: view.files.map((file) => ({ ...file, nowBytes: amountOf(file.file) ?? null })) }) : fail('write-refused', problems.join('; '))
    }
    if (agent === null && limits.toolsHighBytes !== undefined) return fail('bad-request', 'Only one agent has a group of tools of its own.', { about: 'toolsHighBytes' })
    const group = await groupOf(agent, uid, tools)
    if (!group.ok) return group
    const { folder, unit, partial } = group.value
    const refuse = async <T>(error: Result<T>): Promise<Result<T>> => {
      if (before === undefined && agent !== null) await placer.unplace(agent.id, 'limit')
      return error
    }
    const now = present(folder)
    if (now.highBytes === undefined) {
      return refuse(fail('not-supported', 'Memory cannot be limited on this machine: it is not accounted in cgroup v2.', { about: folder, expected: 'the memory controller of cgroup v2', got: `no ${folder}/memory.high`, advice: 'Boot with systemd.unified_cgroup_hierarchy=1, or suspend the agent instead.' }))
    }
    if (isOutOfOrder(limits, now)) return refuse(fail('bad-request', 'highBytes would stand above maxBytes: an agent is slowed down before it is ended.', { expected: 'highBytes not above maxBytes' }))
    const made = before === undefined ? await newEntry(key, uid, agent?.id ?? null, folder, unit) : ok(before)
    if (!made.ok) return refuse(made)
    const entry = made.value
    const startHealth = readHealth(root, folder)
    const done = await apply(entry, limits, limitWrites(limits, now))
    if (!done.ok) {
      await finish(entry, done.error.message)
      ended.delete(key)
      return done
    }
    entry.setAtMs = nowMs()
    entry.watchUntilMs = nowMs() + pace.watchMs
    entry.state = 'watching'
    entry.health = startHealth
    entry.stalledLooks = 0
    entry.text = `Watched for ${Math.round(pace.watchMs / 1000)} s before it counts.${partial ? ' Memory from before the agent was moved is charged elsewhere and not limited.' : ''}${done.value}`
    await entry.burst?.thaw()
    const { toolsHighBytes } = entry.limits
    entry.burst = typeof toolsHighBytes === 'number' ? watchBurst({ root, kernel, folder, highBytes: toolsHighBytes, nowMs, say: (text) => { entry.text = `For a moment ${text}.`; log(`${entry.agentId ?? ''}: ${text}`) }, hold: (file) => holdTools(entry, file) }) : null
    if (timer !== null) clearTimeout(timer)
    timer = null
    schedule()
    return ok(viewOf(entry))
  }

  /** Journals of limits that no entry knows: of a helper that is gone. */
  const undoLeft = async (): Promise<string[]> => {
    const problems: string[] = []
    const known = new Set([...entries.values()].map((entry) => entry.journalId))
    for (const id of (existsSync(journalFolder) ? listJournals(journalFolder, 'open') : []).toReversed()) {
      const content = readJournal(journalFolder, id, 'open')
      if (known.has(id) || !content.ok) continue
      const { records, header } = content.value
      const writes = records.filter((record) => record.verb === 'write')
      if (writes.length === 0 || !writes.every((record) => FIELDS.has(record.target.slice(record.target.lastIndexOf('/') + 1)))) continue
      const folder = writes.find((record) => !record.target.endsWith('/memory.low'))?.target ?? writes[0]?.target ?? ''
      const group = folder.slice(0, folder.lastIndexOf('/')).replace(/\/tools$/u, '')
      const left = header.bootId === bootId() ? await takeBack(records, systemd === null ? null : group.slice(group.lastIndexOf('/') + 1), group) : []
      if (left.length === 0) moveJournal(journalFolder, id, 'open', 'undone')
      problems.push(...left)
    }
    return problems
  }

  return {
    set: (agent, uid, limits, tools) => inTurn(() => set(agent, uid, limits, tools)),
    views: (uid) => [...[...entries.values()].filter((entry) => entry.uid === uid).map(viewOf), ...[...ended.values()].filter((one) => one.uid === uid && isThere(one.view)).map((one) => one.view)],
    inForce: () => entries.size,
    undoAll: () => inTurn(async () => {
      const problems: string[] = []
      for (const entry of entries.values()) problems.push(...(await finish(entry, 'Taken away.')))
      return [...problems, ...(await undoLeft())]
    }),
    guardUndid: (journalId) => inTurn(async () => {
      const entry = [...entries.values()].find((one) => one.journalId === journalId)
      if (entry !== undefined) await finish(entry, 'Taken back by the guard: memory ran short.')
    }),
  }
}
