import { homedir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import type { Sample } from './agents/activity/sample.ts'
import type { Fixes } from './agents/fixes/fixes.ts'
import { createHookStates, type HookStates } from './agents/hooks/hook-states.ts'
import { startHookServer, type HookServer, type HookWord } from './agents/hooks/server.ts'
import { createLeftovers } from './agents/leftovers/leftovers.ts'
import type { Registry } from './agents/registry/registry.ts'
import type { AgentId, SignaturesFile } from './contract/agents.ts'
import type { Failure, Result } from './contract/errors.ts'
import { fail, ok } from './contract/result.ts'
import type { Asked, LifecycleEvent } from './contract/lifecycle.ts'
import { hookProgramPath, runProgramPath } from './places.ts'
import type { ExtraHandlers } from './session-handlers.ts'
import type { SessionPlaces } from './session-places.ts'

/** The parts beside registry and policy: what sessions left behind, cures, hooks, and asking agents to free memory. */
export interface SessionExtras {
  readonly handlers: ExtraHandlers
  readonly hooks: HookStates
  /** Samples of one look: who belongs to whom. */
  readonly note: (samples: readonly Sample[]) => void
  /** Asks an agent to give memory back by itself, where it can be asked. */
  readonly ask: (id: AgentId) => Promise<Result<Asked[]>>
  readonly setSignatures: (signatures: SignaturesFile) => void
  /** Listens for the agents' own hooks; null where there is nowhere to listen, or another program does. */
  readonly listen: (onHeard: (id: AgentId | null) => void) => Promise<HookServer | null>
}

export interface SessionExtrasOptions {
  readonly root: string
  readonly signatures: SignaturesFile
  readonly uid: number | null
  readonly places: SessionPlaces
  readonly registry: Registry
  readonly onEvent: (event: Omit<LifecycleEvent, 'seq'>) => void
  readonly tell: (problem: Failure) => void
  /** Looks again: a hook spoke for an agent that was not known yet. */
  readonly look: () => Promise<unknown>
}

export const createSessionExtras = (options: SessionExtrasOptions): SessionExtras => {
  const { root, registry, places, onEvent, tell } = options
  const leftovers = createLeftovers({ root, signatures: options.signatures, uid: options.uid })
  const hooks = createHookStates()
  const alive = () => registry.all().filter(({ entry }) => entry.state !== 'gone').map(({ agent }) => agent)
  // Editing settings and speaking to inspectors are rare, and their libraries are not small: loaded when first needed.
  let fixes: Promise<Fixes> | null = null
  const loadFixes = async (): Promise<Fixes> => (await import('./agents/fixes/fixes.ts')).createFixes({
    place: { home: homedir(), configHome: dirname(dirname(places.policy)), shell: process.env['SHELL'] ?? userInfo().shell ?? '/bin/sh', hookProgram: hookProgramPath, runProgram: runProgramPath },
    agents: alive,
    stateFile: join(dirname(places.registry), 'fixes.json'),
  })
  const theFixes = (): Promise<Fixes> => (fixes ??= loadFixes())

  const note = (topic: NonNullable<LifecycleEvent['topic']>, text: string): void =>
    onEvent({ agentId: null, title: '', name: '', transition: null, suspension: null, resumed: null, word: null, text, topic, atMs: Date.now() })

  const ask: SessionExtras['ask'] = async (id) => {
    const record = registry.get(id)
    if (record === null || record.entry.state === 'gone') return fail('process-gone', 'That agent is not running any more.', { about: id, advice: 'Look at the list again.' })
    if (record.entry.suspension !== null) return fail('busy', 'It is suspended: it cannot hear anything.', { about: id, advice: 'Resume it first.' })
    const { askToFree } = await import('./agents/ask/ask.ts')
    return ok(await askToFree(root, record.agent.processes.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks }))))
  }

  const hear = async (word: HookWord): Promise<AgentId | null> => {
    const first = hooks.hear(word, alive())
    if (first !== null) return first
    await options.look()
    return hooks.hear(word, alive())
  }

  return {
    hooks,
    note: leftovers.note,
    ask,
    setSignatures: leftovers.setSignatures,
    handlers: {
      AskToFree: async ({ id }) => {
        const asked = await ask(id)
        return asked.ok ? ok({ asked: asked.value }) : asked
      },
      Leftovers: async () => ok(await leftovers.look()),
      Reap: async ({ processes }) => {
        const answer = await leftovers.reap(processes)
        if (answer.ended.length > 0) note('reaped', `${answer.ended.length} left-over ${answer.ended.length === 1 ? 'process' : 'processes'} ended`)
        return ok(answer)
      },
      Fixes: async () => ok({ fixes: (await theFixes()).list() }),
      ApplyFix: async ({ id, digest }) => {
        const applied = (await theFixes()).apply(id, digest)
        if (applied.ok) note('fix', `${applied.value.title}: applied`)
        return applied
      },
      UndoFix: async ({ id }) => {
        const undone = (await theFixes()).undo(id)
        if (undone.ok) note('fix', `${undone.value.title}: taken back`)
        return undone
      },
    },
    listen: async (onHeard) => {
      if (places.hooks === null) return null
      const server = await startHookServer({
        socketPath: places.hooks,
        hookProgram: hookProgramPath,
        root,
        onWord: (word) => {
          hear(word).then((id) => {
            if (id !== null) registry.spoke(id, hooks.sessionId(id))
            onHeard(id)
          }, (error: unknown) => console.error(error))
        },
      })
      if (server.ok) return server.value
      tell(server.error)
      return null
    },
  }
}
