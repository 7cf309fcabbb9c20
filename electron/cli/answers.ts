import { z } from 'zod'
import { agentSchema } from '../../helper/contract/agents.ts'
import { failureSchema } from '../../helper/contract/errors.ts'
import { layerStatusSchema } from '../../helper/contract/layers.ts'
import { fixSchema, guardStatusSchema, policySchema, registryEntrySchema, resumedSchema } from '../../helper/contract/lifecycle.ts'
import { limitViewSchema } from '../../helper/contract/limits.ts'
import { planSchema } from '../../helper/contract/plan.ts'
import { systemRequests } from '../../helper/contract/requests.ts'
import { runIdSchema } from '../../helper/contract/runs.ts'
import { machineSchema, snapshotSchema } from '../../helper/contract/snapshot.ts'
import { snapshotDeltaSchema } from '../../helper/contract/snapshot-delta.ts'
import { channels } from '../contract/channels.ts'
import { diagnosisJsonSchema, findingSchema } from '../contract/diagnosis.ts'
import { helperStateSchema, planViewSchema, presetViewSchema, runDetailSchema, runViewSchema, snapshotInfoSchema } from '../contract/views.ts'

/** Raised when a field goes or means something else; one that is added changes nothing for who reads. */
const version = z.literal(1)

const switchableLayer = layerStatusSchema.extend({ switchable: z.boolean() })

/**
 * What every command prints with --json: an object with a `version`. Each is
 * named by what it is; docs/cli-json.md says which commands print it.
 */
export const answers = {
  agents: z.object({ version, agents: z.array(agentSchema.extend({ lifecycle: registryEntrySchema.nullable() })) }),
  snapshot: snapshotSchema,
  'snapshot-saved': snapshotInfoSchema.extend({ version }),
  presets: z.object({ version, presets: z.array(presetViewSchema), problems: z.array(z.string()) }),
  layers: z.object({ version, layers: z.array(switchableLayer) }),
  status: z.object({
    version,
    helper: helperStateSchema,
    app: z.object({ pid: z.int() }).nullable(),
    agents: z.int().nullable(),
    suspended: z.int().nullable(),
    guard: guardStatusSchema.nullable(),
    runs: systemRequests.Runs.response,
    layers: z.array(layerStatusSchema),
  }),
  plan: planViewSchema.extend({ version }),
  run: runDetailSchema.extend({ version, didNotFall: z.array(findingSchema) }),
  unchanged: z.object({ version, changed: z.literal(false), presetId: z.string(), message: z.string(), advice: z.string().optional(), skipped: planSchema.shape.skipped }),
  kept: z.object({ version, runId: runIdSchema, state: z.literal('kept') }),
  undone: runDetailSchema.extend({ version }),
  'rolled-back': z.object({ version, runs: z.array(runDetailSchema), resumed: z.array(resumedSchema), left: channels['agents.resume'].response.shape.left, limits: z.array(limitViewSchema), error: failureSchema.optional() }),
  runs: z.object({ version, runs: z.array(runViewSchema) }),
  comparison: snapshotDeltaSchema,
  suspended: channels['agents.suspend'].response.extend({ version }),
  resumed: channels['agents.resume'].response.extend({ version }),
  limit: z.object({ version, limit: limitViewSchema.nullable() }),
  'agents-set': z.object({ version, entries: z.array(registryEntrySchema) }),
  freed: channels['agents.ask-to-free'].response.extend({ version }),
  timeline: channels['agents.timeline'].response.extend({ version }),
  policy: policySchema,
  units: channels['units.get'].response.extend({ version }),
  'units-of-agent': channels['units.list'].response.extend({ version }),
  leftovers: channels['leftovers.get'].response.extend({ version }),
  reaped: channels['leftovers.reap'].response.extend({ version }),
  fixes: z.object({ version, fixes: z.array(fixSchema) }),
  guard: z.object({ version, guard: guardStatusSchema.nullable() }),
  diagnosis: diagnosisJsonSchema,
  rule: z.object({ version, rule: z.string(), state: z.enum(['found', 'found-lately', 'silent', 'could-not-look']), findings: z.array(findingSchema), needs: z.string().nullable(), lately: z.array(z.object({ atMs: z.number(), finding: findingSchema })).optional() }),
  'did-not-fall': z.object({ version, runId: runIdSchema, didNotFall: z.array(findingSchema) }),
  leaks: z.object({ version, leaks: channels['leaks.get'].response }),
  processes: channels['processes.get'].response.extend({ version }),
  watch: z.object({ version, atMs: z.number(), machine: machineSchema, agents: z.array(z.object({ id: z.string(), title: z.string(), name: z.string(), state: agentSchema.shape.state, costBytes: z.number() })), programs: z.array(z.object({ pid: z.int(), startTimeTicks: z.int(), title: z.string(), rssBytes: z.number() })).optional() }),
  'trace-lines': channels['trace.list'].response.extend({ version }),
  trace: channels['trace.run'].response.extend({ version }),
  journal: channels['journal.search'].response.extend({ version }),
  'journal-entry': channels['journal.note'].response.extend({ version }),
  'journal-import': channels['journal.import'].response.extend({ version }),
  error: z.object({ version, error: failureSchema }),
} as const

export type AnswerName = keyof typeof answers
type Shape<N extends AnswerName> = z.infer<(typeof answers)[N]>
type DeepReadonly<T> = T extends readonly (infer E)[] ? readonly DeepReadonly<E>[] : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T
/** What a command hands over: the answer, with or without its version. */
export type Given<N extends AnswerName> = DeepReadonly<Omit<Shape<N>, 'version'> & { version?: 1 }>
