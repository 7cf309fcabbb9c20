import { z } from 'zod'
import { processEvidenceSchema } from '../../helper/contract/evidence.ts'
import { numberReading } from '../../helper/contract/reading.ts'

/**
 * One process with all the kernel counts of it. What takes a walk over its page
 * tables is read of one agent's processes, never of all: huge pages, what it
 * wrote, what it holds in common, placement on nodes. Bytes.
 */
export const processFigureSchema = processEvidenceSchema.extend({
  fileHugeBytes: numberReading, // FilePmdMapped + ShmemPmdMapped
  privateDirtyBytes: numberReading, // Private_Dirty
  sharedDirtyBytes: numberReading, // Shared_Dirty
  /** Private memory that costs it nothing, as others hold the same pages: common since a fork (copy-on-write), or merged. Anonymous less Pss_Anon. */
  copyOnWriteBytes: numberReading,
})
export type ProcessFigure = z.infer<typeof processFigureSchema>

export const processFiguresSchema = z.object({
  takenAtMs: z.number(),
  /** Numbers of the NUMA nodes that are on, each its place in `numaBytes`; one alone where all memory is equally near. */
  nodes: z.array(z.int().min(0)),
  processes: z.array(processFigureSchema),
})
export type ProcessFigures = z.infer<typeof processFiguresSchema>
