import { z } from 'zod'
import { agentIdSchema } from '../../helper/contract/agents.ts'

/** 64-bit number of a unit or of an agent in the broker, in decimal: too large for a number of JavaScript. */
export const unitNumberSchema = z.string().regex(/^\d{1,20}$/u, 'expected a decimal number')

export const unitTierSchema = z.enum(['hot', 'warm', 'cold'])
export type UnitTier = z.infer<typeof unitTierSchema>
export const unitKindSchema = z.enum(['conversation', 'system-prompt', 'tool-definition', 'tool-result', 'other'])
export type UnitKind = z.infer<typeof unitKindSchema>

/** Who keeps an agent's units: the kernel module where it is loaded when the program starts, else the user's broker. */
export const unitBackendSchema = z.enum(['module', 'broker'])
export type UnitBackend = z.infer<typeof unitBackendSchema>

/** One agent as broker or module know it: a program that uses libagentmem, its bindings or the shim. */
export const unitAgentSchema = z.object({
  backend: unitBackendSchema,
  /** Told apart from others of the same backend. */
  number: unitNumberSchema,
  name: z.string(),
  /** Trust domain; empty: the user's common one. */
  domain: z.string(),
  /** Of its first process that is there. */
  pid: z.int().positive().nullable(),
  /** The same agent in the list of agents, where one of its processes is found there. */
  agentId: agentIdSchema.nullable(),
  state: z.enum(['active', 'idle', 'suspended', 'gone']),
  importance: z.int().min(0).max(100),
  processes: z.int().nonnegative(),
  units: z.number().nonnegative(),
  /** Plain bytes it holds; of these, what others hold too. */
  bytes: z.number().nonnegative(),
  sharedBytes: z.number().nonnegative(),
  /** Plain bytes by tier. */
  hotBytes: z.number().nonnegative(),
  warmBytes: z.number().nonnegative(),
  coldBytes: z.number().nonnegative(),
  idleMs: z.number().nonnegative(),
})
export type UnitAgent = z.infer<typeof unitAgentSchema>

export const unitSchema = z.object({
  number: unitNumberSchema,
  agent: unitNumberSchema,
  kind: unitKindSchema,
  tier: unitTierSchema,
  /** Plain, and this unit's part of what is stored. */
  bytes: z.number().nonnegative(),
  storedBytes: z.number().nonnegative(),
  sharers: z.int().nonnegative(),
  importance: z.int().min(0).max(100),
  idleMs: z.number().nonnegative(),
  /** First 8 bytes of the digest of its content, in hex. */
  digest: z.string(),
})
export type Unit = z.infer<typeof unitSchema>

const ageMs = z.int().min(1000).max(400 * 24 * 3600 * 1000)
const limitBytes = z.int().min(0).max(2 ** 50)

/** broker.conf in the user's folder of settings; 0 bytes: no limit of its own. */
export const unitSettingsSchema = z.strictObject({
  /** The shared-memory layer. Off: programs keep their memory to themselves. */
  enabled: z.boolean(),
  /** The mapped store. Off: nothing more goes to disk. */
  cold: z.boolean(),
  warmAfterMs: ageMs,
  coldAfterMs: ageMs,
  thoroughAfterMs: ageMs,
  hotMostBytes: limitBytes,
  warmMostBytes: limitBytes,
  coldMostBytes: limitBytes,
  quotaBytes: limitBytes,
})
export type UnitSettings = z.infer<typeof unitSettingsSchema>

export const unitTotalsSchema = z.object({
  agents: z.int().nonnegative(),
  units: z.number().nonnegative(),
  /** Plain bytes of all units of all agents, each as often as it is held. */
  bytes: z.number().nonnegative(),
  /** Resident, each content once; compressed in memory, on disk: as stored. */
  hotBytes: z.number().nonnegative(),
  warmBytes: z.number().nonnegative(),
  coldBytes: z.number().nonnegative(),
  /** Memory of the broker itself. */
  ownBytes: z.number().nonnegative(),
})
export type UnitTotals = z.infer<typeof unitTotalsSchema>

/** agentmem.ko while it is loaded, by /proc/agent_stats: this user's agents alone. */
export const moduleViewSchema = z.object({
  version: z.string().nullable(),
  /** Compressor really in use; "none": nothing is compressed. Null where it does not say. */
  driver: z.string().nullable(),
  warmAfterMs: z.number().nullable(),
  /** Plain, each content once; what is missing to `totals.bytes` was the same. */
  contentBytes: z.number().nonnegative().nullable(),
  totals: unitTotalsSchema.nullable(),
})
export type ModuleView = z.infer<typeof moduleViewSchema>

export const unitsViewSchema = z.object({
  /** Null: it is not loaded. */
  module: moduleViewSchema.nullable(),
  /** `not-running`: nobody uses it now; it starts with the first program that does. */
  broker: z.enum(['running', 'not-running', 'off', 'not-installed']),
  /** What is wrong, and what to do; null where nothing is. */
  problem: z.string().nullable(),
  /** Of the broker. */
  totals: unitTotalsSchema.nullable(),
  /** Of broker and module both. */
  agents: z.array(unitAgentSchema),
  settings: unitSettingsSchema,
  settingsPath: z.string(),
  storePath: z.string(),
})
export type UnitsView = z.infer<typeof unitsViewSchema>
