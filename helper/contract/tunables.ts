import { z } from 'zod'

/**
 * Settings of the kernel's own memory management that can be tried as a run:
 * bounded so that no value can stop a laptop. One field a file; the plan says
 * which file, and what it holds now.
 */
export const tunableSettingsSchema = z.strictObject({
  /** vm.swappiness: above 100 (5.8+) prefers swap over file pages, for compressed swap. */
  swappiness: z.int().min(0).max(200).optional(),
  /** vm.watermark_scale_factor: distance of the watermarks, in 1/10,000 of a zone. */
  watermarkScaleFactor: z.int().min(10).max(1000).optional(),
  /** vm.min_free_kbytes, in bytes; at most 5 % of memory is planned. */
  minFreeBytes: z.int().min(1024 * 1024).max(4 * 1024 ** 3).optional(),
  vfsCachePressure: z.int().min(1).max(1000).optional(),
  /** vm.page-cluster: 2^n pages are read from swap at once; 0 for compressed swap. */
  pageCluster: z.int().min(0).max(5).optional(),
  /** vm.dirty_bytes and vm.dirty_background_bytes; each replaces its ratio. */
  dirtyBytes: z.int().min(16 * 1024 * 1024).max(64 * 1024 ** 3).optional(),
  dirtyBackgroundBytes: z.int().min(8 * 1024 * 1024).max(32 * 1024 ** 3).optional(),
  dirtyExpireMs: z.int().min(1000).max(600_000).optional(),
  transparentHugePages: z.enum(['always', 'madvise', 'never']).optional(),
  hugePageDefrag: z.enum(['always', 'defer', 'defer+madvise', 'madvise', 'never']).optional(),
  /** vm.compaction_proactiveness (5.9+). */
  compactionProactiveness: z.int().min(0).max(100).optional(),
  /** vm.overcommit_memory: 0 by guess, 1 always; 2 (never) is not offered: it breaks running programs. */
  overcommitMemory: z.union([z.literal(0), z.literal(1)]).optional(),
  /** MGLRU min_ttl_ms (6.1+): what was used so lately is not taken; rather an OOM kill than thrashing. */
  lruMinTtlMs: z.int().min(0).max(10_000).optional(),
  /** vm.nr_hugepages: gives back a reservation nobody uses. */
  hugePages: z.int().min(0).max(1_000_000).optional(),
  /** Compact all zones once; leaves nothing to undo. */
  compactNow: z.literal(true).optional(),
})
export type TunableSettings = z.infer<typeof tunableSettingsSchema>
