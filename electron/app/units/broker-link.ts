import { join } from 'node:path'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { AgentMemory, AgentMemoryError } from '../../../native/user/node/index.ts'
import type { Unit } from '../../contract/units.ts'
import { messageOf } from '../files.ts'
import type { BrokerLook, UnitsLink } from './units.ts'

const failureOf = (error: unknown): { ok: false; error: Failure } =>
  error instanceof AgentMemoryError && error.code === 'EPROTO'
    ? fail('internal', 'The broker that runs is of another version.', { advice: 'It ends when the programs that use it have ended; then the new one starts.' })
    : fail('internal', `The broker did not answer: ${messageOf(error)}`, { advice: 'Programs that use it go on; look again in a moment.' })

/** $AGENTMEM_SOCKET, else in the user's runtime folder, as the library finds it. */
export const brokerSocket = (runtimeDir: string, env: NodeJS.ProcessEnv = process.env): string => {
  const named = env['AGENTMEM_SOCKET']
  return named?.startsWith('/') === true ? named : join(runtimeDir, 'broker.sock')
}

/**
 * Through libagentmem's own bindings, as an observer: it is no agent, starts
 * no broker and keeps none alive. A connection is kept while it answers.
 */
export const brokerLink = (socketPath: string): UnitsLink & { readonly close: () => void } => {
  let open: AgentMemory | null = null

  const connected = async (): Promise<AgentMemory | null> => {
    try {
      open ??= await AgentMemory.open({ backend: 'broker', observer: true, noStart: true, socketPath })
      return open
    } catch (error) {
      if (error instanceof AgentMemoryError && error.code === 'ENODEV') return null
      throw error
    }
  }
  const drop = (): void => {
    const gone = open
    open = null
    // It is closed because it failed: there is nobody left to tell.
    gone?.close().catch(() => {})
  }
  const withBroker = async <T>(none: T, use: (memory: AgentMemory) => Promise<T>): Promise<Result<T>> => {
    try {
      const memory = await connected()
      return ok(memory === null ? none : await use(memory))
    } catch (error) {
      drop()
      // One that has just ended is one that does not run.
      if (error instanceof AgentMemoryError && (error.code === 'ENODEV' || error.code === 'ECONNRESET' || error.code === 'ESTALE')) return ok(none)
      return failureOf(error)
    }
  }

  return {
    look: () =>
      withBroker<BrokerLook | null>(null, async (memory) => {
        const stat = await memory.stat()
        // Who left without anything is known to the broker a moment longer, and of no interest.
        const agents = (await memory.agents()).filter(({ state, units }) => state !== 'gone' || units > 0)
        // An observer alone keeps no broker: without agents it may end.
        if (agents.length === 0) drop()
        return {
          totals: { agents: agents.length, units: stat.userUnits, bytes: agents.reduce((sum, { bytes }) => sum + bytes, 0), hotBytes: stat.userHotBytes, warmBytes: stat.userWarmBytes, coldBytes: stat.userColdBytes, ownBytes: stat.userOwnBytes },
          agents: agents.map(({ agent, pid, ...line }) => ({ ...line, backend: 'broker' as const, number: String(agent), pid: pid > 0 ? pid : null })),
        }
      }),
    units: (agent, most) =>
      withBroker<Unit[]>([], async (memory) => {
        const lines = await memory.units(agent === null ? 0n : BigInt(agent))
        return lines.slice(0, most).map(({ unit, agent: owner, ...line }) => ({ ...line, number: String(unit), agent: String(owner) }))
      }),
    // Asking for what is in force has the broker look at its file again.
    reload: () => withBroker<null>(null, async (memory) => {
      await memory.settings()
      return null
    }),
    close: drop,
  }
}
