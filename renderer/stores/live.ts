import { create } from 'zustand'
import type { Live } from '../../electron/contract/views.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import { call, on, onConnection, type Connection } from '../api.ts'
import { hold, seriesIds } from './series-ids.ts'

/** One moment of the live chart, in bytes; null is a gap. */
export interface LivePoint {
  atMs: number
  agents: number | null
  compressed: number | null
  available: number | null
}

interface LiveStore {
  live: Live | null
  error: Failure | null
  connection: Connection
  /** The last ten minutes, oldest first. */
  points: readonly LivePoint[]
}

const WINDOW_MS = 10 * 60 * 1000
const HOLD_MS = 30_000

export const useLive = create<LiveStore>()(() => ({ live: null, error: null, connection: 'connected', points: [] }))

/** Nobody has looked for agents yet, or could not: that there are none is not known. */
export const isLookedFor = (live: Live): boolean => live.agents.length > 0 || live.agentsMeasuredAtMs > 0

/** False while there are agents and none of them has a figure yet. */
export const isMeasured = (live: Live): boolean => (live.agents.length === 0 && live.agentsMeasuredAtMs > 0) || live.agents.some((agent) => agent.cost.unmeasured < agent.processes.length)

const pointOf = (live: Live): LivePoint => ({
  atMs: live.atMs,
  agents: isMeasured(live) ? live.totals.agentsCostBytes : null,
  compressed: isMeasured(live) ? live.totals.compressedBytes : null,
  available: live.machine.memory.availableBytes,
})

const merge = (old: readonly LivePoint[], more: readonly LivePoint[]): LivePoint[] => {
  const byTime = new Map([...old, ...more].map((point) => [point.atMs, point]))
  const all = [...byTime.values()].toSorted((a, b) => a.atMs - b.atMs)
  const last = all.at(-1)
  return last === undefined ? [] : all.filter((point) => point.atMs > last.atMs - WINDOW_MS)
}

const take = (live: Live): void => {
  useLive.setState((state) => ({ live, error: null, points: merge(state.points, [pointOf(live)]) }))
}

/** What the app recorded before this window opened, so the chart does not start empty. */
const seed = async (): Promise<void> => {
  const toMs = Date.now()
  const answer = await call('history.series', {
    fromMs: toMs - WINDOW_MS,
    toMs,
    series: [seriesIds.agents, seriesIds.compressed, seriesIds.available],
    maxPoints: 600,
  })
  if (!answer.ok) return
  const column = (id: string) => answer.value.series.find((series) => series.id === id)?.values ?? []
  const agents = hold(answer.value.atMs, column(seriesIds.agents), HOLD_MS)
  const compressed = column(seriesIds.compressed)
  const available = column(seriesIds.available)
  const points = answer.value.atMs.map((atMs, i) => ({
    atMs,
    agents: agents[i] ?? null,
    compressed: compressed[i] ?? null,
    available: available[i] ?? null,
  }))
  useLive.setState((state) => ({ points: merge(points, state.points) }))
}

const ask = async (): Promise<void> => {
  const answer = await call('live.get', {})
  if (answer.ok) take(answer.value)
  else useLive.setState({ error: answer.error })
}

export const startLive = (): void => {
  on('live', take)
  onConnection((connection) => {
    const was = useLive.getState().connection
    useLive.setState({ connection })
    if (connection === 'connected' && was !== 'connected') void ask().then(seed)
  })
  void ask().then(seed)
}
