import { z } from 'zod'
import { agentIdSchema, agentStateSchema, processRefSchema, processRoleSchema } from './agents.ts'
import { failureSchema } from './errors.ts'
import { limitViewSchema } from './limits.ts'
import { numberReading } from './reading.ts'

/** Who or what moved an agent from one state to another. */
export const lifecycleCauseSchema = z.enum([
  'discovered', // found among the processes
  'launched', // started by `agentmemctl run` or a shell shim
  'hook', // the agent said so itself
  'evidence', // CPU time, terminal, sockets, children
  'user', // the window
  'command-line',
  'policy', // idle for as long as the policy says
  'key', // a key typed into its terminal
  'pressure', // memory pressure, seen by the guard
  'guard', // any other reason of the guard's; its word says which
  'owner-gone', // whoever suspended it is gone: silence undoes
  'logout',
  'machine-sleep',
  'startup-recovery',
  'ended',
])
export type LifecycleCause = z.infer<typeof lifecycleCauseSchema>

/** One change of state: with `from` null the agent appeared. */
export const transitionSchema = z.object({
  atMs: z.number(), // Unix time
  from: agentStateSchema.nullable(),
  to: agentStateSchema,
  cause: lifecycleCauseSchema,
  /** One plain sentence with the figures: "no CPU, terminal or network for 5 min". */
  text: z.string(),
})
export type Transition = z.infer<typeof transitionSchema>

/** Why an agent counts as busy. Any one of these keeps it from being suspended by itself. */
export const busyReasonSchema = z.enum([
  'not-measured', // not watched for long enough
  'hook', // a hook says that a turn is under way
  'cpu',
  'terminal-output',
  'terminal-input',
  'network', // a request was sent and not answered, or bytes flow
  'tool', // a command, build, test run, download
  'subagent',
  'debugger', // somebody traces it
  'lock', // others wait for it: it holds a file lock, serves FUSE or other sessions
  'pinned',
  'starting',
])
export type BusyReason = z.infer<typeof busyReasonSchema>

export const activitySchema = z.object({
  /** True only with no reason left. */
  idle: z.boolean(),
  /** Since when every kind of evidence has been quiet; missing while it is not. */
  idleMs: numberReading,
  reasons: z.array(z.object({ reason: busyReasonSchema, text: z.string() })),
  /** hook: the agent's hooks are installed and spoke; evidence: everything else. */
  knownBy: z.enum(['hook', 'evidence']),
})
export type Activity = z.infer<typeof activitySchema>

/** Sizes of an agent's tree at one moment, in bytes; from smaps_rollup and the pool's ratio. */
export const footprintSchema = z.object({
  /** As in contracts: PSS + SwapPss x pool / stored. */
  costBytes: z.int().min(0),
  residentAnonBytes: z.int().min(0),
  swapPssBytes: z.int().min(0),
  compressedBytes: z.int().min(0),
  fileBytes: z.int().min(0),
})
export type Footprint = z.infer<typeof footprintSchema>

/** One suspended agent as whoever froze it knows it. */
export const suspensionSchema = z.object({
  agentId: agentIdSchema,
  title: z.string(),
  uid: z.int().min(0),
  sinceMs: z.number(),
  cause: lifecycleCauseSchema,
  /** Folder of the frozen cgroup. */
  cgroup: z.string(),
  processes: z.array(processRefSchema),
  /** The terminal whose first key wakes it; null where it has none. */
  terminal: z.string().nullable(),
  before: footprintSchema,
  /** Once reclaim was over; what was really won is the difference. */
  after: footprintSchema,
  wonBytes: z.int(),
  /** Brought back before thawing. */
  workingSetBytes: z.int().min(0),
  /** How long freezing and reclaiming took. */
  freezeMs: z.number(),
  reclaimMs: z.number(),
  /** Why reclaim stopped early or could not begin: no swap, pressure; null where all went out. */
  stoppedBy: z.string().nullable(),
})
export type Suspension = z.infer<typeof suspensionSchema>

export const resumedSchema = z.object({
  agentId: agentIdSchema,
  cause: lifecycleCauseSchema,
  suspendedForMs: z.number(),
  prefaultedBytes: z.int().min(0),
  /** From the decision to wake until the tree ran again. */
  tookMs: z.number(),
})
export type Resumed = z.infer<typeof resumedSchema>

/** What the guard saw and did; it leaves these words for the window and the desktop. */
export const guardWordSchema = z.object({
  atMs: z.number(),
  what: z.enum(['oom-kill', 'service-ended', 'pressure', 'low-memory', 'stuck', 'helper-gone', 'owner-gone', 'woke', 'undone', 'thawed', 'problem']),
  text: z.string(),
  runId: z.string().nullable(),
  agentId: agentIdSchema.nullable(),
  /** Whose agent or run it is about; null for the whole machine. */
  uid: z.int().min(0).nullable(),
})
export type GuardWord = z.infer<typeof guardWordSchema>

export const guardStatusSchema = z.object({
  running: z.boolean(),
  pid: z.int().nullable(),
  pssBytes: numberReading,
  /** Open runs and suspended agents it stands for. */
  runs: z.int().min(0),
  agents: z.int().min(0),
  /** Newest last, 50 at most. */
  words: z.array(guardWordSchema),
})
export type GuardStatus = z.infer<typeof guardStatusSchema>

/** How something can be done on this machine; `how` null: not at all, and `text` says what is missing and what to do. */
export const abilitySchema = z.object({ how: z.enum(['own-scope', 'helper']).nullable(), text: z.string() })
export type Ability = z.infer<typeof abilitySchema>

export const importanceSchema = z.int().min(0).max(100)
export const trustDomainSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/u, 'expected lower-case letters, digits and "-", at most 32')

/** What the registry keeps of one agent beside what discovery finds. */
export const registryEntrySchema = z.object({
  id: agentIdSchema,
  /** How it became known first. */
  foundBy: z.enum(['discovered', 'launched', 'hook']),
  /** The agent's own session id, where a hook told it. */
  sessionId: z.string().nullable(),
  importance: importanceSchema,
  pinned: z.boolean(),
  trustDomain: trustDomainSchema,
  state: agentStateSchema,
  stateSinceMs: z.number(),
  /** Under way now. */
  doing: z.enum(['suspending', 'resuming', 'trimming']).nullable(),
  activity: activitySchema,
  /** Newest last, 40 at most; the whole of it is in the history. */
  transitions: z.array(transitionSchema),
  suspension: suspensionSchema.nullable(),
  /** Gone out by trimming while it ran, since it was last active. */
  trimmedBytes: z.int().min(0),
  limit: limitViewSchema.nullable(),
  /** When it will be suspended if it stays idle; null while it will not. */
  suspendsAtMs: z.number().nullable(),
  /** Why the last try to suspend, resume, trim or limit it failed. */
  problem: failureSchema.nullable(),
})
export type RegistryEntry = z.infer<typeof registryEntrySchema>

/** A budget below this would throttle a single agent. */
export const LEAST_BUDGET_BYTES = 256 * 1024 * 1024

/** What the session role does by itself: $XDG_CONFIG_HOME/agentmem/policy.json. */
export const policySchema = z.strictObject({
  version: z.literal(1),
  suspend: z.strictObject({ auto: z.boolean(), afterIdleMs: z.int().min(30_000).max(24 * 3600 * 1000) }),
  trim: z.strictObject({ auto: z.boolean(), afterIdleMs: z.int().min(30_000).max(24 * 3600 * 1000) }),
  /** memory.high of all agents together; null: none. */
  budgetBytes: z.int().min(LEAST_BUDGET_BYTES).nullable(),
  /** New agents are moved into cgroups of their own. */
  ownCgroups: z.boolean(),
})
export type Policy = z.infer<typeof policySchema>

export const defaultPolicy: Policy = {
  version: 1,
  suspend: { auto: false, afterIdleMs: 10 * 60_000 },
  trim: { auto: false, afterIdleMs: 2 * 60_000 },
  budgetBytes: null,
  ownCgroups: false,
}

/** A server whose session is gone, or a process that outlived its agent. */
export const orphanSchema = z.object({
  ...processRefSchema.shape,
  role: processRoleSchema,
  label: z.string(),
  costBytes: numberReading,
  ageMs: z.int().min(0),
  /** Why it counts as one: "its session ended 3 h ago; parent is init". */
  why: z.string(),
  /** Processes below it that end with it. */
  children: z.array(processRefSchema),
})
export type Orphan = z.infer<typeof orphanSchema>

/** The same server running several times. */
export const duplicateSchema = z.object({
  label: z.string(),
  role: processRoleSchema,
  processes: z.array(z.object({ ...processRefSchema.shape, agentId: agentIdSchema.nullable(), costBytes: numberReading })).min(2),
  costBytes: numberReading,
  /** What one for all would save; missing where it cannot be told. */
  couldSaveBytes: numberReading,
  /** Whether one could serve all sessions, and how: only servers that speak HTTP can. */
  share: z.object({ possible: z.boolean(), text: z.string() }),
})
export type Duplicate = z.infer<typeof duplicateSchema>

/** A change to the user's own files, shown before it is made: a hook, a setting. */
export const fileChangeSchema = z.object({
  path: z.string(),
  /** null: the file does not exist. */
  before: z.string().nullable(),
  /** null: the file is removed. */
  after: z.string().nullable(),
})
export type FileChange = z.infer<typeof fileChangeSchema>

/** Known waste with its cure; also an agent's hooks. `digest` is over `changes`, so that what was shown is what is written. */
export const fixSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/u),
  kind: z.enum(['waste', 'hooks', 'shim']),
  title: z.string(),
  text: z.string(),
  state: z.enum(['offered', 'applied', 'changed-since', 'not-possible']),
  /** What it saves, over all agents it concerns. */
  savesBytes: numberReading,
  agents: z.array(agentIdSchema),
  changes: z.array(fileChangeSchema),
  digest: z.string(),
  /** What taking it back will do, once applied. */
  undo: z.array(fileChangeSchema),
  problem: z.string().nullable(),
})
export type Fix = z.infer<typeof fixSchema>

/** What an agent's processes gave back when asked. */
export const askedSchema = z.object({
  ...processRefSchema.shape,
  how: z.enum(['v8-inspector', 'hook', 'malloc-trim', 'none']),
  beforeBytes: numberReading,
  afterBytes: numberReading,
  text: z.string(),
})
export type Asked = z.infer<typeof askedSchema>

/** What trimming took out of idle agents since it was told last, summed over its small steps. */
export const trimmedSchema = z.object({
  fromMs: z.number(), // of the first step
  toMs: z.number(), // of the last one
  agents: z.array(z.object({ agentId: agentIdSchema, title: z.string(), name: z.string(), wonBytes: z.int() })).min(1),
})
export type TrimmedAgents = z.infer<typeof trimmedSchema>

/** A line of the session's spool; the app takes it into the history. `seq` never repeats within a `spool`. */
export const lifecycleEventSchema = z.object({
  seq: z.int().min(1),
  agentId: agentIdSchema.nullable(),
  title: z.string(),
  name: z.string(),
  transition: transitionSchema.nullable(),
  /** At suspending. */
  suspension: suspensionSchema.nullable(),
  resumed: resumedSchema.nullable(),
  word: guardWordSchema.nullable(),
  /** Anything else worth a line in the history: limits, reaped orphans, fixes. */
  text: z.string(),
  /** What `text` is about where none of the fields above says it; the history files it by this. */
  topic: z.enum(['limit', 'reaped', 'fix']).optional(),
  /** The policy's trimming, once it paused or an hour passed. */
  trimmed: trimmedSchema.optional(),
  atMs: z.number(),
})
export type LifecycleEvent = z.infer<typeof lifecycleEventSchema>
