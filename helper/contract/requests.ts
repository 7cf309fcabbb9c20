import { z } from 'zod'
import { agentIdSchema, agentSchema, processRefSchema, signatureSchema } from './agents.ts'
import { causeSchema } from './cause.ts'
import { failureSchema } from './errors.ts'
import { rootEvidenceSchema } from './evidence.ts'
import { layerStatusSchema } from './layers.ts'
import {
  abilitySchema,
  askedSchema,
  duplicateSchema,
  fixSchema,
  guardStatusSchema,
  importanceSchema,
  lifecycleCauseSchema,
  lifecycleEventSchema,
  orphanSchema,
  policySchema,
  registryEntrySchema,
  resumedSchema,
  suspensionSchema,
  trustDomainSchema,
} from './lifecycle.ts'
import { limitsSchema, limitViewSchema } from './limits.ts'
import { planSchema } from './plan.ts'
import { presetIdSchema, presetSettingsSchema } from './presets.ts'
import { probeSchema } from './probe.ts'
import { numberReading } from './reading.ts'
import { runIdSchema, runRecordSchema, runSummarySchema } from './runs.ts'
import { processCountsSchema, snapshotSchema } from './snapshot.ts'
import { traceRequestSchema, traceResultSchema } from './trace.ts'

/** Raised with any change that an older peer would misread. */
export const PROTOCOL_VERSION = 1

export const SYSTEM_BUS_NAME = 'org.agentmem.Helper1'
export const SYSTEM_OBJECT_PATH = '/org/agentmem/Helper1'
export const SESSION_BUS_NAME = 'org.agentmem.Session1'
export const SESSION_OBJECT_PATH = '/org/agentmem/Session1'

/** polkit actions. */
export const polkitActionSchema = z.enum([
  'org.agentmem.look',
  'org.agentmem.change-layers',
  'org.agentmem.reclaim',
  'org.agentmem.drop-caches',
  'org.agentmem.agents',
  'org.agentmem.trace',
])
export type PolkitAction = z.infer<typeof polkitActionSchema>

/** An agent named by its id, with the processes the caller saw in its tree. */
export const agentTargetSchema = z.strictObject({
  id: agentIdSchema,
  title: z.string().max(128),
  idleMs: z.number().nullable(),
  processes: z.array(processRefSchema).min(1).max(512),
  /**
   * Key of the signature it was found by. The system role knows only its own
   * signatures; an agent of the user's own kind is measured by this name.
   */
  kind: signatureSchema.shape.kind.optional(),
})
export type AgentTarget = z.infer<typeof agentTargetSchema>

const agentTargets = z.array(agentTargetSchema).max(1000)

export const statusSchema = z.object({
  protocolVersion: z.int(),
  version: z.string(),
  role: z.enum(['system', 'session']),
  pid: z.int(),
  startedAtMs: z.number(),
  openRunId: runIdSchema.nullable(),
  /** System role: why what an interrupted run left behind could not be taken back, so that nothing is changed until it can. Left out or null where all is well. */
  recoveryProblem: failureSchema.nullable().optional(),
})

export const reclaimedSchema = z.object({
  pid: z.int(),
  /** Resident anonymous plus file memory before and after, from smaps_rollup. */
  rssBeforeBytes: numberReading,
  rssAfterBytes: numberReading,
  /** Bytes the advice was given for; not what was won. */
  advisedBytes: z.int().min(0),
  error: z.string().nullable(),
})

/**
 * Requests of the system role: the D-Bus method is the key, JSON in, JSON out.
 * `action` is the least polkit action asked of the caller; Apply asks for
 * those of what its settings contain as well.
 */
export const systemRequests = {
  Status: { action: 'org.agentmem.look', request: z.strictObject({}), response: statusSchema },
  Probe: {
    action: 'org.agentmem.look',
    request: z.strictObject({}),
    response: z.object({ probe: probeSchema, layers: z.array(layerStatusSchema) }),
  },
  Snapshot: {
    action: 'org.agentmem.look',
    request: z.strictObject({ commandLines: z.boolean() }),
    response: snapshotSchema,
  },
  /** What diagnosis cannot read as the user; a helper of an earlier version does not know it. */
  EvidenceLook: { action: 'org.agentmem.look', request: z.strictObject({}), response: rootEvidenceSchema },
  Plan: {
    action: 'org.agentmem.look',
    request: z.strictObject({ settings: presetSettingsSchema, agents: agentTargets }),
    response: planSchema,
  },
  Apply: {
    action: 'org.agentmem.change-layers',
    request: z.strictObject({
      /** Chosen by the caller, so that its own record of the run exists before the helper is asked; one in use is refused. */
      runId: runIdSchema.optional(),
      presetId: presetIdSchema,
      presetTitle: z.string().min(1).max(60),
      settings: presetSettingsSchema,
      /** Of the plan that was shown; another plan now is refused with plan-changed. */
      digest: z.string().regex(/^[0-9a-f]{64}$/u),
      cause: causeSchema,
      /** Treated agents. */
      agents: agentTargets,
      /** Measured but left alone. */
      control: agentTargets,
      settleMs: z.int().min(0).max(600_000),
      /** How far apart the two looks before the change are, where more than a moment; a helper of an earlier version does not know it. */
      watchMs: z.int().min(0).max(120_000).optional(),
      confirmMs: z.int().min(5_000).max(3_600_000),
    }),
    response: z.object({ runId: runIdSchema }),
  },
  Keep: { action: 'org.agentmem.change-layers', request: z.strictObject({ runId: runIdSchema }), response: runSummarySchema },
  /** Undo a run; `runId` null means the last one that is not undone. */
  Undo: {
    action: 'org.agentmem.change-layers',
    request: z.strictObject({ runId: runIdSchema.nullable(), cause: causeSchema }),
    response: runRecordSchema,
  },
  /** Undo every run of this caller, newest first. */
  Rollback: { action: 'org.agentmem.change-layers', request: z.strictObject({}), response: z.array(runRecordSchema) },
  /** Stop a run that is under way; what was done is taken back. */
  Cancel: { action: 'org.agentmem.change-layers', request: z.strictObject({ runId: runIdSchema }), response: runSummarySchema },
  /** Runs of the caller that are open or kept. */
  Runs: { action: 'org.agentmem.look', request: z.strictObject({}), response: z.array(runSummarySchema) },
  Run: { action: 'org.agentmem.look', request: z.strictObject({ runId: runIdSchema }), response: runRecordSchema },
  Reclaim: {
    action: 'org.agentmem.reclaim',
    request: z.strictObject({ processes: z.array(processRefSchema).min(1).max(512), advice: z.enum(['cold', 'pageout', 'willneed']) }),
    response: z.object({ processes: z.array(reclaimedSchema), tookMs: z.number() }),
  },
  DropCaches: {
    action: 'org.agentmem.drop-caches',
    request: z.strictObject({ level: z.union([z.literal(1), z.literal(2), z.literal(3)]) }),
    response: z.object({ availableBeforeBytes: z.int(), availableAfterBytes: z.int(), tookMs: z.number() }),
  },
  /** Freeze one agent in a cgroup of its own, page it out, and have the guard wake it. Answers once reclaim is over. */
  Suspend: { action: 'org.agentmem.agents', request: z.strictObject({ agent: agentTargetSchema, cause: lifecycleCauseSchema }), response: suspensionSchema },
  /** Thawing is always allowed for one's own; null means all of the caller's. Those not suspended are left out of the answer. */
  Resume: {
    action: 'org.agentmem.look',
    request: z.strictObject({ agentIds: z.array(agentIdSchema).min(1).max(1000).nullable(), cause: lifecycleCauseSchema }),
    response: z.object({ resumed: z.array(resumedSchema), left: z.array(z.object({ agentId: agentIdSchema, error: failureSchema })) }),
  },
  /** The caller's suspended agents, the guard, and what this machine can do. */
  Held: {
    action: 'org.agentmem.look',
    request: z.strictObject({}),
    response: z.object({ suspended: z.array(suspensionSchema), guard: guardStatusSchema, limits: z.array(limitViewSchema), suspend: abilitySchema, limit: abilitySchema }),
  },
  /** Limit one agent, or with `agent` null all of the caller's together. Limits with every field null take them away. */
  Limit: { action: 'org.agentmem.agents', request: z.strictObject({ agent: agentTargetSchema.nullable(), limits: limitsSchema, cause: lifecycleCauseSchema }), response: limitViewSchema },
  /** Page out at most so much of one running agent, coldest first as far as can be told. */
  Trim: {
    action: 'org.agentmem.agents',
    request: z.strictObject({ agent: agentTargetSchema, mostBytes: z.int().min(1) }),
    response: z.object({ wonBytes: z.int(), tookMs: z.number(), stoppedBy: z.string().nullable() }),
  },
  /** Look deeper with a built-in line: at one process of the caller's, or at sums of the machine. Ends with its time, or when the caller leaves. */
  TraceRun: { action: 'org.agentmem.trace', request: traceRequestSchema, response: traceResultSchema },
} as const satisfies Record<string, { action: PolkitAction; request: z.ZodType; response: z.ZodType }>

export type SystemMethod = keyof typeof systemRequests
export type SystemRequest<M extends SystemMethod> = z.infer<(typeof systemRequests)[M]['request']>
export type SystemResponse<M extends SystemMethod> = z.infer<(typeof systemRequests)[M]['response']>

/** Signals of the system role, each a JSON string sent to the caller of Apply alone. */
export const SYSTEM_SIGNALS = ['Progress', 'Outcome'] as const

export const registrySchema = z.object({
  takenAtMs: z.number(),
  entries: z.array(registryEntrySchema),
  policy: policySchema,
  /** Why policy.json could not be read; the default is used then. */
  policyProblem: z.string().nullable(),
  guard: guardStatusSchema.nullable(),
  /** Limits of all agents together. */
  budget: limitViewSchema.nullable(),
  suspend: abilitySchema,
  limit: abilitySchema,
  trim: abilitySchema,
})
export type Registry = z.infer<typeof registrySchema>

/** Requests of the session role: the user's own bus, no polkit. */
export const sessionRequests = {
  Status: { request: z.strictObject({}), response: statusSchema },
  /** The user's agents with state and idle time; memory is read where `memory` is true. */
  Snapshot: { request: z.strictObject({ commandLines: z.boolean() }), response: snapshotSchema },
  /** The cheap look: trees, CPU and state; cost is that of the last Snapshot, `null` before the first. */
  Agents: {
    request: z.strictObject({}),
    response: z.object({
      takenAtMs: z.number(),
      agents: z.array(agentSchema.omit({ cost: true }).extend({ cost: agentSchema.shape.cost.nullable() })),
      counts: processCountsSchema,
    }),
  },
  /** Read the user's own agents.json again. Answers with the kinds now known. */
  ReloadSignatures: { request: z.strictObject({}), response: z.object({ kinds: z.array(z.string()), problem: z.string().nullable() }) },

  /** What the registry knows of every agent, and what the policy does. */
  Registry: { request: z.strictObject({}), response: registrySchema },
  SetAgent: {
    request: z.strictObject({ id: agentIdSchema, importance: importanceSchema.optional(), pinned: z.boolean().optional(), trustDomain: trustDomainSchema.optional() }),
    response: registryEntrySchema,
  },
  SetPolicy: { request: z.strictObject({ policy: policySchema }), response: policySchema },
  /** One answer an agent: what was asked for some may fail for others. */
  Suspend: {
    request: z.strictObject({ ids: z.array(agentIdSchema).min(1).max(1000), cause: lifecycleCauseSchema }),
    response: z.object({ suspended: z.array(suspensionSchema), left: z.array(z.object({ agentId: agentIdSchema, error: failureSchema })) }),
  },
  Resume: {
    request: z.strictObject({ ids: z.array(agentIdSchema).min(1).max(1000).nullable(), cause: lifecycleCauseSchema }),
    response: z.object({ resumed: z.array(resumedSchema), left: z.array(z.object({ agentId: agentIdSchema, error: failureSchema })) }),
  },
  Limit: { request: z.strictObject({ id: agentIdSchema.nullable(), limits: limitsSchema }), response: limitViewSchema },
  /** Ask an agent to give memory back by itself, before it is squeezed. */
  AskToFree: { request: z.strictObject({ id: agentIdSchema }), response: z.object({ asked: z.array(askedSchema) }) },
  Leftovers: { request: z.strictObject({}), response: z.object({ orphans: z.array(orphanSchema), duplicates: z.array(duplicateSchema) }) },
  /** End orphans that were shown. One that is no orphan any more is left alone. */
  Reap: {
    request: z.strictObject({ processes: z.array(processRefSchema).min(1).max(512) }),
    response: z.object({ ended: z.array(processRefSchema), left: z.array(z.object({ ...processRefSchema.shape, reason: z.string() })) }),
  },
  /** Cures for known waste, hooks of the agents and shell shims: what each would write. */
  Fixes: { request: z.strictObject({}), response: z.object({ fixes: z.array(fixSchema) }) },
  /** A digest that differs from what the files would get now is refused with plan-changed. */
  ApplyFix: { request: z.strictObject({ id: fixSchema.shape.id, digest: z.string() }), response: fixSchema },
  UndoFix: { request: z.strictObject({ id: fixSchema.shape.id }), response: fixSchema },
  /** Spooled since `afterSeq`; `spool` changes when the counting began anew. */
  Events: { request: z.strictObject({ afterSeq: z.int().min(0), limit: z.int().min(1).max(1000) }), response: z.object({ spool: z.string(), events: z.array(lifecycleEventSchema) }) },
} as const satisfies Record<string, { request: z.ZodType; response: z.ZodType }>

export type SessionMethod = keyof typeof sessionRequests
export type SessionRequest<M extends SessionMethod> = z.infer<(typeof sessionRequests)[M]['request']>
export type SessionResponse<M extends SessionMethod> = z.infer<(typeof sessionRequests)[M]['response']>
