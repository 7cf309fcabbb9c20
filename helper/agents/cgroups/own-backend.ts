import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { AgentId, SignaturesFile } from '../../contract/agents.ts'
import type { GuardStatus } from '../../contract/lifecycle.ts'
import type { AgentTarget, SystemResponse } from '../../contract/requests.ts'
import { createKernelFiles } from '../../change/write.ts'
import { connectGuard } from '../../guard/client.ts'
import { hasReclaim } from '../../observe/cgroup.ts'
import { readBootId } from '../../observe/kernel.ts'
import { agentJournals } from '../lifecycle/freeze.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Backend } from '../policy/backend.ts'
import type { BusClient } from '../../bus.ts'
import { canPlace, cgroupLimits, limitAbility, userCgroups } from './build.ts'
import { chargedShare } from './charged.ts'
import { pidsBelow } from './folders.ts'

export interface OwnBackendDeps {
  readonly root: string
  /** The user's bus: the user's systemd is on it. */
  readonly bus: BusClient
  readonly user: { readonly uid: number; readonly name: string }
  /** $XDG_STATE_HOME/agentmem and $XDG_RUNTIME_DIR/agentmem. */
  readonly stateDir: string
  readonly runtimeDir: string
  readonly guardProgram: string
  readonly signatures: () => SignaturesFile
  readonly log: (text: string) => void
}

/** What this user can do without root. */
export interface OwnCgroups extends Backend {
  /** Whether this agent is best suspended here: all of its memory is charged to a scope of its own, so that the scope can page it out. */
  readonly owns: (agent: AgentTarget) => boolean
  /** Whether it can be given such a scope, for limits. */
  readonly canLimit: (agent: AgentTarget | null) => boolean
  readonly holds: (id: AgentId) => boolean
  /** A scope of its own for an agent that already runs, and back out of it. */
  readonly place: (agent: AgentTarget) => Promise<Result<unknown>>
  readonly unplace: (id: AgentId) => Promise<unknown>
  /** Limits stand that end with this program. */
  readonly busy: () => boolean
  /** Everything runs, no limit stands; the guard may end. */
  readonly close: () => Promise<void>
}

/** Fails where the user has no systemd of one's own: then the system role does it all. What an earlier session role left is taken back first. */
export const openOwnCgroups = async (deps: OwnBackendDeps): Promise<Result<OwnCgroups>> => {
  const { root, bus, user, stateDir, runtimeDir, signatures, log } = deps
  const kernel = createKernelFiles({ root })
  const common = { root, kernel, role: 'session', bootId: () => readBootId(root), journalFolder: agentJournals(stateDir) } as const
  const cgroups = await userCgroups(common, bus, user)
  if (!cgroups.ok) return cgroups
  for (const folder of [common.journalFolder, runtimeDir]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { placer, places } = cgroups.value
  const wordsPath = join(runtimeDir, 'guard-words.jsonl')
  const lifecycle: Lifecycle = createLifecycle({
    ...common,
    stateDir,
    signatures,
    connectGuard: (onlyRunning) =>
      connectGuard({ socketPath: join(runtimeDir, 'guard.sock'), program: onlyRunning ? null : { path: deps.guardProgram, role: 'session', journalDir: join(stateDir, 'journal'), wordsPath, configPath: null }, log }),
    wordsPath,
    placer,
    // process_madvise on another process is root's.
    reclaimProgram: null,
    log,
  })
  const limits = cgroupLimits(cgroups.value, common, { guard: () => lifecycle.link.get(), log })
  lifecycle.link.onWord((word) => {
    if (word.what === 'undone' && word.runId !== null) limits.guardUndid(word.runId).catch((error: unknown) => log(String(error)))
  })
  for (const problem of await limits.undoAll()) log(`limits: ${problem}`)
  await lifecycle.recover()

  const held = async (): Promise<Result<SystemResponse<'Held'>>> =>
    ok({ suspended: lifecycle.suspended(user.uid), guard: await lifecycle.guard(user.uid), limits: limits.views(user.uid), suspend: lifecycle.ability(), limit: limitAbility(cgroups.value) })
  const ownFolder = (agent: AgentTarget): string | null => placer.find(agent.id)
  return ok({
    owns: (agent) => {
      const folder = ownFolder(agent)
      return folder !== null && hasReclaim(root, folder) && chargedShare(root, folder, pidsBelow(root, folder))
    },
    canLimit: (agent) => places.memory && (agent === null || ownFolder(agent) !== null || agent.processes.every(({ pid }) => canPlace(cgroups.value, root, user.uid, pid))),
    holds: (id) => lifecycle.suspended(user.uid).some((one) => one.agentId === id),
    place: (agent) => placer.place(agent, user.uid, 'own'),
    unplace: (id) => placer.unplace(id, 'own'),
    busy: () => limits.inForce() > 0,
    suspend: (agent, cause) => lifecycle.suspend({ uid: user.uid, process: null }, { agent, cause }),
    resume: async (ids, cause) => ok(await lifecycle.resume(user.uid, ids, cause)),
    held,
    limit: (agent, wanted) => limits.set(agent, user.uid, wanted),
    trim: (agent, mostBytes) => lifecycle.trim(user.uid, agent, mostBytes),
    close: async () => {
      await limits.undoAll()
      await lifecycle.resume(user.uid, null, 'logout')
      await lifecycle.link.leave()
    },
  })
}

/** Running counts: of two guards the one that holds something is the one to watch. */
const guardOf = (own: GuardStatus, system: GuardStatus | null): GuardStatus =>
  system === null || (own.running && own.agents + own.runs > 0 && system.agents + system.runs === 0) ? own : { ...system, words: [...system.words, ...own.words].toSorted((a, b) => a.atMs - b.atMs).slice(-50) }

/** Through one's own systemd what can be done there, everything else through the system role. */
export const mixedBackend = (system: Backend): Backend & { use: (own: OwnCgroups) => void } => {
  let own: OwnCgroups | null = null
  return {
    use: (opened) => {
      own = opened
    },
    suspend: (agent, cause, mayAsk) => (own?.owns(agent) === true ? own : system).suspend(agent, cause, mayAsk),
    trim: (agent, mostBytes) => (own?.owns(agent) === true ? own : system).trim(agent, mostBytes),
    limit: (agent, limits, cause, mayAsk) => (own?.canLimit(agent) === true ? own : system).limit(agent, limits, cause, mayAsk),
    resume: async (ids, cause) => {
      const mine = own === null ? ok({ resumed: [], left: [] }) : await own.resume(ids, cause)
      if (!mine.ok) return mine
      const done = new Set([...mine.value.resumed, ...mine.value.left].map(({ agentId }) => agentId))
      const rest = ids === null ? null : ids.filter((id) => !done.has(id))
      if (rest?.length === 0) return mine
      const theirs = await system.resume(rest, cause)
      // Without a system role it holds nothing either.
      if (!theirs.ok) return own !== null && theirs.error.code === 'helper-missing' ? mine : theirs
      return ok({ resumed: [...mine.value.resumed, ...theirs.value.resumed], left: [...mine.value.left, ...theirs.value.left] })
    },
    held: async () => {
      const theirs = await system.held()
      const mine = own === null ? null : await own.held()
      if (mine?.ok !== true) return theirs
      if (!theirs.ok) return theirs.error.code === 'helper-missing' ? mine : fail(theirs.error.code, theirs.error.message, theirs.error)
      return ok({
        suspended: [...theirs.value.suspended, ...mine.value.suspended],
        limits: [...theirs.value.limits, ...mine.value.limits],
        guard: guardOf(mine.value.guard, theirs.value.guard),
        suspend: theirs.value.suspend.how === null ? mine.value.suspend : theirs.value.suspend,
        limit: mine.value.limit.how === null ? theirs.value.limit : mine.value.limit,
      })
    },
  }
}
