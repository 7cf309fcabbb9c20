import type Database from 'better-sqlite3'
import type { Series } from '../../contract/views.ts'
import { floorTo, fromStored, LEVELS, meaningOf, merge, type Bucket } from './aggregation.ts'
import { queries } from './queries.ts'
import type { SeriesRequest } from './types.ts'

type Row = [series: number, atS: number, n: number, value: number]
type LevelName = (typeof LEVELS)[number]['name']

/** Reads samples of any range as columns of at most `maxPoints` values. */
export const createSeriesReader = (db: Database.Database): ((request: SeriesRequest) => Series) => {
  const find = db.prepare<[string], { key: number; id: string; label: string }>(queries.seriesByIds)
  const levels = db.prepare<[], { name: LevelName; rolledToS: number; keptFromS: number }>(queries.levels)
  const read1s = db.prepare<[number, number, string], Row>(queries.samples1sOf).raw()
  const read10s = db.prepare<[number, number, number], Row>(queries.samples10s).raw()
  const read5min = db.prepare<[number, number, number], Row>(queries.samples5min).raw()

  const read = (request: SeriesRequest): Series => {
    const fromS = Math.floor(request.fromMs / 1000)
    const toS = Math.max(fromS + 1, Math.ceil(request.toMs / 1000))
    const state = new Map(levels.all().map((level) => [level.name, level]))
    const rolledTo = (name: LevelName): number => state.get(name)?.rolledToS ?? 0

    // The coarsest level that is still fine enough; a coarser one where the range reaches back too far.
    const idealS = (toS - fromS) / request.maxPoints
    const covers = (name: LevelName): boolean => (state.get(name)?.keptFromS ?? 0) <= fromS
    const fine = LEVELS.findLastIndex((level) => level.stepS <= idealS)
    const start = Math.max(0, fine)
    const covering = LEVELS.findIndex((level, index) => index >= start && covers(level.name))
    const index = covering === -1 ? LEVELS.length - 1 : covering
    const { stepS: levelStepS } = LEVELS[index] ?? LEVELS[2]

    let stepS = Math.max(levelStepS, Math.ceil(idealS / levelStepS) * levelStepS)
    // Aligning to whole steps can add a point; one multiple more takes it away again.
    while (Math.ceil((toS - floorTo(fromS, stepS)) / stepS) > request.maxPoints) stepS += levelStepS
    const t0 = floorTo(fromS, stepS)
    const count = Math.ceil((toS - t0) / stepS)

    const known = new Map(find.all(JSON.stringify(request.series)).map((row) => [row.id, row]))
    const idOf = new Map([...known.values()].map((row) => [row.key, row.id]))
    const buckets = new Map<number, (Bucket | undefined)[]>([...idOf.keys()].map((key) => [key, Array.from<undefined>({ length: count })]))
    const meanings = new Map([...idOf].map(([key, id]) => [key, meaningOf(id)]))

    const take = ([key, atS, n, value]: Row): void => {
      const column = buckets.get(key)
      const meaning = meanings.get(key)
      if (column === undefined || meaning === undefined) return
      const at = Math.max(0, Math.floor((atS - t0) / stepS))
      column[at] = merge(meaning.aggregation, column[at], n, value)
    }

    // `all` per series instead of `iterate`: at most some 9,000 rows, read in half the time.
    // What a level has not summed up yet comes from the next finer one.
    let endS = toS
    for (let i = 0; i <= index; i += 1) {
      const name = LEVELS[i]?.name ?? '1s'
      const beginS = i === index ? t0 : Math.max(t0, rolledTo(LEVELS[i + 1]?.name ?? '5min'))
      if (beginS >= endS) continue
      if (name === '1s') for (const row of read1s.all(beginS, endS, JSON.stringify([...idOf.keys()]))) take(row)
      else for (const key of idOf.keys()) for (const row of (name === '10s' ? read10s : read5min).all(key, beginS, endS)) take(row)
      endS = beginS
    }

    const columnOf = (id: string): (number | null)[] => {
      const row = known.get(id)
      const column = row === undefined ? undefined : buckets.get(row.key)
      const { unit, holdMs } = meaningOf(id)
      // A look counts until the next one, within its hold: agents are looked at less often than once a second.
      const holdSteps = Math.floor(holdMs / 1000 / stepS)
      const values: (number | null)[] = []
      let held: number | null = null
      let heldFor = 0
      for (let i = 0; i < count; i += 1) {
        const bucket = column?.[i]
        if (bucket !== undefined) {
          held = fromStored(unit, bucket.value)
          heldFor = 0
        } else {
          heldFor += 1
          if (heldFor > holdSteps) held = null
        }
        values.push(held)
      }
      return values
    }

    return {
      resolutionMs: stepS * 1000,
      atMs: Array.from({ length: count }, (_, i) => (t0 + i * stepS) * 1000),
      series: request.series.map((id) => {
        const { label, unit } = meaningOf(id, known.get(id)?.label)
        return { id, label, unit, values: columnOf(id) }
      }),
    }
  }

  // One transaction: levels and rows must be of the same moment.
  return db.transaction(read)
}
