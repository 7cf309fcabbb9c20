import { z } from 'zod'
import { causeSchema } from './cause.ts'
import { failureSchema } from './errors.ts'
import { agentIdSchema } from './agents.ts'
import { planSchema } from './plan.ts'
import { presetIdSchema } from './presets.ts'
import { snapshotSchema } from './snapshot.ts'

export const runIdSchema = z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{8}$/u)
export type RunId = z.infer<typeof runIdSchema>

/**
 * started -> applying -> settling -> waiting (for keep) -> kept | undone
 * failed: a step failed and the earlier ones were taken back.
 * partly-undone: some file no longer held what we wrote and was left alone.
 */
export const runStateSchema = z.enum(['started', 'applying', 'settling', 'waiting', 'kept', 'undoing', 'undone', 'partly-undone', 'failed'])
export type RunState = z.infer<typeof runStateSchema>

export const isOpen = (state: RunState): boolean =>
  state === 'started' || state === 'applying' || state === 'settling' || state === 'waiting' || state === 'undoing'

/** One thing that undoing did or left alone. */
export const undoLineSchema = z.object({
  target: z.string(),
  /** The value it should go back to. */
  old: z.string().nullable(),
  /** What was found there before undoing. */
  found: z.string().nullable(),
  outcome: z.enum(['restored', 'already-so', 'left-alone', 'waiting-for-memory', 'failed']),
  reason: z.string(),
})
export type UndoLine = z.infer<typeof undoLineSchema>

/** What a step really did. */
export const stepOutcomeSchema = z.object({
  number: z.int(),
  target: z.string(),
  outcome: z.enum(['done', 'failed', 'skipped']),
  /** The value read back after writing, or what was achieved: "won 312 MB of 480 MB". */
  readBack: z.string().nullable(),
  /** Memory moved, for reclaim and pruning. */
  wonBytes: z.int().nullable(),
  tookMs: z.number(),
  error: failureSchema.nullable(),
})
export type StepOutcome = z.infer<typeof stepOutcomeSchema>

/** Everything the helper knows of a run; the app stores it in one transaction. */
export const runRecordSchema = z.object({
  version: z.literal(1),
  id: runIdSchema,
  uid: z.int().min(0),
  presetId: presetIdSchema,
  presetTitle: z.string(),
  cause: causeSchema,
  state: runStateSchema,
  startedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  plan: planSchema,
  steps: z.array(stepOutcomeSchema),
  /** Agents that were treated, and those left alone as a control. */
  treated: z.array(agentIdSchema),
  control: z.array(agentIdSchema),
  /** Two looks before the first change: their difference is the noise. */
  before: z.array(snapshotSchema).max(2),
  after: snapshotSchema.nullable(),
  /** Until when Keep is possible; null once decided. */
  confirmUntilMs: z.number().nullable(),
  undo: z.array(undoLineSchema),
  undoCause: causeSchema.nullable(),
  error: failureSchema.nullable(),
})
export type RunRecord = z.infer<typeof runRecordSchema>

/** The list view: no snapshots. */
export const runSummarySchema = runRecordSchema.omit({ before: true, after: true, plan: true, steps: true, undo: true })
export type RunSummary = z.infer<typeof runSummarySchema>

export const progressSchema = z.object({
  runId: runIdSchema,
  state: runStateSchema,
  /** 0 to 1 within the whole run. */
  fraction: z.number().min(0).max(1),
  /** What is happening now, in plain words. */
  text: z.string(),
  /** Set while waiting: when silence undoes. */
  confirmUntilMs: z.number().nullable(),
  canCancel: z.boolean(),
})
export type Progress = z.infer<typeof progressSchema>

/** Sent once a run changes into waiting or into a final state: fetch it with Run. */
export const outcomeSchema = z.object({ runId: runIdSchema, state: runStateSchema, cause: causeSchema, error: failureSchema.nullable() })
export type Outcome = z.infer<typeof outcomeSchema>
