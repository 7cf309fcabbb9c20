import { z } from 'zod'
import { numberReading } from './reading.ts'

/** Layers are five; cache pruning, reclaim and suspend are actions; tunables are tried as a run, as actions are (docs/decisions/tunables.md). */
export const layerIdSchema = z.enum(['shared-memory', 'mapped-store', 'compressed-swap', 'ksm', 'kernel-module'])
export type LayerId = z.infer<typeof layerIdSchema>

export const actionIdSchema = z.enum(['prune-cache', 'reclaim', 'tunables'])
export type ActionId = z.infer<typeof actionIdSchema>

/** Where a planned step or a journal line comes from. */
export const sourceIdSchema = z.union([layerIdSchema, actionIdSchema])
export type SourceId = z.infer<typeof sourceIdSchema>

export const layerStateSchema = z.enum(['on', 'off', 'partial', 'unavailable'])

export const layerStatusSchema = z.object({
  id: layerIdSchema,
  /** Plain name first: "Compressed swap (zswap)". */
  title: z.string(),
  state: layerStateSchema,
  /** One sentence: what it is doing now, or what is missing and the command for it. */
  summary: z.string(),
  requirement: z.string(),
  /** Memory it saves now, in bytes; missing where it cannot be told. */
  savesBytes: numberReading,
  /** What it costs, in words with figures: "3 % of one core", "lets other programs of yours guess...". */
  cost: z.string(),
  /** Where the figures come from, for "why this?". */
  sources: z.array(z.string()),
})
export type LayerStatus = z.infer<typeof layerStatusSchema>
