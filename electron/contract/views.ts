import { z } from 'zod'
import { agentIdSchema, agentSchema } from '../../helper/contract/agents.ts'
import { failureSchema } from '../../helper/contract/errors.ts'
import { layerStatusSchema } from '../../helper/contract/layers.ts'
import { planSchema } from '../../helper/contract/plan.ts'
import { presetSchema } from '../../helper/contract/presets.ts'
import { capabilitySchema } from '../../helper/contract/probe.ts'
import { numberReading } from '../../helper/contract/reading.ts'
import { progressSchema, runRecordSchema, runSummarySchema } from '../../helper/contract/runs.ts'
import { machineSchema, processCountsSchema } from '../../helper/contract/snapshot.ts'
import { snapshotDeltaSchema } from '../../helper/contract/snapshot-delta.ts'

/** What the app knows about its helpers; each state has a sentence for the user. */
export const helperStateSchema = z.object({
  system: z.enum(['ready', 'not-installed', 'no-bus', 'unreachable', 'too-old']),
  session: z.enum(['ready', 'starting', 'unreachable']),
  systemVersion: z.string().nullable(),
  /** What that means for the user and what to do, empty when all is well. */
  advice: z.string(),
})
export type HelperState = z.infer<typeof helperStateSchema>

/** The live state, sent whole: small, and a window that missed one loses nothing. */
export const liveSchema = z.object({
  atMs: z.number(),
  machine: machineSchema,
  agents: z.array(agentSchema),
  counts: processCountsSchema,
  /** Age of the memory figures of `agents`, which are read less often than the machine's. */
  agentsMeasuredAtMs: z.number(),
  totals: z.object({
    agentsCostBytes: z.int(),
    agentsCount: z.int(),
    idleCount: z.int(),
    compressedBytes: z.int(),
    /** Available memory a user could give to new agents. */
    availableBytes: z.int(),
    /** Estimate of what reclaiming the idle ones would free, with its basis in words. */
    couldGetBackBytes: numberReading,
    couldGetBackBasis: z.string(),
    /** How many more agents like the present ones fit: available / median of what they take with nothing paged out. */
    roomFor: numberReading,
    roomForAfter: numberReading,
    suspendedCount: z.int().min(0),
    /** What the suspended ones cost less now than before they were frozen; missing while the registry is not known. */
    suspendedWonBytes: numberReading,
  }),
  helper: helperStateSchema,
  /** The run that is open now, if any. */
  progress: progressSchema.nullable(),
})
export type Live = z.infer<typeof liveSchema>

/** Columns of one series; a null is a gap. `resolutionMs` is 1 s, 10 s or 5 min. */
export const seriesSchema = z.object({
  resolutionMs: z.int(),
  atMs: z.array(z.number()),
  series: z.array(z.object({ id: z.string(), label: z.string(), unit: z.enum(['bytes', 'percent', 'count']), values: z.array(z.number().nullable()) })),
})
export type Series = z.infer<typeof seriesSchema>

export const eventSchema = z.object({
  id: z.int(),
  atMs: z.number(),
  kind: z.enum(['run-started', 'run-waiting', 'run-kept', 'run-undone', 'run-failed', 'agent-appeared', 'agent-gone', 'agent-suspended', 'agent-resumed', 'agent-state', 'limit', 'guard', 'reaped', 'fix', 'helper', 'problem']),
  text: z.string(),
  runId: z.string().nullable(),
  agentId: agentIdSchema.nullable(),
})
export type HistoryEvent = z.infer<typeof eventSchema>

export const snapshotInfoSchema = z.object({
  id: z.int(),
  takenAtMs: z.number(),
  label: z.string(),
  /** run-before, run-after, by hand, or from the command line. */
  origin: z.enum(['run-before', 'run-after', 'manual']),
  runId: z.string().nullable(),
  agents: z.int(),
  agentsCostBytes: z.int(),
  availableBytes: z.int(),
})
export type SnapshotInfo = z.infer<typeof snapshotInfoSchema>

export const machineViewSchema = z.object({
  kernelRelease: z.string(),
  capabilities: z.array(capabilitySchema),
  layers: z.array(layerStatusSchema),
  /** Taken by the helper, or by the app as the user. */
  privileged: z.boolean(),
})
export type MachineView = z.infer<typeof machineViewSchema>

export const presetViewSchema = z.object({ preset: presetSchema, builtIn: z.boolean() })
export type PresetView = z.infer<typeof presetViewSchema>

/** Whether a list of presets shows it: switches of layers and single actions have places of their own. Own ones are always shown, so that they can be removed. */
export const isListed = ({ preset, builtIn }: PresetView): boolean => !builtIn || (preset.scope ?? 'preset') === 'preset'

/** A plan as shown before applying. */
export const planViewSchema = z.object({
  presetId: z.string(),
  plan: planSchema,
  /** True when there is no helper: this is what would be done. */
  simulation: z.boolean(),
  treated: z.array(agentIdSchema),
  control: z.array(agentIdSchema),
  /** polkit will ask for a password, as far as can be told. */
  asksPassword: z.boolean(),
  /** Of a solution: when what it is for was last found, where it is not right now. */
  lastFoundAtMs: z.number().optional(),
})
export type PlanView = z.infer<typeof planViewSchema>

export const runViewSchema = z.object({
  summary: runSummarySchema,
  /** Gain as stored with the run; null where it was never measured. */
  gainBytes: numberReading,
  noiseBytes: numberReading,
})
export type RunView = z.infer<typeof runViewSchema>

/** A whole run for its page: the record without snapshots, and the comparison made from them. */
export const runDetailSchema = z.object({
  record: runRecordSchema.omit({ before: true, after: true }),
  delta: snapshotDeltaSchema.nullable(),
})
export type RunDetail = z.infer<typeof runDetailSchema>

export const reportFormatSchema = z.enum(['html', 'pdf', 'csv', 'json', 'md'])
export type ReportFormat = z.infer<typeof reportFormatSchema>

/** What installing the helper would write, before anything is asked. */
export const installPlanSchema = z.object({
  installed: z.boolean(),
  files: z.array(z.object({ path: z.string(), what: z.string(), sizeBytes: z.int(), mode: z.string() })),
  /** The one script that runs as root, with its digest. */
  script: z.string(),
  scriptSha256: z.string(),
  /** The command for someone who prefers a terminal. */
  command: z.string(),
  problem: failureSchema.nullable(),
})
export type InstallPlan = z.infer<typeof installPlanSchema>
