import { z } from 'zod'
import { deltaRowSchema, kindDeltaSchema, agentDeltaSchema, processDeltaSchema, snapshotDeltaSchema } from '../../../helper/contract/snapshot-delta.ts'
import { causeSchema } from '../../../helper/contract/cause.ts'
import { runIdSchema, runStateSchema } from '../../../helper/contract/runs.ts'
import type { ReportModel } from './model.ts'

/**
 * A report for programs. Without private data agents are named by kind and
 * number, their ids are "agent-1", and their processes are left out.
 */
const agentSchema = agentDeltaSchema.omit({ processes: true }).extend({ processes: z.array(processDeltaSchema).optional() })
export const reportJsonSchema = z.strictObject({
  version: z.literal(1),
  madeAtMs: z.number(),
  private: z.boolean(),
  title: z.string(),
  headline: z.string(),
  control: z.string(),
  warnings: z.array(z.string()),
  subject: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('run'), id: runIdSchema, preset: z.string(), cause: causeSchema, state: runStateSchema, startedAtMs: z.number(), endedAtMs: z.number().nullable(), undoCause: causeSchema.nullable() }),
    z.strictObject({ kind: z.literal('comparison'), fromMs: z.number(), toMs: z.number() }),
  ]),
  /** All figures in bytes; null where the run was never measured. */
  delta: snapshotDeltaSchema.omit({ agents: true, machine: true, kinds: true }).extend({ agents: z.array(agentSchema), machine: z.array(deltaRowSchema), kinds: z.array(kindDeltaSchema) }).nullable(),
  suspended: z.array(z.strictObject({ label: z.string(), before: z.string(), after: z.string(), times: z.int(), suspendedMs: z.number(), wonBytes: z.int(), wokenBy: z.string() })),
  /** Null where nobody looked at that time. */
  findings: z.strictObject({ atMs: z.number(), rows: z.array(z.strictObject({ severity: z.string(), rule: z.string(), subject: z.string(), title: z.string(), why: z.string(), evidence: z.array(z.string()), solutions: z.array(z.string()) })) }).nullable(),
  steps: z.array(z.strictObject({ number: z.int(), source: z.string(), target: z.string(), old: z.string().nullable(), new: z.string(), readBack: z.string().nullable(), outcome: z.string(), why: z.string(), undo: z.string() })),
  skipped: z.array(z.strictObject({ what: z.string(), reason: z.string() })),
  undo: z.array(z.strictObject({ target: z.string(), old: z.string().nullable(), found: z.string().nullable(), outcome: z.string(), reason: z.string() })),
  machine: z.array(z.strictObject({ label: z.string(), value: z.string() })),
  notes: z.array(z.string()),
  measured: z.array(z.string()),
})
export type ReportJson = z.infer<typeof reportJsonSchema>

export const toJson = (model: ReportModel): string => {
  const { subject, delta, privacy } = model
  const report: ReportJson = {
    version: 1,
    madeAtMs: model.madeAtMs,
    private: privacy.private,
    title: model.title,
    headline: model.headline,
    control: model.control,
    warnings: model.warnings,
    subject:
      subject.kind === 'run'
        ? {
            kind: 'run', id: subject.record.id, preset: subject.record.presetTitle, cause: subject.record.cause, state: subject.record.state,
            startedAtMs: subject.record.startedAtMs, endedAtMs: subject.record.endedAtMs, undoCause: subject.record.undoCause,
          }
        : { kind: 'comparison', fromMs: subject.from.takenAtMs, toMs: subject.to.takenAtMs },
    delta:
      delta === null
        ? null
        : {
            ...delta,
            agents: delta.agents.map(({ processes, ...agent }, i) => (privacy.private ? { ...agent, processes } : { ...agent, id: `agent-${i + 1}`, name: privacy.agent(agent.id) })),
          },
    suspended: model.suspended,
    findings: model.findings,
    steps: model.steps,
    skipped: model.skipped,
    undo: model.undo,
    machine: model.facts,
    notes: model.notes,
    measured: model.measured,
  }
  return `${JSON.stringify(reportJsonSchema.parse(report), null, 2)}\n`
}
