import { basename } from 'node:path'
import { performance } from 'node:perf_hooks'
import { agentIdOf, type Agent, type AgentId, type AgentCost, type AgentProcess, type ProcessMemory, type Signature, type SignaturesFile } from '../contract/agents.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import type { AgentTarget } from '../contract/requests.ts'
import type { ProcessCounts, Snapshot } from '../contract/snapshot.ts'
import { hasReclaim, readCgroupLayout, readCgroupPids, readProcessCgroup } from '../observe/cgroup.ts'
import { readBootId, readKernelRelease, readUptimeMs, TICK_MS } from '../observe/kernel.ts'
import { compressedSwap, readMachine } from '../observe/machine.ts'
import { printable, readMergeable, readProcessMemory, readProcessTable, readStatus, readWorkingFolder, type ProcessTable } from '../observe/process.ts'
import { agentCost } from './cost.ts'
import { createIdentityCache, discoverAgents, type AgentTree, type TreeMember } from './discover.ts'
import { createIdleWatch } from './idle.ts'

export interface AgentTrackerOptions {
  /** "/" or a captured tree. */
  readonly root: string
  readonly signatures: SignaturesFile
  /** Only this user's agents and processes; null shows everybody's. */
  readonly uid: number | null
  /** CLOCK_MONOTONIC in ms; tests set it. */
  readonly nowMs?: () => number
}

/** An agent found by the user's own signatures, which the system role must not read. */
export type NamedAgent = Pick<AgentTarget, 'id' | 'title' | 'kind'>

/** An agent of the cheap look: `cost` is that of the last snapshot, null before the first. */
export type LookedAgent = Omit<Agent, 'cost'> & { cost: AgentCost | null }

export interface AgentTracker {
  /** Memory of every process of every agent, with the machine's figures and what taking it cost. */
  readonly snapshot: (options: { commandLines: boolean; privileged: boolean; named?: readonly NamedAgent[] }) => Promise<Snapshot>
  /** Trees, CPU time and state; memory is what the last snapshot found. */
  readonly look: () => { takenAtMs: number; agents: LookedAgent[]; counts: ProcessCounts; trees: ReadonlyMap<AgentId, AgentTree> }
  /** Other signatures from now on; idle times are kept. */
  readonly setSignatures: (signatures: SignaturesFile) => void
}

interface Remembered { readonly cost: AgentCost; readonly memory: ReadonlyMap<number, Reading<ProcessMemory>>; readonly mergeable: Reading<boolean> }

const NOT_OURS = missing('not-permitted', 'belongs to another user')
const NOT_YET = missing('not-measured', 'memory is read by a snapshot')

/** All of the tree merges, or not; missing where no process could say. */
const treeMergeable = (root: string, tree: AgentTree): Reading<boolean> => {
  const readings = tree.members.map(({ stat }) => readMergeable(root, stat.pid))
  const values = readings.flatMap((reading) => (reading.value === null ? [] : [reading.value]))
  return values.length > 0 ? known(values.every(Boolean)) : (readings[0] ?? missing('not-measured'))
}

/** Discovery with a memory: CPU times, idleness and what each process runs are kept from look to look. */
export const createAgentTracker = (options: AgentTrackerOptions): AgentTracker => {
  const { root, uid } = options
  const nowMs = options.nowMs ?? (() => performance.now())
  const identities = createIdentityCache(root)
  const idle = createIdleWatch()
  const bootId = readBootId(root)
  const layout = readCgroupLayout(root)
  const remembered = new Map<string, Remembered>()
  let signatures = options.signatures

  const cgroupOf = (tree: AgentTree): Pick<Agent, 'cgroup' | 'ownCgroup'> => {
    const cgroup = readProcessCgroup(root, tree.top.pid)
    if (cgroup.value === null) return { cgroup, ownCgroup: false }
    const { version, path } = cgroup.value
    const folder = `${layout.v2Mount ?? ''}${path}`
    // A path with ".." lies outside our cgroup namespace and is not ours to write to.
    const possible = version === 'v2' && layout.v2Mount !== null && path !== '/' && !path.split('/').includes('..') && hasReclaim(root, folder)
    if (!possible) return { cgroup: known(path), ownCgroup: false }
    const pids = readCgroupPids(root, folder)
    const ownCgroup = pids !== null && pids.size === tree.members.length && tree.members.every(({ stat }) => pids.has(stat.pid))
    return { cgroup: known(path), ownCgroup }
  }

  const isOurs = (member: TreeMember): boolean => uid === null || readStatus(root, member.stat.pid).value?.uid === uid

  const processOf = (member: TreeMember, memory: Reading<ProcessMemory>, commandLines: boolean): AgentProcess => ({
    pid: member.stat.pid,
    startTimeTicks: member.stat.startTimeTicks,
    parentPid: member.stat.parentPid,
    role: member.role,
    label: printable(member.label),
    comm: printable(member.stat.comm),
    kernelState: member.stat.kernelState,
    cpuMs: member.stat.cpuTicks * TICK_MS,
    memory,
    ...(commandLines && isOurs(member) ? { commandLine: [...(member.identity?.argv ?? [])] } : {}),
  })

  /** Their top processes that still live; whoever they belong to is checked like everybody's. */
  const topsOf = (table: ProcessTable, agents: readonly NamedAgent[]): Map<number, Signature> => {
    const ids = new Map(agents.map((agent) => [agent.id, agent]))
    const found = [...table.processes.values()].flatMap((stat): [number, Signature][] => {
      const agent = ids.get(agentIdOf(bootId, stat))
      return agent?.kind === undefined || stat.kernelState === 'Z' ? [] : [[stat.pid, { kind: agent.kind, title: printable(agent.title) || agent.kind, match: [] }]]
    })
    return new Map(found)
  }

  const observe = (named: readonly NamedAgent[] = []): { table: ProcessTable; trees: { tree: AgentTree; uid: number }[] } => {
    const table = readProcessTable(root)
    identities.keep(table.processes)
    const trees = discoverAgents(table, identities.of, signatures, topsOf(table, named)).flatMap((tree) => {
      const owner = readStatus(root, tree.top.pid).value?.uid
      return owner === undefined || (uid !== null && owner !== uid) ? [] : [{ tree, uid: owner }]
    })
    return { table, trees }
  }

  type Measure = (member: TreeMember) => Reading<ProcessMemory>

  const agentOf = ({ tree, uid: owner }: { tree: AgentTree; uid: number }, uptimeMs: number, measure: Measure, commandLines: boolean): Omit<Agent, 'cost' | 'mergeable'> => {
    const { top, signature, members } = tree
    const ref = { pid: top.pid, startTimeTicks: top.startTimeTicks }
    const id = agentIdOf(bootId, ref)
    const projectFolder = readWorkingFolder(root, top.pid)
    return {
      id,
      ...ref,
      kind: signature.kind,
      title: signature.title,
      name: printable(basename(projectFolder.value ?? '')) || signature.title,
      projectFolder,
      uid: owner,
      ...idle.look(id, tree, nowMs()),
      ageMs: Math.max(0, uptimeMs - top.startTimeTicks * TICK_MS),
      ...cgroupOf(tree),
      processes: members.map((member) => processOf(member, measure(member), commandLines)),
    }
  }

  const countsOf = (table: ProcessTable, agents: readonly Pick<Agent, 'processes'>[]): ProcessCounts => {
    const processes = agents.flatMap((agent) => agent.processes)
    const lost = (reason: string): number => processes.filter(({ memory }) => memory.value === null && memory.reason === reason).length
    return {
      seen: table.seen,
      kernelThreads: table.kernelThreads,
      vanished: table.vanished + lost('vanished'),
      unreadable: table.unreadable + lost('not-permitted') + lost('malformed'),
      ofAgents: processes.length,
    }
  }

  const forget = (agents: readonly { id: string }[]): void => {
    const ids = new Set(agents.map((agent) => agent.id))
    idle.keep(ids)
    for (const id of remembered.keys()) if (!ids.has(id)) remembered.delete(id)
  }

  const snapshot: AgentTracker['snapshot'] = async ({ commandLines, privileged, named }) => {
    const startedMs = performance.now()
    const startedCpu = process.cpuUsage()
    const machine = readMachine(root)
    const compressed = compressedSwap(machine)
    const uptimeMs = readUptimeMs(root) ?? 0
    const { table, trees } = observe(named)
    // Another user's process in the tree (sudo) is listed, not measured: a caller learns of its own only.
    const members = trees.flatMap(({ tree }) => tree.members)
    const memories = await Promise.all(members.map(async (member) => (isOurs(member) ? readProcessMemory(root, member.stat.pid) : NOT_OURS)))
    const byMember = new Map(members.map((member, index) => [member, memories[index] ?? NOT_YET]))
    const measure: Measure = (member) => byMember.get(member) ?? NOT_YET
    const agents = trees.map((found): Agent => {
      const agent = agentOf(found, uptimeMs, measure, commandLines)
      const cost = agentCost(agent.processes.map((process) => process.memory), compressed)
      const mergeable = treeMergeable(root, found.tree)
      remembered.set(agent.id, { cost, mergeable, memory: new Map(agent.processes.map((process) => [process.pid, process.memory])) })
      return { ...agent, mergeable, cost }
    })
    forget(agents)
    const cpu = process.cpuUsage(startedCpu)
    return {
      version: 1,
      takenAtMs: Date.now(),
      monotonicMs: nowMs(),
      bootId,
      kernelRelease: readKernelRelease(root),
      privileged,
      machine,
      compressed: { poolBytes: compressed.poolBytes, storedBytes: compressed.storedBytes, poolPerStored: compressed.poolPerStored },
      agents,
      counts: countsOf(table, agents),
      tookMs: performance.now() - startedMs,
      cpuMs: (cpu.user + cpu.system) / 1000,
    }
  }

  const look: AgentTracker['look'] = () => {
    const uptimeMs = readUptimeMs(root) ?? 0
    const { table, trees } = observe()
    const agents = trees.map((found): LookedAgent => {
      const last = remembered.get(agentIdOf(bootId, found.tree.top))
      const agent = agentOf(found, uptimeMs, (member) => last?.memory.get(member.stat.pid) ?? NOT_YET, false)
      return { ...agent, mergeable: last?.mergeable ?? NOT_YET, cost: last?.cost ?? null }
    })
    forget(agents)
    return { takenAtMs: Date.now(), agents, counts: countsOf(table, agents), trees: new Map(trees.map(({ tree }) => [agentIdOf(bootId, tree.top), tree])) }
  }

  return { snapshot, look, setSignatures: (next) => { signatures = next } }
}
