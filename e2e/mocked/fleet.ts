import type { Agent, AgentProcess, AgentState, ProcessRole } from '../../helper/contract/agents.ts'
import { known, missing } from '../../helper/contract/known.ts'

/** A fleet with the figures that real agents showed at their prompt; deterministic, so screenshots compare. */
export const MB = 1024 * 1024
export const BOOT_ID = '5f0c7c1e-9a44-4a6e-8f1b-2f6f3f0a9d11'

interface Kind {
  kind: string
  title: string
  comm: string
  mainMb: number
  anonPart: number
  children: readonly { role: ProcessRole; label: string; comm: string; mb: number }[]
}

const claude: Kind = {
  kind: 'claude-code',
  title: 'Claude Code',
  comm: 'claude',
  mainMb: 138,
  anonPart: 0.94,
  children: [
    { role: 'mcp-server', label: 'filesystem MCP server', comm: 'node', mb: 52 },
    { role: 'language-server', label: 'typescript-language-server', comm: 'node', mb: 94 },
    { role: 'shell', label: 'bash', comm: 'bash', mb: 2 },
  ],
}
const gemini: Kind = { kind: 'gemini-cli', title: 'Gemini CLI', comm: 'node', mainMb: 209, anonPart: 0.86, children: [{ role: 'main', label: 'launcher', comm: 'node', mb: 106 }] }
const opencode: Kind = {
  kind: 'opencode',
  title: 'opencode',
  comm: 'opencode',
  mainMb: 604,
  anonPart: 0.88,
  children: [
    { role: 'language-server', label: 'gopls', comm: 'gopls', mb: 21 },
    { role: 'shell', label: 'bash', comm: 'bash', mb: 2 },
  ],
}

const folders = [
  'web-shop', 'billing', 'api-gateway', 'docs', 'mobile-app', 'search', 'infra', 'design-system', 'etl', 'auth', 'notebooks', 'cli', 'payments',
  'scheduler', 'landing', 'telemetry', 'parser', 'graphql', 'i18n', 'mailer', 'sandbox', 'importer', 'exporter', 'audit', 'playground',
]

const processOf = (pid: number, parentPid: number, role: ProcessRole, label: string, comm: string, mb: number, anonPart: number, wobble: number, paged: number): AgentProcess => {
  const all = Math.round(mb * (1 + wobble) * MB)
  const anon = Math.round(all * anonPart)
  const swapped = Math.round(anon * paged)
  return {
    pid,
    startTimeTicks: 100_000 + pid * 7,
    parentPid,
    role,
    label,
    comm,
    kernelState: 'S',
    cpuMs: 1200 + pid * 3,
    memory: known({
      pssBytes: all - swapped,
      pssAnonBytes: known(anon - swapped),
      pssFileBytes: known(all - anon),
      pssShmemBytes: known(0),
      swapPssBytes: swapped,
      ussBytes: Math.round((all - swapped) * 0.93),
      rssBytes: Math.round((all - swapped) * 1.24),
    }),
  }
}

export interface AgentOptions {
  state: AgentState
  idleMs: number
  ageMs: number
  /** Share of the anonymous memory that is in compressed swap. */
  paged?: number
  wobble?: number
  unreadable?: boolean
}

/** Measured: what lz4 made of agents' pages, pool bytes a stored byte. */
export const POOL_PER_STORED = 0.3

const makeAgent = (kind: Kind, index: number, options: AgentOptions): Agent => {
  const pid = 4100 + index * 40
  const wobble = options.wobble ?? ((index * 37) % 17) / 100 - 0.08
  const paged = options.paged ?? 0
  const main = processOf(pid, 2200, 'main', kind.title, kind.comm, kind.mainMb, kind.anonPart, wobble, paged)
  const children = kind.children
    .filter((child, i) => child.role === 'main' || (index + i) % 3 !== 2)
    .map((child, i) => processOf(pid + 3 + i * 5, pid, child.role, child.label, child.comm, child.mb * (child.role === 'main' ? 1 : 0.5), kind.anonPart, wobble, paged))
  const processes = [main, ...children].map((process, i) =>
    options.unreadable === true && i > 0 ? { ...process, memory: missing('not-permitted', 'smaps_rollup belongs to another user.') } : process,
  )
  const sum = (of: (memory: NonNullable<AgentProcess['memory']['value']>) => number): number =>
    processes.reduce((total, process) => total + (process.memory.value === null ? 0 : of(process.memory.value)), 0)
  const swap = sum((m) => m.swapPssBytes)
  const compressed = Math.round(swap * POOL_PER_STORED)
  const pss = sum((m) => m.pssBytes)
  const folder = folders[index % folders.length] ?? 'project'
  return {
    id: `${BOOT_ID}:${pid}:${main.startTimeTicks}`,
    pid,
    startTimeTicks: main.startTimeTicks,
    kind: kind.kind,
    title: kind.title,
    name: index < folders.length ? folder : `${folder}-${Math.floor(index / folders.length) + 1}`,
    projectFolder: known(`/home/ada/src/${folder}`),
    uid: 1000,
    state: options.state,
    idleMs: options.state === 'active' ? known(0) : known(options.idleMs),
    ageMs: options.ageMs,
    cgroup: known('/user.slice/user-1000.slice/user@1000.service/app.slice/app-terminal.scope'),
    ownCgroup: false,
    mergeable: missing('not-measured'),
    processes,
    cost: {
      costBytes: pss + compressed,
      pssBytes: pss,
      anonBytes: known(sum((m) => m.pssAnonBytes.value ?? 0)),
      fileBytes: known(sum((m) => m.pssFileBytes.value ?? 0)),
      swapPssBytes: swap,
      compressedBytes: compressed,
      diskSwapBytes: 0,
      ussBytes: sum((m) => m.ussBytes),
      rssBytes: sum((m) => m.rssBytes),
      unmeasured: processes.filter((process) => process.memory.value === null).length,
    },
  }
}

/** Share of the anonymous memory that leaves when an agent is suspended. */
const SUSPENDED_PAGED = 0.9

const order: readonly Kind[] = [claude, gemini, opencode, gemini, claude]
const minutes = (n: number): number => n * 60_000

/** `count` agents, the first six of them at work, the rest idle for ever longer. */
export const makeFleet = (count: number, paged = 0, wobble = 0, unreadable = false, isSuspended: (index: number) => boolean = () => false): Agent[] =>
  Array.from({ length: count }, (_, i) => {
    const kind = order[i % order.length] ?? claude
    const active = i % 4 === 1 && i < 24
    const base = ((i * 37) % 17) / 100 - 0.08
    return makeAgent(kind, i, {
      state: isSuspended(i) ? 'suspended' : active ? 'active' : 'idle',
      idleMs: minutes(3 + ((i * 13) % 90)),
      ageMs: minutes(20 + i * 11),
      // One idle agent of each kind is left alone as a control.
      paged: isSuspended(i) ? SUSPENDED_PAGED : active || i === 0 || i === 3 || i === 2 ? 0 : paged,
      wobble: base + wobble,
      unreadable: unreadable && i % 5 === 0,
    })
  })

/** The idle agents that are left alone to compare with: one of each kind. */
export const controlOf = (agents: readonly Agent[]): Agent[] => [0, 2, 3].flatMap((i) => agents[i] ?? []).filter((agent) => agent.state === 'idle')
