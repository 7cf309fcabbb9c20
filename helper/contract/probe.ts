import { z } from 'zod'
import { kernelModuleSchema, unknownModule } from './kernel-module.ts'
import { readingSchema } from './reading.ts'
import { layerIdSchema } from './layers.ts'
import { machineSchema } from './snapshot.ts'

/** One row of the capability table: what a feature needs and what is here. */
export const capabilitySchema = z.object({
  id: z.string(), // "ksm.advisor"
  title: z.string(), // in a user's words
  layer: z.union([layerIdSchema, z.enum(['reclaim', 'prune-cache', 'measuring'])]),
  needs: z.string(), // "Linux 6.8, CONFIG_KSM"
  has: z.string(), // "Linux 6.1: no /sys/kernel/mm/ksm/advisor_mode"
  available: z.boolean(),
  /** What to do where it is missing; empty where nothing helps or nothing is missing. */
  advice: z.string(),
})
export type Capability = z.infer<typeof capabilitySchema>

/**
 * What this machine offers, gathered by reading only: input of the planner.
 * It can be taken by an ordinary user; what that user may not read is missing
 * with its reason and the plan says so.
 */
export const probeSchema = z.object({
  version: z.literal(1),
  bootId: z.string(),
  kernelRelease: z.string(), // "6.12.9-amd64"
  kernelVersion: z.tuple([z.int(), z.int()]), // [6, 12]
  machine: machineSchema,
  /** The present text of every file a layer may write, by path, trimmed; missing where absent. */
  files: z.record(z.string(), readingSchema(z.string())),
  zswapCompressors: z.array(z.string()), // known to have registered or been accepted; may be empty: only trying tells
  zramControl: z.boolean(), // /sys/class/zram-control/hot_add
  /** Free space where a swap file would go: /var/lib/agentmem/swap or its nearest existing parent. */
  swapFolder: z.object({ path: z.string(), freeBytes: readingSchema(z.int()), fileSystem: z.string() }),
  cgroup: z.object({
    version: z.enum(['v1', 'v2', 'hybrid', 'none']),
    memoryController: z.boolean(), // on the v2 hierarchy
    memoryReclaim: z.boolean(), // memory.reclaim exists (5.19+)
  }),
  processMadvise: z.boolean(), // kernel 5.10+ with CONFIG_ADVISE_SYSCALLS
  processMerge: z.boolean(), // PR_SET_MEMORY_MERGE, 6.4+
  mergeSurvivesExec: z.boolean(), // 6.7+
  /** agentmem.ko; a helper of an earlier version says nothing of it. */
  kernelModule: kernelModuleSchema.default(unknownModule),
  capabilities: z.array(capabilitySchema),
})
export type Probe = z.infer<typeof probeSchema>
