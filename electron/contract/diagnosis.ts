import { z } from 'zod'
import { numberReading } from '../../helper/contract/reading.ts'
import { presetSettingsSchema } from '../../helper/contract/presets.ts'

export const severitySchema = z.enum(['critical', 'warning', 'advice', 'information'])
export type Severity = z.infer<typeof severitySchema>

export const topicSchema = z.enum(['pressure', 'swap', 'page-cache', 'fragmentation', 'huge-pages', 'ksm', 'slab', 'cgroups', 'numa', 'virtual-memory', 'memory-files', 'agents', 'rivals', 'leaks', 'hardening', 'did-not-fall'])
export type Topic = z.infer<typeof topicSchema>

export const unitSchema = z.enum(['bytes', 'percent', 'count', 'per-second', 'ms', 'ratio', 'text'])

/** One figure that made a rule fire, with where it came from and what it was held against. */
export const figureSchema = z.object({
  /** In a user's words: "Memory pressure, last 10 s". */
  what: z.string(),
  value: z.union([z.number(), z.string()]),
  unit: unitSchema,
  /** "/proc/pressure/memory some avg10". */
  source: z.string(),
  /** The limit it passed; null where it only explains. */
  threshold: z.object({ kind: z.enum(['above', 'below', 'is', 'is-not']), value: z.union([z.number(), z.string()]) }).nullable(),
  /** Over the looks of the series, for the chart; null for a gap. */
  history: z.array(z.object({ atMs: z.number(), value: z.number().nullable() })).nullable(),
})
export type Figure = z.infer<typeof figureSchema>

export const undoSchema = z.enum(['by-run', 'reboot', 'nothing-to-undo', 'by-hand'])

/** One way to act on a finding. */
export const solutionSchema = z.object({
  /** Stable, unique in its finding: "raise-watermark". */
  id: z.string(),
  title: z.string(),
  /** What it does, in plain words. */
  what: z.string(),
  tradeOff: z.string(),
  sideEffects: z.string(),
  /** Whom it touches: "this agent", "your programs", "the whole machine". */
  scope: z.string(),
  undo: undoSchema,
  undoWords: z.string(),
  /** How to do it: a run that can be tried and is undone; an action the program has already; a command for a terminal; or advice alone. */
  act: z.discriminatedUnion('how', [
    z.object({ how: z.literal('try-run'), settings: presetSettingsSchema }),
    z.object({ how: z.literal('preset'), presetId: z.string(), agentIds: z.array(z.string()).nullable() }),
    z.object({ how: z.literal('page'), page: z.enum(['agents', 'leftovers', 'fixes', 'layers', 'units', 'settings', 'history']), rest: z.array(z.string()) }),
    z.object({ how: z.literal('command'), command: z.string(), needsRoot: z.boolean() }),
    z.object({ how: z.literal('advice') }),
  ]),
  /** What it gave before on this machine, newest first: from the journal. */
  before: z.array(z.object({ atMs: z.number(), outcome: z.enum(['kept', 'undone', 'failed', 'no-gain']), gainBytes: numberReading, note: z.string() })),
})
export type Solution = z.infer<typeof solutionSchema>

export const findingSchema = z.object({
  /** The rule's id: "swap.none". With `subject` it is the same finding at the next look. */
  rule: z.string(),
  /** What it is about, where that is one of many: a cgroup's path, "pid:start", a mount; else empty. */
  subject: z.string(),
  severity: severitySchema,
  topic: topicSchema,
  title: z.string(),
  /** Why memory is as it is, in plain words with the figures in them. */
  explanation: z.string(),
  figures: z.array(figureSchema).min(1),
  /** Two or more; those that helped before come first. */
  solutions: z.array(solutionSchema).min(2),
  /** Lines to look deeper with; see trace ids. */
  lookDeeper: z.array(z.string()),
})
export type Finding = z.infer<typeof findingSchema>

/** What a kernel feature is here: since which version, whether it is there, what to do instead. */
export const kernelFeatureSchema = z.object({
  id: z.string(), // "memory.reclaim"
  title: z.string(),
  since: z.string(), // "5.19"
  /** Later changes that matter, oldest first. */
  changes: z.array(z.object({ version: z.string(), what: z.string() })),
  option: z.string().nullable(), // CONFIG_...
  state: z.enum(['here', 'off', 'not-built', 'too-old', 'unknown']),
  /** What was read that says so. */
  evidence: z.string(),
  instead: z.string(),
  /** Address of the documentation or commit the fact is from. */
  source: z.string(),
})
export type KernelFeature = z.infer<typeof kernelFeatureSchema>

/** A process or agent tree whose memory grew. */
export const leakSchema = z.object({
  subject: z.discriminatedUnion('of', [
    z.object({ of: z.literal('agent'), agentId: z.string(), title: z.string() }),
    z.object({ of: z.literal('process'), pid: z.int(), startTicks: z.int(), title: z.string(), agentId: z.string().nullable() }),
  ]),
  verdict: z.enum(['leak', 'suspected', 'warm-up', 'levels-off', 'saw-tooth', 'too-short', 'steady']),
  /** Robust slope (Theil-Sen over floors) and its 95 % interval. */
  bytesPerHour: z.number(),
  bytesPerHourLow: z.number(),
  bytesPerHourHigh: z.number(),
  percentPerHour: z.number(),
  nowBytes: z.number(),
  spanMs: z.number(),
  points: z.int(),
  /** Why this verdict, in words with the figures. */
  why: z.string(),
  curve: z.array(z.object({ atMs: z.number(), bytes: z.number().nullable(), floorBytes: z.number().nullable(), fitBytes: z.number().nullable() })),
})
export type Leak = z.infer<typeof leakSchema>

/** A leak with what to do about it; null where it is none, or has ended. */
export const leakViewSchema = leakSchema.extend({ finding: findingSchema.nullable() })
export type LeakView = z.infer<typeof leakViewSchema>

export const leakThresholdsSchema = z.strictObject({ bytesPerHour: z.number().min(0).default(10 * 1024 * 1024), percentPerHour: z.number().min(0).default(10) })

/** Something that protects memory, and whether it does here. */
export const protectionSchema = z.object({
  id: z.string(), // "aslr"
  title: z.string(),
  state: z.enum(['on', 'partial', 'off', 'unknown']),
  /** What was read, in words. */
  says: z.string(),
  source: z.string(),
})
export type Protection = z.infer<typeof protectionSchema>

export const diagnosisSchema = z.object({
  version: z.literal(1),
  takenAtMs: z.number(),
  kernelRelease: z.string(),
  privileged: z.boolean(),
  /** How many looks, over how long. */
  looks: z.int().min(1),
  spanMs: z.number(),
  /** Most severe first, then by what it costs. */
  findings: z.array(findingSchema),
  /** Rules that looked and found nothing. */
  silent: z.array(z.string()),
  /** Rules that could not look, with what they lacked. */
  couldNotLook: z.array(z.object({ rule: z.string(), needs: z.string() })),
  features: z.array(kernelFeatureSchema),
  protections: z.array(protectionSchema),
  leaks: z.array(leakSchema).nullable(),
  tookMs: z.number(),
})
export type Diagnosis = z.infer<typeof diagnosisSchema>

/** What `memory-diagnose --json` prints: the same without how long it took, so that the same machine gives the same bytes. */
export const diagnosisJsonSchema = diagnosisSchema.omit({ tookMs: true })

/** A line of the built-in list for looking deeper. The helper runs it by its id with bounded numbers, never text. */
export const traceLineSchema = z.object({
  id: z.string(), // "perf.page-faults"
  title: z.string(),
  what: z.string(),
  tool: z.enum(['perf', 'ftrace', 'bpftrace']),
  /** As one would type it. */
  command: z.string(),
  installed: z.boolean(),
  install: z.string(),
  needsPid: z.boolean(),
  /** needed: one of one's own. optional: one, or sums of the machine. none: the machine alone. */
  process: z.enum(['needed', 'optional', 'none']),
  secondsMost: z.int(),
})
export type TraceLine = z.infer<typeof traceLineSchema>

export const journalEntrySchema = z.object({
  id: z.int(),
  atMs: z.number(),
  kind: z.enum(['finding', 'action', 'outcome', 'note']),
  rule: z.string().nullable(),
  solution: z.string().nullable(),
  runId: z.string().nullable(),
  /** One line, then details. */
  title: z.string(),
  text: z.string(),
  note: z.string(),
  outcome: z.enum(['kept', 'undone', 'failed', 'no-gain']).nullable(),
  gainBytes: numberReading,
  kernelRelease: z.string(),
})
export type JournalEntry = z.infer<typeof journalEntrySchema>
