import type { ProcessRole, Signature, SignaturesFile } from '../contract/agents.ts'
import type { ProcessStat, ProcessTable } from '../observe/process.ts'
import { childByRule, shortName } from './children.ts'
import { readIdentity, type Identity } from './identity.ts'
import { calledAsOther, matchSignature, runsProgramOf } from './match.ts'

export interface TreeMember {
  readonly stat: ProcessStat
  readonly identity: Identity | null
  readonly role: ProcessRole
  readonly label: string
}

/** An agent: its top process and everything that descends from it, but not another agent that it started. */
export interface AgentTree {
  readonly signature: Signature
  readonly top: ProcessStat
  readonly members: readonly TreeMember[]
  /** Other agents run inside this tree: it waits for them, but they are counted as agents of their own. */
  readonly holdsAgents: boolean
}

/** Identities of live processes between looks: what a process runs changes only by exec, which moves its arguments. */
export interface IdentityCache {
  readonly of: (stat: ProcessStat) => Identity | null
  /** Forgets processes that are not in the table. */
  readonly keep: (processes: ReadonlyMap<number, ProcessStat>) => void
}

export const createIdentityCache = (root: string): IdentityCache => {
  const cache = new Map<number, { readonly key: string; readonly identity: Identity | null }>()
  return {
    of: (stat) => {
      const key = `${stat.startTimeTicks} ${stat.argumentsAt} ${stat.comm}`
      const cached = cache.get(stat.pid)
      if (cached?.key === key) return cached.identity
      const identity = readIdentity(root, stat.pid)
      cache.set(stat.pid, { key, identity })
      return identity
    },
    keep: (processes) => {
      for (const pid of cache.keys()) if (!processes.has(pid)) cache.delete(pid)
    },
  }
}

type Rules = SignaturesFile['children']

/** Roles that pass to helpers a child starts: the shell and node under `npm test` belong to the test run. */
const PASSED_ON = new Set<ProcessRole>(['mcp-server', 'language-server', 'test-run', 'build'])
const UNSPECIFIC = new Set<ProcessRole>(['tool', 'shell'])

interface Parent { readonly role: ProcessRole; readonly identity: Identity | null }

const childOf = (stat: ProcessStat, identity: Identity | null, signature: Signature, parent: Parent, rules: Rules): Pick<TreeMember, 'role' | 'label'> => {
  if (identity === null) return { role: PASSED_ON.has(parent.role) ? parent.role : parent.role === 'main' ? 'tool' : parent.role, label: stat.comm }
  const called = calledAsOther(identity)
  const ruled = childByRule(identity, rules)
  const server = ruled !== null && (ruled.role === 'mcp-server' || ruled.role === 'language-server')
  // The agent's own program under the agent: its relaunch, its worker or its background service (Codex's
  // app-server), unless it acts as an MCP server, or as another tool by the name it is called with.
  const itself = identity.executable !== null && !identity.interpreter && identity.executable === parent.identity?.executable
  const asTool = called !== null && ruled?.role === 'tool'
  if (parent.role === 'main' && !server && !asTool && (itself || runsProgramOf(identity, signature))) {
    return { role: 'main', label: `${signature.title} worker` }
  }
  const own = ruled ?? { role: 'tool' as const, label: shortName(identity) }
  return PASSED_ON.has(parent.role) && UNSPECIFIC.has(own.role) ? { role: parent.role, label: own.label } : own
}

/**
 * Agents in a process table. The top process of an agent fits a signature and
 * is no direct child of a process that fits the same one (its launcher). An
 * agent started by another one, of whatever kind and even through a shell, is
 * an agent of its own: its memory is counted once, there, and its idle time is
 * its own. What a signature's `notArguments` exclude (servers) is a tool of
 * the agent that started it.
 *
 * `named`: top processes, by pid, of agents that somebody else found by
 * signatures not known here.
 */
export const discoverAgents = (
  table: Pick<ProcessTable, 'processes'>,
  identityOf: (stat: ProcessStat) => Identity | null,
  signatures: SignaturesFile,
  named: ReadonlyMap<number, Signature> = new Map(),
): AgentTree[] => {
  const { processes } = table
  const children = new Map<number, ProcessStat[]>()
  const kinds = new Map<number, Signature>()
  for (const stat of processes.values()) {
    const siblings = children.get(stat.parentPid)
    if (siblings === undefined) children.set(stat.parentPid, [stat])
    else siblings.push(stat)
    const identity = identityOf(stat)
    const signature = identity === null || stat.kernelState === 'Z' ? null : matchSignature(identity, signatures.agents)
    if (signature !== null) kinds.set(stat.pid, signature)
  }
  // What these signatures know by themselves stays as they see it.
  const tops = new Map([...named].filter(([pid]) => processes.has(pid) && !kinds.has(pid)))
  for (const [pid, signature] of tops) kinds.set(pid, signature)
  const isTop = (stat: ProcessStat): boolean => {
    const signature = kinds.get(stat.pid)
    return tops.has(stat.pid) || (signature !== undefined && kinds.get(stat.parentPid)?.kind !== signature.kind)
  }

  const treeOf = (top: ProcessStat, signature: Signature): AgentTree => {
    const members: TreeMember[] = [{ stat: top, identity: identityOf(top), role: 'main', label: signature.title }]
    const seen = new Set([top.pid])
    let holdsAgents = false
    // Members are added while they are walked: breadth first, and a table torn by a reused pid cannot make a circle.
    for (const member of members) {
      for (const child of children.get(member.stat.pid) ?? []) {
        if (seen.has(child.pid)) continue
        seen.add(child.pid)
        if (isTop(child)) {
          holdsAgents = true
          continue
        }
        const identity = identityOf(child)
        members.push({ stat: child, identity, ...childOf(child, identity, signature, member, signatures.children) })
      }
    }
    return { signature, top, members, holdsAgents }
  }

  return [...processes.values()].filter(isTop).flatMap((top) => {
    const signature = kinds.get(top.pid)
    return signature === undefined ? [] : [treeOf(top, signature)]
  })
}
