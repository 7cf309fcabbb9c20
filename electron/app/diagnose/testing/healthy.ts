import { readFileSync } from 'node:fs'
import { agentIdOf } from '../../../../helper/contract/agents.ts'
import { evidenceSchema, type CgroupEvidence, type Evidence, type ProcessEvidence } from '../../../../helper/contract/evidence.ts'
import { known, missing } from '../../../../helper/contract/known.ts'
import { sampleAgent } from '../../report/sample.ts'
import type { Looks } from '../rule.ts'

/**
 * A healthy machine on which every rule can look. Settings and counters are
 * those of a real one (24 GB, two cores, compressed swap, Linux 6.18); what it
 * lacks is added by hand below: processes, agents, cgroups v2, a second memory
 * node, slab, debugfs.
 */
const MB = 1024 ** 2
const GB = 1024 ** 3
const BOOT = '00000000-1111-4222-8333-444444444444'

const workstation: Evidence = evidenceSchema.parse(JSON.parse(readFileSync(new URL('workstation.json', import.meta.url), 'utf8')))

const none = missing('not-measured', 'max: no limit')

export const processOf = (pid: number, name: string, rss: number, more: Partial<ProcessEvidence> = {}): ProcessEvidence => ({
  ref: { pid, startTimeTicks: pid * 10 },
  parentPid: 1,
  uid: 1000,
  name,
  title: name,
  agentId: null,
  rssBytes: known(rss),
  pssBytes: known(Math.round(rss * 0.8)),
  anonBytes: known(Math.round(rss * 0.7)),
  fileBytes: known(Math.round(rss * 0.3)),
  shmemBytes: known(0),
  swapBytes: known(0),
  virtualBytes: known(rss * 4),
  heapBytes: known(rss * 2),
  stackBytes: known(139_264),
  lockedBytes: known(0),
  hugetlbBytes: known(0),
  anonHugeBytes: known(0),
  minorFaults: known(120_000),
  majorFaults: known(340),
  memfdBytes: known(0),
  oomScoreAdj: known(0),
  numaBytes: known([rss, 0]),
  ...more,
})

export const groupOf = (path: string, currentBytes: number, more: Partial<CgroupEvidence> = {}): CgroupEvidence => ({
  path,
  currentBytes: known(currentBytes),
  peakBytes: known(Math.round(currentBytes * 1.3)),
  swapBytes: known(0),
  highBytes: none,
  maxBytes: none,
  swapMaxBytes: none,
  lowBytes: known(0),
  events: { low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0 },
  stat: { anon: Math.round(currentBytes * 0.7), file: Math.round(currentBytes * 0.25) },
  memoryPressure: known({ some: { avg10Percent: 0, avg60Percent: 0, avg300Percent: 0, totalUs: 8123 }, full: known({ avg10Percent: 0, avg60Percent: 0, avg300Percent: 0, totalUs: 4410 }) }),
  dyingDescendants: 3,
  processes: 0,
  agents: 0,
  ...more,
})

const SLICE = '/user.slice/user-1000.slice/user@1000.service/app.slice/app-agents.slice'
export const AGENT_GROUPS = [`${SLICE}/agent-a.scope`, `${SLICE}/agent-b.scope`] as const
/** With a limit of its own. */
export const LIMITED_GROUP = '/system.slice/postgresql.service'

const agentAt = (pid: number, i: number): Evidence['agents'][number] => {
  const agent = sampleAgent({
    kind: 'claude-code', title: 'Claude Code', name: ['web-shop', 'billing'][i] ?? 'x', pid, folder: '/home/mara/x', anonMib: 133, fileMib: 60,
    children: [{ label: 'filesystem MCP server', role: 'mcp-server', pssMib: 48 }, { label: 'gopls', role: 'language-server', pssMib: 120 }],
  })
  return { ...agent, id: agentIdOf(BOOT, agent), cgroup: known(AGENT_GROUPS[i] ?? '/'), ownCgroup: true }
}

const debugZswap = { pool_total_size: 0, stored_pages: 0, pool_limit_hit: 0, reject_reclaim_fail: 0, reject_alloc_fail: 0, reject_kmemcache_fail: 0, reject_compress_fail: 0, reject_compress_poor: 0, written_back_pages: 0 }

const make = (): Evidence => {
  const look = structuredClone(workstation)
  const node = look.numa[0] ?? { node: 0, hasCpus: true, totalBytes: 24 * GB, freeBytes: 18 * GB, counters: { numa_hit: 1_000_000, numa_miss: 0 } }
  return {
    ...look,
    numa: [node, { ...structuredClone(node), node: 1 }],
    zones: look.zones.map((zone) => ({ ...zone, fragmentationIndex: known(zone.freeBlocks.map(() => -1)) })),
    kernelThreadsCpuMs: { kswapd: known(40), ksmd: known(0), kcompactd: known(1060), khugepaged: known(10) },
    zswapDebug: { ...debugZswap },
    slab: known([
      { name: 'dentry', bytes: 210 * MB, activeObjects: 1_100_000, objects: 1_150_000 },
      { name: 'ext4_inode_cache', bytes: 330 * MB, activeObjects: 300_000, objects: 310_000 },
      { name: 'radix_tree_node', bytes: 60 * MB, activeObjects: 100_000, objects: 106_000 },
    ]),
    cgroups: known([
      groupOf('/', 4 * GB, { currentBytes: missing('not-supported'), events: {}, stat: {} }),
      groupOf('/user.slice', 2 * GB),
      groupOf('/system.slice', GB),
      groupOf(LIMITED_GROUP, 300 * MB, { highBytes: known(GB), maxBytes: known(2 * GB), processes: 9 }),
      groupOf(SLICE, 700 * MB),
      ...AGENT_GROUPS.map((path) => groupOf(path, 300 * MB, { agents: 1, processes: 3 })),
    ]),
    memoryFileSystems: [
      { folder: '/dev/shm', type: 'tmpfs', usedBytes: known(3 * MB), sizeBytes: known(12 * GB) },
      { folder: '/run', type: 'tmpfs', usedBytes: known(2 * MB), sizeBytes: known(2 * GB) },
      { folder: '/tmp', type: 'tmpfs', usedBytes: known(40 * MB), sizeBytes: known(12 * GB) },
    ],
    processes: [
      processOf(5000, 'node', 330 * MB, { agentId: agentIdOf(BOOT, { pid: 5000, startTimeTicks: 50_000 }) }),
      processOf(6000, 'gopls', 150 * MB),
      processOf(7000, 'postgres', 120 * MB),
    ],
    zombieProcesses: 1,
    agents: [agentAt(5000, 0), agentAt(5200, 1)],
    kernelMessages: known([]),
  }
}

/** A counter that only ever rises, as on any machine at work. */
const AT_WORK: Readonly<Record<string, number>> = { pgfault: 20_000, pgalloc_normal: 21_000, pgfree: 21_000, pgpgin: 300, pgpgout: 900, pswpin: 2, pgmajfault: 1, numa_hit: 20_000 }

/** `count` looks, `stepMs` apart, at a machine that works quietly. Each is a copy of its own. */
export const healthyLooks = (count = 1, stepMs = 60_000): Looks => {
  const [first, ...rest] = Array.from({ length: count }, (_, i): Evidence => {
    const look = make()
    const seconds = (i * stepMs) / 1000
    for (const [name, perSecond] of Object.entries(AT_WORK)) look.vmstat[name] = (look.vmstat[name] ?? 0) + Math.round(perSecond * seconds)
    return { ...look, takenAtMs: look.takenAtMs + i * stepMs, monotonicMs: look.monotonicMs + i * stepMs, uptimeS: look.uptimeS + seconds }
  })
  return [first ?? make(), ...rest]
}
