import { z } from 'zod'

/** No limit that can throttle or end an agent is ever set below this. */
export const LEAST_LIMIT_BYTES = 64 * 1024 * 1024

const limit = z.int().min(LEAST_LIMIT_BYTES, `expected at least ${LEAST_LIMIT_BYTES} bytes (64 MiB)`).nullable()
const amount = z.int().min(0).nullable()

/**
 * Limits of one cgroup, in bytes, named as in cgroup v2. A number sets the
 * limit, null takes it away ("max"; for `lowBytes` 0), a field left out is not
 * touched. `highBytes` throttles and reclaims and comes before `maxBytes`,
 * which ends the agent: max without high, or high above max, is refused.
 */
export const limitsSchema = z
  .strictObject({
    /** memory.low: protected from reclaim. */
    lowBytes: amount.optional(),
    highBytes: limit.optional(),
    maxBytes: limit.optional(),
    swapMaxBytes: amount.optional(),
    zswapMaxBytes: amount.optional(),
    /** memory.high of the `tools` leaf: bursts of builds and tests. Only for one agent, not for the budget. */
    toolsHighBytes: limit.optional(),
  })
  .refine(({ highBytes, maxBytes }) => typeof maxBytes !== 'number' || (typeof highBytes === 'number' && highBytes <= maxBytes), {
    message: 'expected highBytes together with maxBytes, and not above it: an agent is throttled before it is ended',
    path: ['maxBytes'],
  })
export type Limits = z.infer<typeof limitsSchema>

/** One file of a limit as it was and as it reads now; `value` null means "max". */
export const limitStateSchema = z.object({
  file: z.string(),
  oldBytes: z.int().min(0).nullable(),
  nowBytes: z.int().min(0).nullable(),
})

/**
 * How a limit works out. Success is declared only after the observation period:
 * `watching` until then, then `holds`, or `undone` with the reason in `text`.
 */
export const limitViewSchema = z.object({
  /** null: the budget of all agents together. */
  agentId: z.string().nullable(),
  cgroup: z.string(),
  limits: limitsSchema,
  files: z.array(limitStateSchema),
  setAtMs: z.number(),
  state: z.enum(['watching', 'holds', 'undone']),
  watchUntilMs: z.number(),
  text: z.string(),
})
export type LimitView = z.infer<typeof limitViewSchema>
