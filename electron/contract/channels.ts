import { z } from 'zod'
import { agentIdSchema, agentSchema, processRefSchema } from '../../helper/contract/agents.ts'
import { failureSchema, type Result } from '../../helper/contract/errors.ts'
import { askedSchema, duplicateSchema, fixSchema, importanceSchema, lifecycleCauseSchema, orphanSchema, policySchema, registryEntrySchema, resumedSchema, suspensionSchema, transitionSchema, trustDomainSchema } from '../../helper/contract/lifecycle.ts'
import { limitsSchema, limitViewSchema } from '../../helper/contract/limits.ts'
import { presetIdSchema, presetSchema } from '../../helper/contract/presets.ts'
import { progressSchema, runIdSchema } from '../../helper/contract/runs.ts'
import { registrySchema } from '../../helper/contract/requests.ts'
import { snapshotDeltaSchema } from '../../helper/contract/snapshot-delta.ts'
import { call, event } from './call.ts'
import { diagnosisChannels, journalChannels, leakChannels, traceChannels } from './diagnosis-channels.ts'
import { settingsSchema } from './settings.ts'
import { unitBackendSchema, unitNumberSchema, unitSchema, unitSettingsSchema, unitsViewSchema } from './units.ts'
import {
  eventSchema,
  installPlanSchema,
  helperStateSchema,
  liveSchema,
  machineViewSchema,
  planViewSchema,
  presetViewSchema,
  reportFormatSchema,
  runDetailSchema,
  runViewSchema,
  seriesSchema,
  snapshotInfoSchema,
} from './views.ts'

const nothing = z.strictObject({})
const done = z.object({})

const reportSubject = z.discriminatedUnion('of', [
  z.strictObject({ of: z.literal('run'), runId: runIdSchema }),
  z.strictObject({ of: z.literal('comparison'), fromId: z.int(), toId: z.int() }),
])

const agentIds = z.strictObject({ ids: z.array(agentIdSchema).min(1).max(1000), cause: lifecycleCauseSchema.extract(['user', 'command-line']) })
const leftAlone = z.array(z.object({ agentId: agentIdSchema, error: failureSchema }))

/**
 * Every channel between window and app: calls answer with a Result, events
 * flow from app to window. Both sides' types, the preload, the browser host
 * and the mock for tests are derived from this one value.
 */
export const channels = {
  'live.get': call(nothing, liveSchema),
  live: event(liveSchema),
  progress: event(progressSchema),
  /** A run, snapshot, preset or setting changed: read again what is shown. */
  changed: event(z.object({ what: z.enum(['runs', 'snapshots', 'presets', 'settings', 'helper', 'machine', 'units', 'diagnosis', 'journal']), runId: runIdSchema.nullable() })),

  'machine.get': call(nothing, machineViewSchema),
  'agent.get': call(z.strictObject({ id: agentIdSchema }), z.object({ agent: agentSchema, series: seriesSchema })),

  'presets.list': call(nothing, z.object({ presets: z.array(presetViewSchema), problems: z.array(z.string()) })),
  'presets.save': call(z.strictObject({ preset: presetSchema }), presetViewSchema),
  'presets.remove': call(z.strictObject({ id: presetIdSchema }), done),
  'presets.export': call(z.strictObject({ id: presetIdSchema }), z.object({ fileName: z.string(), text: z.string() })),
  'presets.import': call(z.strictObject({ text: z.string().max(100_000) }), presetViewSchema),

  /** Plan a preset. `agentIds` narrows the agents; null means all that the preset's idle time allows. */
  'plan.make': call(z.strictObject({ presetId: presetIdSchema, agentIds: z.array(agentIdSchema).nullable() }), planViewSchema),
  'run.apply': call(
    z.strictObject({ presetId: presetIdSchema, digest: z.string(), agentIds: z.array(agentIdSchema).nullable() }),
    z.object({ runId: runIdSchema }),
  ),
  'run.keep': call(z.strictObject({ runId: runIdSchema }), done),
  'run.undo': call(z.strictObject({ runId: runIdSchema.nullable() }), runDetailSchema),
  'run.cancel': call(z.strictObject({ runId: runIdSchema }), done),
  'runs.list': call(z.strictObject({ limit: z.int().min(1).max(1000) }), z.array(runViewSchema)),
  'runs.get': call(z.strictObject({ runId: runIdSchema }), runDetailSchema),

  'snapshots.list': call(z.strictObject({ limit: z.int().min(1).max(1000) }), z.array(snapshotInfoSchema)),
  'snapshots.take': call(z.strictObject({ label: z.string().max(120) }), snapshotInfoSchema),
  'compare.get': call(z.strictObject({ fromId: z.int(), toId: z.int() }), snapshotDeltaSchema),

  'history.series': call(
    z.strictObject({ fromMs: z.number(), toMs: z.number(), series: z.array(z.string()).max(64), maxPoints: z.int().min(10).max(4000) }),
    seriesSchema,
  ),
  'history.events': call(z.strictObject({ fromMs: z.number(), toMs: z.number(), limit: z.int().min(1).max(1000) }), z.array(eventSchema)),

  'report.make': call(
    z.strictObject({ subject: reportSubject, format: reportFormatSchema, private: z.boolean() }),
    z.object({ fileName: z.string(), mediaType: z.string(), base64: z.string() }),
  ),

  'settings.get': call(nothing, z.object({ settings: settingsSchema, problem: z.string().nullable() })),
  'settings.set': call(z.strictObject({ settings: settingsSchema }), settingsSchema),

  /** The registry, with every look: states, activity, suspensions, limits, guard, policy. */
  'lifecycle.get': call(nothing, registrySchema),
  lifecycle: event(registrySchema),
  'agents.suspend': call(agentIds, z.object({ suspended: z.array(suspensionSchema), left: leftAlone })),
  'agents.resume': call(agentIds, z.object({ resumed: z.array(resumedSchema), left: leftAlone })),
  'agents.set': call(
    z.strictObject({ id: agentIdSchema, importance: importanceSchema.optional(), pinned: z.boolean().optional(), trustDomain: trustDomainSchema.optional() }),
    registryEntrySchema,
  ),
  /** `id` null: the budget of all agents. */
  'agents.limit': call(z.strictObject({ id: agentIdSchema.nullable(), limits: limitsSchema }), limitViewSchema),
  'agents.ask-to-free': call(z.strictObject({ id: agentIdSchema }), z.object({ asked: z.array(askedSchema) })),
  /** States of one agent over time, oldest first, and what each suspend won; kept in the history, so of ended agents too. */
  'agents.timeline': call(
    z.strictObject({ id: agentIdSchema, fromMs: z.number(), toMs: z.number() }),
    z.object({ transitions: z.array(transitionSchema), suspensions: z.array(z.object({ suspension: suspensionSchema, resumed: resumedSchema.nullable() })) }),
  ),
  'policy.set': call(z.strictObject({ policy: policySchema }), policySchema),
  'leftovers.get': call(nothing, z.object({ orphans: z.array(orphanSchema), duplicates: z.array(duplicateSchema) })),
  'leftovers.reap': call(
    z.strictObject({ processes: z.array(processRefSchema).min(1).max(512) }),
    z.object({ ended: z.array(processRefSchema), left: z.array(z.object({ ...processRefSchema.shape, reason: z.string() })) }),
  ),
  'fixes.get': call(nothing, z.object({ fixes: z.array(fixSchema) })),
  'fixes.apply': call(z.strictObject({ id: fixSchema.shape.id, digest: z.string() }), fixSchema),
  'fixes.undo': call(z.strictObject({ id: fixSchema.shape.id }), fixSchema),

  /** Memory units of the user's broker: agents that use it, tiers, settings. */
  'units.get': call(nothing, unitsViewSchema),
  /** Of one agent of the broker, or of all; `more`: there are too many to send. */
  'units.list': call(z.strictObject({ agent: unitNumberSchema.nullable(), backend: unitBackendSchema.optional() }), z.object({ units: z.array(unitSchema), more: z.boolean() })),
  'units.set': call(z.strictObject({ settings: unitSettingsSchema }), unitSettingsSchema),

  /** What is found, why, and what to do about it; what was done about it before. */
  ...diagnosisChannels,
  ...leakChannels,
  ...journalChannels,
  ...traceChannels,

  'helper.get': call(nothing, helperStateSchema),
  'helper.install-plan': call(nothing, installPlanSchema),
  'helper.install': call(z.strictObject({ scriptSha256: z.string() }), helperStateSchema),
  'helper.uninstall': call(nothing, helperStateSchema),
} as const

type Channels = typeof channels
export type CallName = { [K in keyof Channels]: Channels[K]['kind'] extends 'call' ? K : never }[keyof Channels]
export type EventName = { [K in keyof Channels]: Channels[K]['kind'] extends 'event' ? K : never }[keyof Channels]
export type Request<K extends CallName> = z.infer<Channels[K]['request']>
export type Response<K extends CallName> = z.infer<Channels[K]['response']>
export type Payload<K extends EventName> = z.infer<Channels[K]['payload']>
export type Answer<K extends CallName> = Result<Response<K>>

/** What the window talks to: preload, browser host and mock all provide this. */
export interface Bridge {
  call<K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>>
  on<K extends EventName>(name: K, listener: (payload: Payload<K>) => void): () => void
  /** electron or browser: the window hides what a host cannot do. */
  readonly host: 'electron' | 'browser'
}

export const callNames = Object.keys(channels).filter((name): name is CallName => channels[name as keyof Channels].kind === 'call')
export const eventNames = Object.keys(channels).filter((name): name is EventName => channels[name as keyof Channels].kind === 'event')

