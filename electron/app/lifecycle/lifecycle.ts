import type { Result } from '../../../helper/contract/errors.ts'
import type { Registry, SessionMethod, SessionRequest, SessionResponse } from '../../../helper/contract/requests.ts'
import type { SessionClient } from '../helper-client/session-client.ts'
import type { History } from '../history/types.ts'
import type { Deeds } from '../journal/deeds.ts'

export interface LifecycleDeps {
  readonly session: Pick<SessionClient, 'call'>
  readonly history: Pick<History, 'reader' | 'writer'>
  /** Every registry that was read. */
  readonly onRegistry: (registry: Registry) => void
  /** Writes down for the user what was done and what came of it. */
  readonly deeds: Deeds
  readonly now: () => number
}

export interface Lifecycle {
  /** The registry as read last; null before the first and while it cannot be read. */
  registry(): Registry | null
  /** Reads the registry, and takes the lines spooled since into the history. */
  look(): Promise<Result<Registry>>
  /** Only the second half of it. */
  takeEvents(): Promise<void>
  /** Asks the session role to change something, and looks at what came of it, whether it went well or not. */
  change<M extends SessionMethod>(method: M, request: SessionRequest<M>): Promise<Result<SessionResponse<M>>>
}

const PAGE = 500
/** In one look; a fresh history catches up with a long spool over several. */
const MOST_PAGES = 20

/** The app's view of what the session role does with agents. Has no timer: it looks when the sampler does. */
export const createLifecycle = (deps: LifecycleDeps): Lifecycle => {
  const { session, history } = deps
  let registry: Registry | null = null
  let spool = ''
  let looking: Promise<Result<Registry>> | null = null
  let taking: Promise<void> | null = null

  const takePages = async (): Promise<void> => {
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const afterSeq = spool === '' ? 0 : history.reader.afterSeq(spool)
      const answer = await session.call('Events', { afterSeq, limit: PAGE })
      if (!answer.ok) return
      const { spool: found, events } = answer.value
      if (found !== spool) {
        // The counting began anew, or this is the first look: what counts is how far this one was read.
        spool = found
        if (history.reader.afterSeq(found) !== afterSeq) continue
      }
      if (events.length === 0) return
      deps.deeds.spooled(events)
      const taken = history.writer.takeLifecycle(found, events, deps.now())
      // A full disk: the lines stay in the spool and are asked for again.
      if (!taken.ok || events.length < PAGE) return
    }
  }
  const takeEvents = (): Promise<void> => {
    taking ??= takePages().finally(() => { taking = null })
    return taking
  }

  const readRegistry = async (): Promise<Result<Registry>> => {
    const answer = await session.call('Registry', {})
    registry = answer.ok ? answer.value : null
    if (answer.ok) {
      deps.onRegistry(answer.value)
      await takeEvents()
      deps.deeds.look(answer.value)
    }
    return answer
  }
  const look = (): Promise<Result<Registry>> => {
    looking ??= readRegistry().finally(() => { looking = null })
    return looking
  }

  return {
    registry: () => registry,
    look,
    takeEvents,
    async change(method, request) {
      // Once they are ended nobody can say what they held, and the registry knows no names.
      const orphans = method === 'Reap' ? await session.call('Leftovers', {}) : null
      const agents = method === 'Limit' || method === 'AskToFree' ? await session.call('Agents', {}) : null
      if (agents?.ok === true) deps.deeds.know(agents.value.agents)
      const before = registry
      const answer = await session.call(method, request)
      // A look under way began before the change: it would show the state of before.
      await looking
      await look()
      if (answer.ok) deps.deeds.did(method, { request, answer: answer.value, before, after: registry, orphans: orphans?.ok === true ? orphans.value.orphans : [] })
      return answer
    },
  }
}
