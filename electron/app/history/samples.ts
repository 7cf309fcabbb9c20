import type Database from 'better-sqlite3'
import { floorTo, LEVELS, meaningOf, merge, toStored, type Bucket } from './aggregation.ts'
import { queries } from './queries.ts'
import { agentSeriesId, type AgentSample, type HistoryWriter, type MachineSample, type MachineSeriesId, type ProcessSample } from './types.ts'

const machineValues = (sample: MachineSample): [MachineSeriesId, number | null][] => [
  ['machine.available', sample.availableBytes],
  ['machine.agents', sample.agentsCostBytes],
  ['machine.compressed', sample.compressedBytes],
  ['machine.free', sample.freeBytes],
  ['machine.pressure', sample.pressurePercent],
  ['machine.cache', sample.cacheBytes],
  ['machine.swap', sample.swapUsedBytes],
]

const labelOf = (agent: AgentSample): string => (agent.name === agent.title ? agent.title : `${agent.name} (${agent.title})`)

type Row = [series: number, atS: number, n: number, value: number]

/** The writing side of samples; every function runs inside a transaction of its caller. */
export const createSampleStore = (db: Database.Database) => {
  const findSeries = db.prepare<[string], { key: number }>('SELECT key FROM series WHERE id = ?')
  const addSeries = db.prepare('INSERT INTO series (id, label) VALUES (?, ?)')
  const addSecond = db.prepare('INSERT OR REPLACE INTO sample_1s (at_s, series, value) VALUES (?, ?, ?)')
  const add = {
    '10s': db.prepare('INSERT OR REPLACE INTO sample_10s (series, at_s, n, value) VALUES (?, ?, ?, ?)'),
    '5min': db.prepare('INSERT OR REPLACE INTO sample_5min (series, at_s, n, value) VALUES (?, ?, ?, ?)'),
  }
  const allSeries = db.prepare<[], { key: number; id: string }>('SELECT key, id FROM series')
  const levels = db.prepare<[], { name: string; rolledToS: number; keptFromS: number }>(queries.levels)
  const setRolled = db.prepare('UPDATE level SET rolled_to_s = ? WHERE name = ?')
  const setKept = db.prepare('UPDATE level SET kept_from_s = MAX(kept_from_s, ?) WHERE name = ?')
  const rewind = db.prepare("UPDATE level SET rolled_to_s = MIN(rolled_to_s, ?) WHERE name IN ('10s', '5min')")
  const oldest1s = db.prepare<[], { atS: number | null }>('SELECT MIN(at_s) AS atS FROM sample_1s')
  const read1s = db.prepare<[number, number], Row>(queries.samples1s).raw()
  const read10s = db.prepare<[number, number, number], Row>(queries.samples10s).raw()
  const drop1s = db.prepare(queries.drop1s)
  const drop10s = db.prepare(queries.drop10s)
  const drop5min = db.prepare(queries.drop5min)
  const dropSeries = db.prepare("DELETE FROM series WHERE key = ? AND (id LIKE 'agent:%' OR id LIKE 'process:%')")
  const anyOf5min = db.prepare('SELECT 1 FROM sample_5min WHERE series = ? LIMIT 1')
  const anyOf10s = db.prepare('SELECT 1 FROM sample_10s WHERE series = ? LIMIT 1')

  const keys = new Map<string, number>()
  const keyOf = (id: string, label: () => string): number => {
    const cached = keys.get(id)
    if (cached !== undefined) return cached
    const key = findSeries.get(id)?.key ?? Number(addSeries.run(id, label()).lastInsertRowid)
    keys.set(id, key)
    return key
  }

  const levelOf = (name: string) => levels.all().find((level) => level.name === name) ?? { name, rolledToS: 0, keptFromS: 0 }
  let rolledToS = levelOf('10s').rolledToS

  const addSamples = (atMs: number, machine: MachineSample, agents: readonly AgentSample[], processes: readonly ProcessSample[] = []): void => {
    const atS = Math.floor(atMs / 1000)
    // The clock was set back: what is summed up already must be summed up again.
    if (atS < rolledToS) {
      rewind.run(floorTo(atS, 300))
      rolledToS = floorTo(atS, 300)
    }
    for (const [id, value] of machineValues(machine)) {
      const { unit, label } = meaningOf(id)
      if (value !== null) addSecond.run(atS, keyOf(id, () => label), toStored(unit, value))
    }
    for (const agent of agents) {
      addSecond.run(atS, keyOf(agentSeriesId(agent.id), () => labelOf(agent)), toStored('bytes', agent.costBytes))
    }
    for (const { id, label, bytes } of processes) addSecond.run(atS, keyOf(id, () => label), toStored('bytes', bytes))
  }

  /** Sums `rows` up to steps of `stepS` and writes them into `to`. */
  const sumUp = (rows: Iterable<Row>, to: '10s' | '5min', stepS: number, aggregationOf: (series: number) => ReturnType<typeof meaningOf>['aggregation']): void => {
    const buckets = new Map<number, Map<number, Bucket>>()
    for (const [series, atS, n, value] of rows) {
      const ofSeries = buckets.get(series) ?? new Map<number, Bucket>()
      buckets.set(series, ofSeries)
      const at = floorTo(atS, stepS)
      ofSeries.set(at, merge(aggregationOf(series), ofSeries.get(at), n, value))
    }
    for (const [series, ofSeries] of buckets) {
      for (const [at, { n, value }] of ofSeries) add[to].run(series, at, n, Math.round(value))
    }
  }

  const rollUp: (nowMs: number) => void = (nowMs) => {
    const nowS = Math.floor(nowMs / 1000)
    const [second, ten, five] = LEVELS
    const series = allSeries.all()
    const byKey = new Map(series.map(({ key, id }) => [key, meaningOf(id).aggregation]))
    const aggregationOf = (key: number) => byKey.get(key) ?? 'mean'

    // Two seconds late, so that a look under way still falls into its step.
    const to10 = floorTo(nowS - 2, ten.stepS)
    const from10 = Math.max(levelOf('10s').rolledToS, floorTo(oldest1s.get()?.atS ?? to10, ten.stepS))
    if (from10 < to10) {
      sumUp(read1s.iterate(from10, to10), '10s', ten.stepS, aggregationOf)
      setRolled.run(to10, '10s')
      rolledToS = to10
    }
    const keep1From = floorTo(Math.min(to10, nowS - second.keepS), five.stepS)
    drop1s.run(keep1From)
    setKept.run(keep1From, '1s')

    const to5 = floorTo(to10, five.stepS)
    const from5 = levelOf('5min').rolledToS
    if (from5 >= to5) return
    const keep10From = floorTo(Math.min(to5, nowS - ten.keepS), five.stepS)
    for (const { key } of series) {
      sumUp(read10s.iterate(key, from5, to5), '5min', five.stepS, aggregationOf)
      drop10s.run(key, keep10From)
    }
    setRolled.run(to5, '5min')
    setKept.run(keep10From, '10s')
  }

  const prune = (nowMs: number, historyDays: number): void => {
    const keepFromS = floorTo(Math.floor(nowMs / 1000) - historyDays * 86_400, 300)
    for (const { key, id } of allSeries.all()) {
      drop10s.run(key, keepFromS)
      drop5min.run(key, keepFromS)
      // An agent of long ago: nothing refers to its series any more, and its key is never given again.
      if (keys.has(id) || anyOf5min.get(key) !== undefined || anyOf10s.get(key) !== undefined) continue
      dropSeries.run(key)
    }
    setKept.run(keepFromS, '5min')
  }

  /** After a transaction was rolled back: what it had remembered is not in the file. */
  const forget = (): void => {
    keys.clear()
    rolledToS = levelOf('10s').rolledToS
  }

  return { addSamples, rollUp, prune, forget } satisfies { [K in 'addSamples' | 'rollUp' | 'prune']: (...args: Parameters<HistoryWriter[K]>) => void } & { forget: () => void }
}
