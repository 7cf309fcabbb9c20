import { agentIdOf, type ProcessRole, type SignaturesFile } from '../../contract/agents.ts'
import type { ProcessStat } from '../../observe/process.ts'
import { printable } from '../../observe/process.ts'
import { TICK_MS } from '../../observe/kernel.ts'
import { childByRule, shortName } from '../children.ts'
import { matchSignature, runsProgramOf } from '../match.ts'
import { inputEnd } from './ends.ts'
import { ignoresHangUp, isService, withChildren, type Processes } from './look.ts'
import { isServing } from './served.ts'

export interface FoundOrphan {
  readonly stat: ProcessStat
  readonly role: ProcessRole
  readonly label: string
  readonly why: string
  /** Below it, without it. */
  readonly children: readonly ProcessStat[]
}

/** A process that was seen in an agent's tree before. */
export interface Remembered {
  readonly agentId: string
  readonly role: ProcessRole
  readonly label: string
  /** Unix time of the last look at which its agent lived. */
  readonly seenAtMs: number
}

export interface OrphanQuestion {
  readonly signatures: SignaturesFile
  readonly bootId: string
  readonly uptimeMs: number
  readonly nowMs: number
  /** Whose orphans; null: everybody's. */
  readonly uid: number | null
  /** By "pid ticks". */
  readonly remembered: ReadonlyMap<string, Remembered>
}

/** Programs that take in processes whose parent ended. */
const REAPERS = new Set(['systemd', 'init', 'tini', 'dumb-init', 'catatonit', 'docker-init', 'runit', 's6-svscan', 'openrc-init'])
/** Keep sessions alive on purpose. */
const KEEPERS = new Set(['tmux', 'screen', 'zellij', 'dtach', 'abduco', 'mosh-server', 'sshd', 'ssh-agent', 'gpg-agent', 'dbus-daemon'])
/** A process may be between two parents while it starts. */
const LEAST_AGE_MS = 3_000

const keyOf = (stat: ProcessStat): string => `${stat.pid} ${stat.startTimeTicks}`

const lostItsParent = (processes: Processes, stat: ProcessStat): boolean => {
  if (stat.parentPid === 1) return true
  const parent = processes.table.get(stat.parentPid)
  const name = parent === undefined ? null : processes.identityOf(parent)?.name
  return name !== null && name !== undefined && REAPERS.has(name)
}

const duration = (ms: number): string => {
  const minutes = Math.round(ms / 60_000)
  return minutes < 1 ? 'less than a minute' : minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

type Judged = Omit<FoundOrphan, 'stat' | 'children'> | null

/** A server or worker of an agent that nobody speaks to any more, told by what it is and by its input. */
const byInput = (processes: Processes, stat: ProcessStat, question: OrphanQuestion): Judged => {
  const identity = processes.identityOf(stat)
  if (identity === null) return null
  const { signatures } = question
  const end = (): string => inputEnd(processes.root, stat.pid, new Set(withChildren(processes, stat).map(({ pid }) => pid)), processes.table.keys())
  const agent = matchSignature(identity, signatures.agents)
  if (agent !== null) {
    return end() === 'closed-terminal' ? { role: 'main', label: agent.title, why: 'the terminal it ran in was closed, and it did not end' } : null
  }
  const rule = childByRule(identity, signatures.children)
  const worker = signatures.agents.find((signature) => runsProgramOf(identity, signature))
  const found = rule !== null && (rule.role === 'mcp-server' || rule.role === 'language-server') ? rule : worker === undefined ? null : { role: 'main' as const, label: `${worker.title} worker` }
  if (found === null || end() !== 'gone') return null
  return { ...found, why: 'its session is gone: nobody holds the other end of its input, and init has taken it in' }
}

/** Whatever was seen in the tree of an agent that has ended since. */
const byMemory = (processes: Processes, stat: ProcessStat, question: OrphanQuestion): Judged => {
  const remembered = question.remembered.get(keyOf(stat))
  if (remembered === undefined || processes.trees.some(({ top }) => agentIdOf(question.bootId, top) === remembered.agentId)) return null
  // A tool that made a session of its own left its agent on purpose.
  if (stat.session === stat.pid && remembered.role !== 'mcp-server' && remembered.role !== 'language-server') return null
  return { role: remembered.role, label: remembered.label, why: `its agent was last seen ${duration(question.nowMs - remembered.seenAtMs)} ago, and init has taken it in` }
}

const nameOf = (processes: Processes, stat: ProcessStat): string => {
  const identity = processes.identityOf(stat)
  return identity === null ? stat.comm : shortName(identity)
}

/**
 * Processes that outlived their agent: taken in by init, no living agent above
 * them, and either seen in an agent's tree before or a server that nobody can
 * speak to any more. What was made to outlive its session (nohup, services,
 * terminal multiplexers, daemons on /dev/null) is none, and neither is a server
 * that somebody is connected to: codex's daemon outlives its first session.
 */
export const findOrphans = (processes: Processes, question: OrphanQuestion): FoundOrphan[] =>
  [...processes.table.values()].flatMap((stat): FoundOrphan[] => {
    if (stat.pid === 1 || stat.kernelState === 'Z' || !lostItsParent(processes, stat)) return []
    if (question.uptimeMs - stat.startTimeTicks * TICK_MS < LEAST_AGE_MS) return []
    const uid = processes.uidOf(stat.pid)
    if (uid === null || (question.uid !== null && uid !== question.uid)) return []
    if (KEEPERS.has(nameOf(processes, stat)) || KEEPERS.has(stat.comm.split(':')[0] ?? '')) return []
    const judged = byMemory(processes, stat, question) ?? byInput(processes, stat, question)
    if (judged === null || ignoresHangUp(processes.root, stat.pid) || isService(processes.root, stat.pid)) return []
    const tree = withChildren(processes, stat)
    if (isServing(processes.root, tree.map(({ pid }) => pid))) return []
    const children = tree.slice(1)
    // A living agent below it: somebody works there.
    const holdsAgent = children.some((child) => processes.ofAgents.has(child.pid) && processes.ofAgents.get(child.pid)?.top.pid !== stat.pid)
    return holdsAgent ? [] : [{ stat, ...judged, label: printable(judged.label), children }]
  })
