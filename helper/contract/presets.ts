import { z } from 'zod'
import { kernelModuleSettingsSchema } from './kernel-module.ts'
import type { LayerId } from './layers.ts'
import { tunableSettingsSchema } from './tunables.ts'

/** KSM, all bounded so that no preset can starve a laptop of CPU. */
export const ksmSettingsSchema = z.strictObject({
  /** merge: scan and merge. keep: stop scanning, keep what is merged. unmerge: write 2, then 0, only when it fits. */
  mode: z.enum(['merge', 'keep', 'unmerge']),
  pagesToScan: z.int().min(1).max(20_000).optional(),
  sleepMs: z.int().min(1).max(10_000).optional(),
  advisor: z.enum(['none', 'scan-time']).optional(),
  smartScan: z.boolean().optional(),
  /** Lower the scan rate once the profit is flat (measured: 15 to 58 % of a core otherwise). */
  lowerWhenFlat: z.boolean().optional(),
})
export type KsmSettings = z.infer<typeof ksmSettingsSchema>

export const compressedSwapSettingsSchema = z.strictObject({
  /** auto: zram where the kernel has it, else zswap with a swap file no larger than its pool (docs/decisions/compressed-swap.md). off: remove what we added. */
  mode: z.enum(['auto', 'zswap', 'zram', 'off']),
  /** In order of preference; the first that the kernel really keeps is used. */
  compressors: z.array(z.enum(['zstd', 'lz4', 'lzo-rle', 'lzo', 'deflate'])).min(1).optional(),
  /** Swap size as a share of memory. */
  sizePercentOfMemory: z.int().min(10).max(200).optional(),
  /** zswap only: the most of memory its pool may take. */
  poolPercent: z.int().min(5).max(50).optional(),
  /** zswap only, 6.8+: let cold pages leave the pool for the disk. Off unless the user says otherwise (secrets). */
  shrinker: z.boolean().optional(),
})
export type CompressedSwapSettings = z.infer<typeof compressedSwapSettingsSchema>

export const pruneCacheSettingsSchema = z.strictObject({
  /** 1 page cache, 2 dentries and inodes, 3 both; always after sync. */
  level: z.union([z.literal(1), z.literal(2), z.literal(3)]),
})

export const reclaimSettingsSchema = z.strictObject({
  /** Agents idle for at least this long. */
  minIdleMs: z.int().min(0).max(7 * 24 * 3600 * 1000),
})

/** What a preset may ask for: bounded values, never paths. */
export const presetSettingsSchema = z.strictObject({
  ksm: ksmSettingsSchema.optional(),
  compressedSwap: compressedSwapSettingsSchema.optional(),
  pruneCache: pruneCacheSettingsSchema.optional(),
  reclaim: reclaimSettingsSchema.optional(),
  kernelModule: kernelModuleSettingsSchema.optional(),
  tunables: tunableSettingsSchema.optional(),
})
export type PresetSettings = z.infer<typeof presetSettingsSchema>

export const presetIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,47}$/u, 'expected lower-case letters, digits and "-", at most 48')

/** One preset: assets/presets/*.json, and the user's presets/*.json. */
export const presetSchema = z.strictObject({
  version: z.literal(1),
  id: presetIdSchema,
  title: z.string().min(1).max(60),
  /** One or two sentences: what it does and for whom. */
  description: z.string().max(400),
  /**
   * preset (where left out): offered among the presets. layer: one layer's
   * switch. action: one thing done once. The last two have places of their own
   * and take no part in a list of presets.
   */
  scope: z.enum(['preset', 'layer', 'action']).optional(),
  settings: presetSettingsSchema,
  /** How long to let the machine settle before the after-snapshot. */
  settleMs: z.int().min(0).max(600_000),
  /** For how long to watch before the change, where what helps shows in rates: as long as it settles. */
  watchMs: z.int().min(0).max(120_000).optional(),
  /** How long to wait for Keep before undoing. */
  confirmMs: z.int().min(5_000).max(3_600_000),
})
export type Preset = z.infer<typeof presetSchema>

/** Id of the built-in preset that turns one layer on or off; layers that cannot be switched have none. */
export const layerPresetId = (layer: LayerId, turn: 'on' | 'off'): string => `layer-${layer}-${turn}`

/** Pages out the agents named; where none are, those idle for as long as the user's settings say. */
export const PAGE_OUT_PRESET_ID = 'action-page-out'

export const PRUNE_LEVELS = [1, 2, 3] as const
export const pruneCachePresetId = (level: (typeof PRUNE_LEVELS)[number]): string => `action-prune-cache-${level}`
