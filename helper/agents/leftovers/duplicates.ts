import type { AgentId, ProcessRole } from '../../contract/agents.ts'
import { agentIdOf } from '../../contract/agents.ts'
import { printable, readWorkingFolder, type ProcessStat } from '../../observe/process.ts'
import { isWordOf } from '../children.ts'
import type { AgentTree, TreeMember } from '../discover.ts'
import type { Identity } from '../identity.ts'
import { withChildren, type Processes } from './look.ts'

export interface FoundServer {
  readonly stat: ProcessStat
  readonly agentId: AgentId
  /** It and all below it. */
  readonly tree: readonly ProcessStat[]
}

export interface FoundDuplicate {
  readonly role: ProcessRole
  readonly label: string
  readonly servers: readonly FoundServer[]
  readonly share: { readonly possible: boolean; readonly text: string }
}

const SERVERS = new Set<ProcessRole>(['mcp-server', 'language-server'])

/** Options whose value differs from one start to the next without making another server of it. */
const VARYING = /^(--?(?:client-?process-?id|parent-?pid|ppid|pid|port|log-?file|log|socket|pipe|session(?:-?id)?)=).*$/iu
const VARYING_NEXT = /^--?(?:client-?process-?id|parent-?pid|ppid|pid|port|log-?file|log|socket|pipe|session(?:-?id)?)$/iu

/** Arguments with what belongs to one session or project taken out. */
export const normalised = (identity: Pick<Identity, 'argv' | 'executable'>, folders: readonly string[]): string[] => {
  const inFolder = (word: string): string => {
    const folder = folders.find((candidate) => candidate.length > 1 && (word === candidate || word.startsWith(`${candidate}/`)))
    return folder === undefined ? word : `<project>${word.slice(folder.length)}`
  }
  const words = identity.argv.slice(1).map((word, at, all) => {
    if (at > 0 && VARYING_NEXT.test(all[at - 1] ?? '')) return '<varies>'
    return inFolder(word.replace(VARYING, '$1<varies>').replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gu, '<id>').replace(/^\/tmp\/[^/]+/u, '/tmp/<any>'))
  })
  return [identity.executable ?? identity.argv[0] ?? '', ...words]
}

const HTTP_FLAGS = /^--?(?:http|sse|port|http-port|streamable-http|listen)(?:=|$)/iu
const HTTP_VALUES = new Set(['sse', 'http', 'streamable-http', 'streamableHttp'])
/** Servers known to speak HTTP when they are asked to, and how. */
const CAN_SPEAK_HTTP: readonly { readonly word: string; readonly text: string }[] = [
  { word: '@playwright/mcp', text: 'It speaks HTTP when started with --port: start one so and give every session its address.' },
]

const speaksHttp = (identity: Identity): boolean =>
  identity.argv.slice(1).some((word, at, all) => HTTP_FLAGS.test(word) || (/^--?(?:transport|mode)$/iu.test(all[at - 1] ?? '') && HTTP_VALUES.has(word)) || /^--?(?:transport|mode)=(?:sse|http|streamable-?http)$/iu.test(word))

const shareOf = (role: ProcessRole, first: Identity, listens: boolean, ownProjects: boolean): FoundDuplicate['share'] => {
  if (role === 'language-server') return { possible: false, text: 'A language server keeps the state of one session\'s project.' }
  if (ownProjects) return { possible: false, text: 'Each of them was given another project to work on.' }
  if (listens || speaksHttp(first)) return { possible: true, text: 'It speaks HTTP: run one, and give every session its address in place of the command.' }
  const can = CAN_SPEAK_HTTP.find(({ word }) => first.argv.some((argument) => argument.includes(word)) || (first.script !== null && isWordOf(first.script, word)))
  return can === undefined
    ? { possible: false, text: 'It speaks over its standard input, with the session that started it alone.' }
    : { possible: true, text: can.text }
}

interface Candidate { readonly tree: AgentTree; readonly member: TreeMember; readonly identity: Identity }

/** Servers of an agent, not the helpers they are made of: npx, its shell and the server are one. */
const serversOf = (tree: AgentTree): Candidate[] => {
  const servers = new Set(tree.members.filter(({ role }) => SERVERS.has(role)).map(({ stat }) => stat.pid))
  return tree.members.flatMap((member) =>
    servers.has(member.stat.pid) && !servers.has(member.stat.parentPid) && member.identity !== null && member.stat.kernelState !== 'Z' ? [{ tree, member, identity: member.identity }] : [])
}

/** The same server run by several sessions, or several times by one. `listens`: whether a process listens on a TCP port. */
export const findDuplicates = (processes: Processes, trees: readonly AgentTree[], bootId: string, listens: (pids: readonly number[]) => boolean): FoundDuplicate[] => {
  const groups = new Map<string, Candidate[]>()
  const plainArguments = new Map<string, Set<string>>()
  for (const candidate of trees.flatMap(serversOf)) {
    const folders = [candidate.member.stat.pid, candidate.tree.top.pid].flatMap((pid) => readWorkingFolder(processes.root, pid).value ?? [])
    const key = [candidate.member.role, ...normalised(candidate.identity, folders)].join('\0')
    groups.set(key, [...(groups.get(key) ?? []), candidate])
    plainArguments.set(key, (plainArguments.get(key) ?? new Set()).add(key.includes('<project>') ? candidate.identity.argv.join('\0') : ''))
  }
  return [...groups].flatMap(([key, candidates]): FoundDuplicate[] => {
    const [first] = candidates
    if (first === undefined || candidates.length < 2) return []
    const servers = candidates.map(({ tree, member }): FoundServer => ({ stat: member.stat, agentId: agentIdOf(bootId, tree.top), tree: withChildren(processes, member.stat) }))
    const { role, label } = first.member
    const ownProjects = (plainArguments.get(key)?.size ?? 0) > 1
    return [{ role, label: printable(label), servers, share: shareOf(role, first.identity, listens(servers.flatMap(({ tree }) => tree.map(({ pid }) => pid))), ownProjects) }]
  })
}
