import { z } from 'zod'
import { processRefSchema } from './agents.ts'
import { moduleBackingBytesSchema, moduleCompressorSchema } from './kernel-module.ts'
import { sourceIdSchema } from './layers.ts'

/**
 * `now`: undone at once, also by the guard. `when-it-fits`: undoing needs
 * memory, so it happens only after seeing that there is enough.
 */
export const undoClassSchema = z.enum(['now', 'when-it-fits'])
export type UndoClass = z.infer<typeof undoClassSchema>

/** What a step does. Every path is one that a layer declares; the writer refuses any other. */
export const operationSchema = z.discriminatedUnion('op', [
  /** Write `value` to a kernel file; undo writes the old value back. */
  z.strictObject({ op: z.literal('write'), path: z.string(), value: z.string() }),
  /** Make, fill and mkswap a swap file; undo unlinks it. */
  z.strictObject({ op: z.literal('make-swap-file'), path: z.string(), sizeBytes: z.int().min(1) }),
  /** Write a swap signature to an initialised zram device; undo is that of zram-init. */
  z.strictObject({ op: z.literal('make-swap'), path: z.string() }),
  /** Set algorithm and size of an unused zram device (`device` is "zram0", or "new" for hot_add); undo resets it. */
  z.strictObject({ op: z.literal('zram-init'), device: z.string().regex(/^(zram\d{1,3}|new)$/u), algorithms: z.array(z.string()).min(1), sizeBytes: z.int().min(1) }),
  /** swapon; undo is swapoff, when it fits. `path` may be "zram:new" for the device zram-init made. */
  z.strictObject({ op: z.literal('swap-on'), path: z.string(), priority: z.int().min(-1).max(32767) }),
  /** swapoff of swap that an earlier run of ours added, when it fits; undo is swapon. */
  z.strictObject({ op: z.literal('swap-off'), path: z.string() }),
  /** KSM: write 2, wait for the unmerge, then write 0; when it fits. */
  z.strictObject({ op: z.literal('ksm-unmerge') }),
  /** zswap compressor: try in this order, read back, keep the first that holds. */
  z.strictObject({ op: z.literal('write-first-kept'), path: z.string(), values: z.array(z.string()).min(1) }),
  /** sync, then drop_caches; nothing to undo. */
  z.strictObject({ op: z.literal('prune-cache'), level: z.union([z.literal(1), z.literal(2), z.literal(3)]) }),
  /** Page out one idle agent: its own cgroup's memory.reclaim, or process_madvise. */
  z.strictObject({ op: z.literal('reclaim'), agentId: z.string(), title: z.string(), processes: z.array(processRefSchema).min(1), cgroup: z.string().nullable() }),
  /** compact_memory; nothing to undo. */
  z.strictObject({ op: z.literal('compact') }),
  /** modprobe of agentmem.ko; undo unloads it, once nobody uses it. */
  z.strictObject({ op: z.literal('module-load'), compressor: moduleCompressorSchema }),
  /** Unloads it where nobody uses it; undo loads it with the parameters it had. */
  z.strictObject({ op: z.literal('module-unload') }),
  /** Gives the module a backing file of at most so many bytes, in place of one it has; 0 takes it away. Undo brings back what was. */
  z.strictObject({ op: z.literal('module-backing'), sizeBytes: z.union([z.literal(0), moduleBackingBytesSchema]) }),
])
export type Operation = z.infer<typeof operationSchema>

export const stepSchema = z.object({
  /** 1, 2, 3 ... in the order of doing. */
  number: z.int().min(1),
  source: sourceIdSchema,
  operation: operationSchema,
  /** What the user sees as the target: a path, a swap device, an agent's title. */
  target: z.string(),
  /** Value now; null where there is none or nobody without root may read it. */
  old: z.string().nullable(),
  new: z.string(),
  undoClass: undoClassSchema,
  /** How it is undone, in words; "nothing to undo" for pruning and reclaim. */
  undo: z.string(),
  /** Why this step, in one plain sentence. */
  why: z.string(),
})
export type Step = z.infer<typeof stepSchema>

export const planSchema = z.object({
  version: z.literal(1),
  /** sha256 over operations, targets and old values: what was shown is what is done. */
  digest: z.string().regex(/^[0-9a-f]{64}$/u),
  kernelRelease: z.string(),
  steps: z.array(stepSchema),
  /** What the preset asks for and this machine cannot or need not do, each with the reason. */
  skipped: z.array(z.object({ source: sourceIdSchema, what: z.string(), reason: z.string(), kind: z.enum(['already-so', 'impossible', 'not-needed']) })),
  /** Side effects to know before pressing: security trade-off of KSM, disk space, CPU. */
  notes: z.array(z.string()),
})
export type Plan = z.infer<typeof planSchema>

/** True when it writes nothing: all that was asked for is so already, is not needed, or cannot be done here; `skipped` says which. */
export const changesNothing = ({ steps }: Pick<Plan, 'steps'>): boolean => steps.length === 0

const LEAVES_NOTHING = new Set<Operation['op']>(['prune-cache', 'reclaim', 'compact'])

/** True when no step leaves anything that could be taken back: such a run is over once it is measured. */
export const nothingToUndo = (plan: Pick<Plan, 'steps'>): boolean => plan.steps.every((step) => LEAVES_NOTHING.has(step.operation.op))
