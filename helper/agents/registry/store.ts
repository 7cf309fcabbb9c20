import { z } from 'zod'
import type { Failure, Result } from '../../contract/errors.ts'
import { ok } from '../../contract/result.ts'
import { importanceSchema, registryEntrySchema, trustDomainSchema } from '../../contract/lifecycle.ts'
import { readOwnText, writeOwnText } from './state-file.ts'

/** What the user said about agents of one kind in one project: kept for those that come later. */
const projectSchema = z.strictObject({
  kind: z.string(),
  folder: z.string(),
  importance: importanceSchema,
  pinned: z.boolean(),
  trustDomain: trustDomainSchema,
  savedAtMs: z.number(),
})
export type Project = z.infer<typeof projectSchema>

/** What a restarted session role has to know of an agent that still runs. */
const keptAgentSchema = registryEntrySchema
  .pick({ id: true, foundBy: true, sessionId: true, importance: true, pinned: true, trustDomain: true, state: true, stateSinceMs: true, transitions: true, suspension: true, trimmedBytes: true })
  .extend({ lastWakeMs: z.number().nullable() })
export type KeptAgent = z.infer<typeof keptAgentSchema>

const fileSchema = z.strictObject({
  version: z.literal(1),
  projects: z.array(projectSchema),
  agents: z.array(keptAgentSchema),
  /** Words of the guard up to here are in the spool. */
  lastWordMs: z.number(),
})
export type Kept = Omit<z.infer<typeof fileSchema>, 'version'>

const MOST_PROJECTS = 500
const MOST_AGENTS = 500

/** Keeping this many for every agent would make each write long; the history has them all. */
const KEPT_TRANSITIONS = 10

export interface RegistryStore {
  /** Nothing kept, with the reason, where the file cannot be used. */
  readonly load: () => { kept: Kept; problem: Failure | null }
  readonly save: (kept: Kept) => Result<null>
}

const nothing = (): Kept => ({ projects: [], agents: [], lastWordMs: 0 })

/** The registry's file: $XDG_STATE_HOME/agentmem/registry.json. */
export const createRegistryStore = (path: string): RegistryStore => ({
  load: () => {
    const text = readOwnText(path)
    if (!text.ok) return { kept: nothing(), problem: text.error }
    if (text.value === null) return { kept: nothing(), problem: null }
    const unusable = (got: string): Failure => ({ code: 'internal', message: `${path} cannot be used: pins and importance of earlier agents are not known.`, expected: 'the registry of version 1', got, advice: 'It is written anew; set pins and importance again.' })
    try {
      const parsed = fileSchema.safeParse(JSON.parse(text.value))
      if (parsed.success) {
        const { projects, agents, lastWordMs } = parsed.data
        return { kept: { projects, agents, lastWordMs }, problem: null }
      }
      return { kept: nothing(), problem: unusable(parsed.error.issues[0]?.message ?? 'another form') }
    } catch (error) {
      return { kept: nothing(), problem: unusable(error instanceof Error ? error.message : String(error)) }
    }
  },
  save: ({ projects, agents, lastWordMs }) => {
    const file: z.infer<typeof fileSchema> = {
      version: 1,
      projects: projects.toSorted((a, b) => b.savedAtMs - a.savedAtMs).slice(0, MOST_PROJECTS),
      agents: agents.toSorted((a, b) => b.stateSinceMs - a.stateSinceMs).slice(0, MOST_AGENTS).map((agent) => ({ ...agent, transitions: agent.transitions.slice(-KEPT_TRANSITIONS) })),
      lastWordMs,
    }
    const written = writeOwnText(path, `${JSON.stringify(file)}\n`)
    return written.ok ? ok(null) : written
  },
})
