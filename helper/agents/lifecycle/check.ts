import { agentIdOf, type ProcessRef, type ProcessRole, type Signature, type SignaturesFile } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { AgentTarget } from '../../contract/requests.ts'
import { processStartTicks } from '../../actions/process-check.ts'
import { readCgroupPids } from '../../observe/cgroup.ts'
import { listNames, readText, under } from '../../observe/files.ts'
import { readProcessTable, type ProcessTable } from '../../observe/process.ts'
import { ownerOf } from '../../owner.ts'
import { createIdentityCache, discoverAgents, type AgentTree } from '../discover.ts'
import { othersWaitFor } from './others-wait.ts'

/** A tree that may be frozen. */
export interface Freezable {
  readonly tree: AgentTree
  /** The agent's own process first. */
  readonly processes: ProcessRef[]
}

const TOOLS = new Set<ProcessRole>(['tool', 'test-run', 'build', 'shell'])

/** Some thread of it is traced: by a debugger, or by strace. */
const isTraced = (root: string, pid: number): boolean => {
  const threads = listNames(under(root, `/proc/${pid}/task`), 'vanished').value ?? [String(pid)]
  return threads.some((thread) => /^TracerPid:\s+[1-9]/mu.test(readText(under(root, `/proc/${pid}/task/${thread}/status`), 'vanished').value ?? readText(under(root, `/proc/${pid}/status`), 'vanished').value ?? ''))
}

/** The agent as it is now, found by our own signatures or, for a kind of the user's own, by the name given. */
const findTree = (root: string, bootId: string, agent: AgentTarget, signatures: SignaturesFile): AgentTree | null => {
  const table: ProcessTable = readProcessTable(root)
  const top = [...table.processes.values()].find((stat) => agentIdOf(bootId, stat) === agent.id && stat.kernelState !== 'Z')
  if (top === undefined) return null
  const named: Signature = { kind: agent.kind ?? 'unknown', title: agent.title, match: [] }
  return discoverAgents(table, createIdentityCache(root).of, signatures, new Map([[top.pid, named]])).find((tree) => tree.top.pid === top.pid) ?? null
}

const busy = (message: string, about: number) => fail('busy', message, { about: String(about), advice: 'Try again when it is done.' })

const WAITED = {
  lock: 'holds a file lock that another program waits for',
  fuse: 'serves a file system (FUSE) that others use',
  serves: 'serves another session over the network',
} as const

/**
 * Whether an agent may be frozen now. Asked right before it is moved, and
 * again once it is frozen: nothing of what is refused here may stand still.
 * `never`: processes that must not be among them, such as whoever asks.
 */
export const mayFreeze = ({ root, bootId, uid, agent, signatures, never }: { root: string; bootId: string; uid: number; agent: AgentTarget; signatures: SignaturesFile; never: ReadonlySet<number> }): Result<Freezable> => {
  const tree = findTree(root, bootId, agent, signatures)
  if (tree === null) return fail('process-gone', `${agent.title} has ended, or is no agent of its own.`, { about: agent.id })
  const members = tree.members.filter(({ stat }) => !/^[ZXx]/u.test(stat.kernelState))
  for (const { stat, role, label } of members) {
    const owner = ownerOf(root, stat)
    // One that ended since it was listed is no obstacle.
    if (owner === null) continue
    if (owner !== uid) return fail('not-yours', `${label} (process ${stat.pid}) below ${agent.title} belongs to another user.`, { about: String(stat.pid), expected: `processes of user ${uid} alone` })
    if (never.has(stat.pid)) return fail('bad-request', `${agent.title} cannot be suspended from within itself.`, { about: String(stat.pid), advice: 'Do it from a terminal outside of the agent.' })
    if (TOOLS.has(role)) return busy(`${agent.title} runs a tool: ${label}.`, stat.pid)
    if (isTraced(root, stat.pid)) return busy(`A debugger is attached to ${agent.title}.`, stat.pid)
  }
  if (tree.holdsAgents) return busy(`${agent.title} waits for another agent that it started.`, tree.top.pid)
  const waited = othersWaitFor(root, new Set(members.map(({ stat }) => stat.pid)))
  if (waited !== null) return busy(`A process of ${agent.title} ${WAITED[waited.what]}.`, waited.pid)
  return ok({ tree, processes: members.map(({ stat: { pid, startTimeTicks } }) => ({ pid, startTimeTicks })) })
}

/** A process in the agent's cgroup that is not of its tree (a server started with nohup) would stand still with it. */
export const strangerIn = (root: string, cgroup: string, processes: readonly ProcessRef[]): number | null => {
  const own = new Set(processes.map(({ pid }) => pid))
  return [...(readCgroupPids(root, cgroup) ?? [])].find((pid) => !own.has(pid)) ?? null
}

export const isAlive = (root: string, ref: ProcessRef): boolean => processStartTicks(root, ref.pid) === ref.startTimeTicks && !/\) [ZXx]/u.test(readText(under(root, `/proc/${ref.pid}/stat`), 'vanished').value ?? ') X')
