import type { SignaturesFile } from '../../contract/agents.ts'
import { readText, under } from '../../observe/files.ts'
import { readProcessTable, readStatus, type ProcessStat } from '../../observe/process.ts'
import { createIdentityCache, discoverAgents, type AgentTree } from '../discover.ts'
import type { Identity } from '../identity.ts'

/** The machine's processes as one look finds them; what the kinds of leftovers are judged by. */
export interface Processes {
  readonly root: string
  readonly table: ReadonlyMap<number, ProcessStat>
  readonly identityOf: (stat: ProcessStat) => Identity | null
  readonly children: ReadonlyMap<number, readonly ProcessStat[]>
  readonly trees: readonly AgentTree[]
  /** Processes of living agents. */
  readonly ofAgents: ReadonlyMap<number, AgentTree>
  readonly uidOf: (pid: number) => number | null
}

/** A process and all below it, parents first. */
export const withChildren = (processes: Pick<Processes, 'children'>, top: ProcessStat): ProcessStat[] => {
  const found = [top]
  const seen = new Set([top.pid])
  for (const stat of found) {
    for (const child of processes.children.get(stat.pid) ?? []) {
      if (seen.has(child.pid)) continue
      seen.add(child.pid)
      found.push(child)
    }
  }
  return found
}

export const lookAtProcesses = (root: string, signatures: SignaturesFile): Processes => {
  const { processes: table } = readProcessTable(root)
  const identities = createIdentityCache(root)
  const children = new Map<number, ProcessStat[]>()
  for (const stat of table.values()) children.set(stat.parentPid, [...(children.get(stat.parentPid) ?? []), stat])
  const trees = discoverAgents({ processes: table }, identities.of, signatures)
  return {
    root, table, children, trees,
    identityOf: identities.of,
    ofAgents: new Map(trees.flatMap((tree) => tree.members.map(({ stat }) => [stat.pid, tree] as const))),
    uidOf: (pid) => readStatus(root, pid).value?.uid ?? null,
  }
}

const SIGHUP_BIT = 1n

/** Started with nohup, or as a daemon that says so: it is meant to outlive its session. */
export const ignoresHangUp = (root: string, pid: number): boolean => {
  const mask = /^SigIgn:\s+([0-9a-f]+)$/mu.exec(readText(under(root, `/proc/${pid}/status`), 'vanished').value ?? '')?.[1]
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n
}

/**
 * A unit of the user's or the system's service manager: it was set up on
 * purpose. Desktops start their programs in units of their own, and with a
 * terminal all that runs in it: KDE's are services named app-….
 */
export const isService = (root: string, pid: number): boolean => {
  const text = readText(under(root, `/proc/${pid}/cgroup`), 'vanished').value ?? ''
  return text.split('\n').some((line) => {
    const leaf = line.split(':').slice(2).join(':').split('/').findLast((part) => part.endsWith('.service') || part.endsWith('.scope'))
    return leaf !== undefined && leaf.endsWith('.service') && !/^(?:user@\d+|app-.+)\.service$/u.test(leaf)
  })
}
