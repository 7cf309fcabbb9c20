import { z } from 'zod'
import { agentSchema, processRefSchema } from './agents.ts'
import { duplicateSchema, orphanSchema } from './lifecycle.ts'
import { numberReading, readingSchema } from './reading.ts'
import { pressureSchema, swapDeviceSchema, zramDeviceSchema } from './snapshot.ts'

/** One zone of /proc/zoneinfo, in pages of `pageBytes`. */
export const zoneSchema = z.object({
  node: z.int().min(0),
  zone: z.string(), // DMA32, Normal, Movable
  freePages: z.int().min(0),
  minPages: z.int().min(0),
  lowPages: z.int().min(0),
  highPages: z.int().min(0),
  managedPages: z.int().min(0),
  /** /proc/buddyinfo: free blocks of 2^order pages, by order. */
  freeBlocks: z.array(z.int().min(0)),
  /** debugfs extfrag/extfrag_index, 0 to 1 by order, -1 where an allocation would succeed; root only. */
  fragmentationIndex: readingSchema(z.array(z.number())),
})
export type Zone = z.infer<typeof zoneSchema>

/** One NUMA node: /sys/devices/system/node/nodeN. */
export const numaNodeSchema = z.object({
  node: z.int().min(0),
  hasCpus: z.boolean(),
  totalBytes: z.int().min(0),
  freeBytes: z.int().min(0),
  /** numastat, pages since boot: numa_hit, numa_miss, numa_foreign, interleave_hit, local_node, other_node. */
  counters: z.record(z.string(), z.int()),
})

/** One cache of /proc/slabinfo, the largest first; root only. */
export const slabCacheSchema = z.object({ name: z.string(), bytes: z.int().min(0), activeObjects: z.int().min(0), objects: z.int().min(0) })

/** One cgroup of the v2 hierarchy: those of agents, their ancestors, and the largest. */
export const cgroupEvidenceSchema = z.object({
  path: z.string(),
  currentBytes: numberReading,
  peakBytes: numberReading, // 5.19+
  swapBytes: numberReading,
  /** Limits in bytes; null value with not-measured stands for "max". */
  highBytes: numberReading,
  maxBytes: numberReading,
  swapMaxBytes: numberReading,
  lowBytes: numberReading,
  /** memory.events since it was made: low, high, max, oom, oom_kill, oom_group_kill. */
  events: z.record(z.string(), z.int()),
  /** memory.stat: anon, file, shmem, slab_reclaimable, workingset_refault_anon, ... as the kernel names them. */
  stat: z.record(z.string(), z.int()),
  memoryPressure: readingSchema(pressureSchema),
  dyingDescendants: z.int().min(0), // cgroup.stat nr_dying_descendants
  processes: z.int().min(0),
  /** How many agents have processes in it. */
  agents: z.int().min(0),
})
export type CgroupEvidence = z.infer<typeof cgroupEvidenceSchema>

/** One process, of those the reader may look at; bytes, and counts since its start. */
export const processEvidenceSchema = z.object({
  ref: processRefSchema,
  parentPid: z.int().min(0),
  uid: z.int().min(0),
  name: z.string(),
  /** Program and script without secrets: scrubbed words. */
  title: z.string(),
  agentId: z.string().nullable(),
  rssBytes: numberReading,
  pssBytes: numberReading,
  anonBytes: numberReading, // RssAnon
  fileBytes: numberReading, // RssFile
  shmemBytes: numberReading, // RssShmem
  swapBytes: numberReading, // VmSwap
  virtualBytes: numberReading, // VmSize
  heapBytes: numberReading, // VmData
  stackBytes: numberReading, // VmStk
  lockedBytes: numberReading, // VmLck + VmPin
  hugetlbBytes: numberReading, // HugetlbPages
  anonHugeBytes: numberReading, // AnonHugePages of smaps_rollup
  minorFaults: numberReading,
  majorFaults: numberReading,
  /** Memory files (memfd) it has open, each counted once by inode. */
  memfdBytes: numberReading,
  oomScoreAdj: numberReading,
  /** Bytes of one look per NUMA node, where there are several. */
  numaBytes: readingSchema(z.array(z.number())),
})
export type ProcessEvidence = z.infer<typeof processEvidenceSchema>

/** A tmpfs or ramfs mount: its pages are memory that only swap can take. */
export const memoryFileSystemSchema = z.object({ folder: z.string(), type: z.enum(['tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs']), usedBytes: numberReading, sizeBytes: numberReading })

/** Services that also tune or kill by memory, as found running or configured. */
export const rivalSchema = z.object({
  id: z.enum(['systemd-oomd', 'earlyoom', 'nohang', 'oomd', 'tuned', 'zram-generator', 'zram-tools', 'zramswap', 'ksmtuned', 'preload', 'uresourced', 'swapspace', 'damon']),
  running: z.boolean(),
  configured: z.boolean(),
  /** What it is set to, as far as it can be read: file and text. */
  settings: z.record(z.string(), z.string()),
})

/** Protections the system gives, for the hardening view. */
export const hardeningSchema = z.object({
  aslr: readingSchema(z.enum(['off', 'partial', 'full'])), // kernel.randomize_va_space
  noExecute: readingSchema(z.boolean()), // cpuinfo nx
  guardGapPages: numberReading, // stack_guard_gap of the command line, else the kernel's 256
  /** Of each swap device: zram never leaves memory, dm-crypt and LUKS are encrypted. */
  swapEncryption: z.array(z.object({ path: z.string(), state: z.enum(['memory', 'encrypted', 'plain', 'unknown']), how: z.string() })),
  lockdown: readingSchema(z.string()),
  ptraceScope: numberReading,
  mmapMinAddr: numberReading,
  initOnAlloc: readingSchema(z.boolean()),
  initOnFree: readingSchema(z.boolean()),
})

/**
 * What one look at the machine shows to the rules: raw figures by source, in
 * bytes or as the kernel counts. A rule gets a series of them, oldest first, of
 * one boot: counters are differences between two, never what stands since boot.
 */
export const evidenceSchema = z.object({
  version: z.literal(1),
  takenAtMs: z.number(),
  monotonicMs: z.number(),
  bootId: z.string(),
  kernelRelease: z.string(),
  kernelVersion: z.tuple([z.int(), z.int()]),
  privileged: z.boolean(),
  cpus: z.int().min(1),
  pageBytes: z.int().min(1),
  uptimeS: z.number(),
  /** /proc/meminfo: every field by its name, in bytes (HugePages_* are counts). */
  meminfo: z.record(z.string(), z.int()),
  /** /proc/vmstat: every counter by its name. */
  vmstat: z.record(z.string(), z.int()),
  pressure: z.object({ memory: readingSchema(pressureSchema), io: readingSchema(pressureSchema), cpu: readingSchema(pressureSchema) }),
  /** Ticks of kswapd and ksmd, in ms of CPU time since boot. */
  kernelThreadsCpuMs: z.object({ kswapd: numberReading, ksmd: numberReading, kcompactd: numberReading, khugepaged: numberReading }),
  /** /proc/sys/vm/* and kernel.* that rules read, by path; trimmed text. */
  sysctl: z.record(z.string(), readingSchema(z.string())),
  /** /sys/kernel/mm/{ksm,transparent_hugepage,lru_gen,hugepages}/** and /sys/module/zswap/parameters/*, by path; trimmed text; and how cgroup v2 is mounted, as "/proc/mounts cgroup2". */
  mm: z.record(z.string(), readingSchema(z.string())),
  /** debugfs zswap/* as root: pool_total_size, stored_pages, reject_*, pool_limit_hit, written_back_pages. */
  zswapDebug: z.record(z.string(), z.int()),
  swapDevices: z.array(swapDeviceSchema),
  zram: z.array(zramDeviceSchema),
  zones: z.array(zoneSchema),
  numa: z.array(numaNodeSchema),
  slab: readingSchema(z.array(slabCacheSchema)),
  cgroups: readingSchema(z.array(cgroupEvidenceSchema)),
  memoryFileSystems: z.array(memoryFileSystemSchema),
  processes: z.array(processEvidenceSchema),
  zombieProcesses: z.int().min(0),
  rivals: z.array(rivalSchema),
  hardening: hardeningSchema,
  /** Kernel options that rules ask about ("y", "m", or the value), by name; missing where no config is readable. */
  config: readingSchema(z.record(z.string(), z.string())),
  /** False where nobody was there who finds agents: then the three below are empty and say nothing. */
  agentsKnown: z.boolean().default(true),
  agents: z.array(agentSchema),
  orphans: z.array(orphanSchema),
  duplicates: z.array(duplicateSchema),
  /** Kernel messages about memory since boot, where they may be read: OOM kills, allocation failures. */
  kernelMessages: readingSchema(z.array(z.object({ atS: z.number(), kind: z.enum(['oom-kill', 'cgroup-oom-kill', 'allocation-failure', 'swap-error', 'hung-task']), text: z.string() }))),
  tookMs: z.number(),
})
export type Evidence = z.infer<typeof evidenceSchema>

/**
 * What only root can read, as the system helper tells it to whoever may look:
 * figures of the machine, nothing of a process. The kernel keeps exact counts
 * of its objects from users since they help attacks; so caches are told from
 * 8 MB on, rounded, and messages by their kind alone.
 */
export const rootEvidenceSchema = evidenceSchema.pick({ zswapDebug: true, zones: true, slab: true, kernelMessages: true })
export type RootEvidence = z.infer<typeof rootEvidenceSchema>
