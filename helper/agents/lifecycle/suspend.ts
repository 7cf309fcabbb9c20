import type { Failure, Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Suspension } from '../../contract/lifecycle.ts'
import { readLink, under } from '../../observe/files.ts'
import { hasReclaim } from '../../observe/cgroup.ts'
import { mayFreeze, strangerIn, type Freezable } from './check.ts'
import { footprintOf } from './footprint.ts'
import { closeFreeze, freeze, freezePathOf, journalFreeze } from './freeze.ts'
import type { LifecycleState, Underway } from './lifecycle.ts'
import { pageOut } from './page-out.ts'
import type { Asker, Guard, HeldRecord, SuspendRequest, WorkingSet } from './types.ts'
import { bounded, presentRanges, workingSetBytes } from './working-set.ts'

/** The process whose standard input is the agent's terminal: its own, or that of its launcher. */
const terminalOf = (root: string, { tree }: Freezable): { pid: number; path: string } | null => {
  for (const { stat, role } of tree.members) {
    const path = role === 'main' ? readLink(under(root, `/proc/${stat.pid}/fd/0`), 'vanished').value : null
    if (path !== null && /^\/dev\/(?:pts\/|tty)/u.test(path)) return { pid: stat.pid, path }
  }
  return null
}

/**
 * What is brought back before the agent runs again: what it touched after its
 * last wake, or else what comes back in a short run after a first paging out.
 */
const workingSet = async (state: LifecycleState, uid: number, agentId: string, { processes }: Freezable, charged: string | null, signal: AbortSignal): Promise<WorkingSet[]> => {
  const { deps, pace, store } = state
  if (deps.reclaimProgram === null) return []
  const learned = store.sets(agentId)
  if (learned !== null) return bounded(learned)
  if (pace.rehearseMs === 0) return []
  await pageOut({ root: deps.root, kernel: deps.kernel, uid, processes, program: deps.reclaimProgram, charged, mostBytes: null, lookMs: pace.pressureLookMs, signal })
  await state.sleep(pace.rehearseMs)
  return bounded(await presentRanges(deps.reclaimProgram, uid, processes))
}

/** One agent from running to suspended; whatever fails on the way, it runs on as before. */
export const suspendAgent = async (state: LifecycleState, asker: Asker, { agent, cause }: SuspendRequest, making: Underway): Promise<Result<Suspension>> => {
  const { deps, access, link, store, held } = state
  const { root, placer } = deps
  const { uid } = asker
  if ('missing' in placer) return fail('not-supported', placer.missing)
  const room = state.swapRoom()
  if (!room.ok) return room
  const never = new Set([process.pid, ...(asker.process === null ? [] : [asker.process.pid])])
  const look = () => mayFreeze({ root, bootId: access.bootId(), uid, agent, signatures: deps.signatures(), never })
  const first = look()
  if (!first.ok) return first
  const introduced = async (to: Guard): Promise<Result<Guard>> => {
    const known = asker.process === null ? ok(null) : await to.holder({ uid, ...asker.process })
    return known.ok ? ok(to) : known
  }
  const connected = await link.use(introduced)
  if (!connected.ok) return connected
  const { signal } = making.abort
  const calledOff = (): Failure => making.why ?? fail('cancelled', 'It was called off.').error

  const before = await footprintOf(root, first.value.processes)
  const placed = await placer.place({ id: agent.id, title: agent.title, processes: first.value.processes }, uid, 'suspend')
  access.checkpoint('placed')
  if (!placed.ok) return placed
  const { cgroup, partial } = placed.value
  const freezePath = freezePathOf(cgroup)
  const charged = !partial && hasReclaim(root, cgroup) ? cgroup : null

  const prefault = await workingSet(state, uid, agent.id, first.value, charged, signal)
  if (signal.aborted) return { ok: false, error: calledOff() }
  const second = look()
  if (!second.ok) return second
  const stranger = strangerIn(root, cgroup, second.value.processes)
  if (stranger !== null) return fail('busy', `A process of another program (${stranger}) runs in the cgroup of ${agent.title}.`, { about: String(stranger), advice: 'It was started by the agent and goes on by itself; the agent is left running.' })
  const { processes } = second.value
  const terminal = terminalOf(root, second.value)

  // What went before took its time: the guard may have ended since.
  const heldOn = await link.use(async (to) => {
    const known = await introduced(to)
    const answer = known.ok ? await to.hold({ id: agent.id, uid, freezePath, terminalOf: terminal?.pid ?? null, processes, prefault }) : known
    return answer.ok ? ok(to) : answer
  })
  access.checkpoint('held')
  if (!heldOn.ok) return heldOn
  const guard = heldOn.value
  const journal = journalFreeze(access, freezePath, state.now())
  if (!journal.ok) {
    await guard.release(agent.id)
    return journal
  }
  const record: HeldRecord = {
    version: 1,
    journalId: journal.value,
    freezePath,
    suspension: {
      agentId: agent.id, title: agent.title, uid, sinceMs: state.now(), cause, cgroup, processes, terminal: terminal?.path ?? null,
      before, after: before, wonBytes: 0, workingSetBytes: workingSetBytes(prefault), freezeMs: 0, reclaimMs: 0, stoppedBy: 'not paged out yet',
    },
  }
  const suspended = await freezeAndPageOut(state, guard, record, charged, signal, () => {
    const again = look()
    if (!again.ok) return again.error
    const known = new Set(processes.map(({ pid }) => pid))
    // Also one that has left the tree by now: it stands still as well, and may be another user's (sudo in the background).
    const born = again.value.processes.find(({ pid }) => !known.has(pid))?.pid ?? strangerIn(root, cgroup, processes)
    return born === null ? null : fail('busy', `${agent.title} has just started a process.`, { about: String(born) }).error
  })
  const problem = suspended ?? (signal.aborted ? calledOff() : null)
  if (problem === null) {
    held.set(agent.id, record)
    // A key between the last look and now: the guard has thawed it and said so already.
    if (!signal.aborted) return ok(record.suspension)
    held.delete(agent.id)
  }
  await backOut(guard, agent.id)
  if (!(await closeFreeze(access, record.journalId, freezePath))) {
    held.set(agent.id, record)
    store.save(record)
    return fail('write-refused', `${agent.title} could not be thawed again.`, { about: freezePath, advice: 'It is tried again when the helper starts.' })
  }
  store.remove(agent.id)
  return { ok: false, error: problem ?? calledOff() }
}

/** Through the guard, which may be about to wake it itself; one that does not know it has forgotten it. */
const backOut = async (guard: Guard, agentId: string): Promise<void> => {
  const woken = await guard.wake(agentId, 'evidence')
  if (!woken.ok) await guard.release(agentId)
}

/** Fills in the record. The failure that makes it go back, or null. */
const freezeAndPageOut = async (state: LifecycleState, guard: Guard, record: HeldRecord, charged: string | null, signal: AbortSignal, objection: () => Failure | null): Promise<Failure | null> => {
  const { deps, pace, access, store } = state
  const { suspension } = record
  const { agentId, uid, cgroup, processes } = suspension
  const freezeStarted = performance.now()
  const frozen = await freeze(access, cgroup, pace.freezeLimitMs, pace.freezePollMs, state.sleep)
  if (!frozen.ok) return frozen.error
  suspension.freezeMs = performance.now() - freezeStarted
  suspension.sinceMs = state.now()
  // Before the guard listens to the terminal: nobody can have typed for it to wake what goes back anyway.
  const why = objection()
  if (why !== null) return why
  const saved = store.save(record)
  if (!saved.ok) return saved.error
  const told = await guard.frozen(agentId)
  access.checkpoint('told')
  if (!told.ok) return told.error
  const reclaimStarted = performance.now()
  const out = await pageOut({ root: deps.root, kernel: deps.kernel, uid, processes, program: deps.reclaimProgram, charged, mostBytes: null, lookMs: pace.pressureLookMs, signal })
  access.checkpoint('paged out')
  if (!out.ok) return out.error
  if (signal.aborted) return null
  suspension.reclaimMs = performance.now() - reclaimStarted
  suspension.stoppedBy = out.value.stoppedBy
  suspension.after = await footprintOf(deps.root, processes)
  suspension.wonBytes = suspension.before.costBytes - suspension.after.costBytes
  const kept = store.save(record)
  access.checkpoint('recorded')
  return kept.ok ? null : kept.error
}
