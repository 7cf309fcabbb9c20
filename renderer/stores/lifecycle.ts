import { useMemo } from 'react'
import { create } from 'zustand'
import type { Request } from '../../electron/contract/channels.ts'
import type { Agent } from '../../helper/contract/agents.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import type { RegistryEntry } from '../../helper/contract/lifecycle.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import { call, isConnectionFailure, on, onConnection } from '../api.ts'
import { useLive } from './live.ts'

interface LifecycleStore {
  /** What the session role knows of every agent; null before its first word. */
  registry: Registry | null
  byId: ReadonlyMap<string, RegistryEntry>
  error: Failure | null
}

export const useLifecycle = create<LifecycleStore>()(() => ({ registry: null, byId: new Map(), error: null }))

const take = (registry: Registry): void => useLifecycle.setState({ registry, byId: new Map(registry.entries.map((entry) => [entry.id, entry])), error: null })

const ask = async (): Promise<void> => {
  const answer = await call('lifecycle.get', {})
  if (answer.ok) take(answer.value)
  else if (!isConnectionFailure(answer.error.about)) useLifecycle.setState({ error: answer.error })
}

export const startLifecycle = (): void => {
  on('lifecycle', take)
  let was = 'lost'
  onConnection((connection) => {
    if (connection === 'connected' && was !== 'connected') void ask()
    was = connection
  })
}

export const askLifecycle = (): void => void ask()

/** Puts one answered entry in its place, before the next look brings all. */
const putEntry = (entry: RegistryEntry): void => {
  const { registry } = useLifecycle.getState()
  if (registry !== null) take({ ...registry, entries: registry.entries.map((old) => (old.id === entry.id ? entry : old)) })
}

/** Pin, importance or trust domain of one agent. Null where all went well. */
export const setAgent = async (request: Request<'agents.set'>): Promise<Failure | null> => {
  const answer = await call('agents.set', request)
  if (!answer.ok) return answer.error
  putEntry(answer.value)
  return null
}

export const setPolicy = async (policy: Registry['policy']): Promise<Failure | null> => {
  const answer = await call('policy.set', { policy })
  if (!answer.ok) return answer.error
  const { registry } = useLifecycle.getState()
  if (registry !== null) take({ ...registry, policy: answer.value })
  return null
}

export const useEntry = (id: string | null): RegistryEntry | null => useLifecycle((state) => (id === null ? null : (state.byId.get(id) ?? null)))

const lastTransition = ({ registry }: LifecycleStore): number => (registry?.entries ?? []).reduce((last, { transitions }) => Math.max(last, transitions.at(-1)?.atMs ?? 0), 0)

/** Hears of every change of state of any agent, and of nothing else: what was read from the history is old then. */
export const onTransition = (listener: () => void): (() => void) =>
  useLifecycle.subscribe((state, before) => {
    if (state.registry !== before.registry && lastTransition(state) !== lastTransition(before)) listener()
  })

const merged = (agent: Agent, entry: RegistryEntry | undefined): Agent =>
  entry === undefined || (entry.state === agent.state && entry.activity.idleMs.value === agent.idleMs.value) ? agent : { ...agent, state: entry.state, idleMs: entry.activity.idleMs }

const none: readonly Agent[] = []

/** The agents with the registry's word on their state: it knows more than CPU time. */
export const useFleet = (): readonly Agent[] => {
  const agents = useLive((state) => state.live?.agents ?? none)
  const byId = useLifecycle((state) => state.byId)
  return useMemo(() => (byId.size === 0 ? agents : agents.map((agent) => merged(agent, byId.get(agent.id)))), [agents, byId])
}
