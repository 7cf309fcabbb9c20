import { create } from 'zustand'
import type { Failure } from '../../helper/contract/errors.ts'
import { call } from '../api.ts'
import { isWorking, type Act } from './act.ts'
import { askLifecycle, setAgent, useLifecycle } from './lifecycle.ts'

interface Acts {
  act: Act | null
  /** A small change, like a pin, that could not be made. */
  failure: Failure | null
}

export const useActs = create<Acts>()(() => ({ act: null, failure: null }))

export const useWorking = (): boolean => useActs((state) => isWorking(state.act))

const change = (more: (act: Act) => Partial<Act>): void => useActs.setState(({ act }) => (act === null ? {} : { act: { ...act, ...more(act) } }))

const askOne = async (kind: Act['kind'], id: string): Promise<Failure | null> => {
  if (kind === 'suspend') {
    const answer = await call('agents.suspend', { ids: [id], cause: 'user' })
    if (!answer.ok) return answer.error
    change((act) => ({ suspended: [...act.suspended, ...answer.value.suspended], left: [...act.left, ...answer.value.left] }))
  } else {
    const answer = await call('agents.resume', { ids: [id], cause: 'user' })
    if (!answer.ok) return answer.error
    change((act) => ({ resumed: [...act.resumed, ...answer.value.resumed], left: [...act.left, ...answer.value.left] }))
  }
  return null
}

/**
 * One agent after the other, so that progress is true and stopping leaves the
 * rest as it was. A refusal of the request as a whole would meet every other
 * agent too: it ends the act.
 */
const begin = async (kind: Act['kind'], ids: readonly string[]): Promise<void> => {
  if (ids.length === 0 || isWorking(useActs.getState().act)) return
  const startedAtMs = Date.now()
  useActs.setState({ act: { kind, ids, done: 0, state: 'working', stopped: false, suspended: [], resumed: [], left: [], failure: null, tookMs: 0 }, failure: null })
  for (const id of ids) {
    if (useActs.getState().act?.state === 'stopping') {
      change(() => ({ stopped: true }))
      break
    }
    const failure = await askOne(kind, id)
    if (failure !== null) {
      change(() => ({ failure }))
      break
    }
    change((act) => ({ done: act.done + 1 }))
  }
  change(() => ({ state: 'over', tookMs: Date.now() - startedAtMs }))
  askLifecycle()
}

export const suspend = (ids: readonly string[]): void => void begin('suspend', ids)
export const resume = (ids: readonly string[]): void => void begin('resume', ids)
export const stopAct = (): void => change((act) => (act.state === 'working' ? { state: 'stopping' } : {}))
export const putAwayAct = (): void => useActs.setState(({ act }) => ({ failure: null, ...(isWorking(act) ? {} : { act: null }) }))

/** Pins or unpins; several at once take the same way one by one. */
export const pin = async (ids: readonly string[], pinned: boolean): Promise<void> => {
  useActs.setState({ failure: null })
  for (const id of ids) {
    const failure = await setAgent({ id, pinned })
    if (failure !== null) useActs.setState({ failure })
  }
}

/** The suspended ones of these agents; of all where none are given. */
export const suspendedIds = (ids?: readonly string[]): string[] =>
  (useLifecycle.getState().registry?.entries ?? []).flatMap((entry) => (entry.state === 'suspended' && (ids === undefined || ids.includes(entry.id)) ? [entry.id] : []))
