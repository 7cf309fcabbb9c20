import type { TraceResult } from '../../contract/trace.ts'
import type { TraceTable } from '../../plan/trace-lines.ts'
import { figureOf, wordOf, type TraceEvent } from './events.ts'

export type Table = NonNullable<TraceResult['table']>

/** Upper ends in microseconds, with what they are called. */
const STEPS: readonly (readonly [number, string])[] = [[100, 'under 0.1 ms'], [1000, '0.1 to 1 ms'], [10_000, '1 to 10 ms'], [100_000, '10 to 100 ms'], [Number.POSITIVE_INFINITY, '100 ms and more']]

const milliseconds = (us: number): string => `${(us / 1000).toFixed(1)} ms`

const longText = (longest: number): string => (longest === 0 ? '-' : milliseconds(longest))

/** Durations by how long they are. */
const spread = (what: string, durationsUs: readonly number[]): string[][] =>
  STEPS.map(([most, title], index) => {
    const least = STEPS[index - 1]?.[0] ?? 0
    const inside = durationsUs.filter((us) => us >= least && us < most)
    return [what, title, String(inside.length), milliseconds(inside.reduce((sum, us) => sum + us, 0)), longText(inside.reduce((longest, us) => Math.max(longest, us), 0))]
  }).filter((row) => row[2] !== '0')

/** Between the begin and the end of the same thread; what began before it was looked, or ended after, is left out. */
const durations = (events: readonly TraceEvent[]): Table => {
  const begun = new Map<string, number>()
  const done = new Map<string, number[]>()
  const others = new Map<string, number>()
  for (const { tid, atUs, name, rest } of events) {
    const [what, edge] = /^(?<what>.*)_(?<edge>begin|end)$/u.exec(name)?.slice(1, 3) ?? [name, '']
    const key = `${tid} ${what}`
    const start = begun.get(key)
    if (edge === 'begin') begun.set(key, atUs)
    else if (edge === 'end') {
      begun.delete(key)
      if (start === undefined || what === undefined) continue
      const status = wordOf(rest, 'status')
      const title = `${what.replace('mm_', '')}${status === null ? '' : `, ${status}`}`
      const known = done.get(title)
      if (known === undefined) done.set(title, [atUs - start])
      else known.push(atUs - start)
    } else others.set(name, (others.get(name) ?? 0) + 1)
  }
  return {
    columns: ['what', 'how long', 'how often', 'together', 'longest'],
    rows: [...[...done].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([title, us]) => spread(title, us)), ...[...others].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => [name.replace('mm_', ''), '-', String(count), '-', '-'])],
  }
}

/** How often each event came, with how it ended where it says so. */
const counts = (events: readonly TraceEvent[]): Table => {
  const found = new Map<string, number>()
  for (const { name, rest } of events) {
    const key = `${name.replace('mm_', '')}\t${wordOf(rest, 'status') ?? '-'}`
    found.set(key, (found.get(key) ?? 0) + 1)
  }
  return { columns: ['event', 'how it ended', 'how often'], rows: [...found].toSorted(([, a], [, b]) => b - a).map(([key, count]) => [...key.split('\t'), String(count)]) }
}

/** The pause of each writer, in ms as the kernel says. */
const pauses = (events: readonly TraceEvent[]): Table => ({
  columns: ['what', 'how long', 'how often', 'together', 'longest'],
  rows: spread('held up while writing', events.flatMap(({ rest }) => figureOf(rest, 'pause') ?? []).filter((ms) => ms > 0).map((ms) => ms * 1000)),
})

interface Area { readonly start: number; readonly end: number; readonly title: string }

/** The area an address is in, of areas in order as the kernel lists them. */
const areaOf = (known: readonly Area[], at: number): Area | null => {
  let low = 0
  let high = known.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((known[middle]?.end ?? 0) <= at) low = middle + 1
    else high = middle
  }
  const found = known[low]
  return found !== undefined && at >= found.start ? found : null
}

/** Lines of /proc/PID/maps as ranges with a name: the file's last part, "[heap]", or what the rights say. */
export const parseAreas = (maps: string): Area[] =>
  maps.split('\n').flatMap((line) => {
    const found = /^(?<start>[0-9a-f]+)-(?<end>[0-9a-f]+) (?<rights>\S{4}) \S+ \S+ \d+\s*(?<name>.*)$/u.exec(line)?.groups
    if (found === undefined) return []
    const { name = '', rights = '' } = found
    const title = name === '' ? `memory of its own (${rights})` : name.startsWith('[') ? name : (name.split('/').at(-1) ?? name)
    return [{ start: Number.parseInt(found['start'] ?? '', 16), end: Number.parseInt(found['end'] ?? '', 16), title }]
  })

/** Which areas of the process the faults were in. */
const areas = (events: readonly TraceEvent[], maps: string): Table => {
  const known = parseAreas(maps)
  const found = new Map<string, number>()
  for (const { rest } of events) {
    const address = /address=(?:0x)?(?<hex>[0-9a-f]+)/u.exec(rest)?.groups?.['hex']
    if (address === undefined) continue
    const title = areaOf(known, Number.parseInt(address, 16))?.title ?? 'not mapped any more'
    found.set(title, (found.get(title) ?? 0) + 1)
  }
  const all = [...found.values()].reduce((sum, count) => sum + count, 0)
  return { columns: ['area', 'faults', 'share'], rows: [...found].toSorted(([, a], [, b]) => b - a).map(([title, count]) => [title, String(count), `${((count * 100) / all).toFixed(1)} %`]) }
}

/** What ftrace saw as a table: sums only, no names of programs, no addresses. */
export const tableOf = (kind: TraceTable, events: readonly TraceEvent[], maps = ''): Table => {
  if (kind === 'durations') return durations(events)
  if (kind === 'pauses') return pauses(events)
  return kind === 'areas' ? areas(events, maps) : counts(events)
}

/** The counters of `perf stat`, with what that is a second. */
export const perfStatTable = (text: string): Table => {
  const seconds = Number(/^\s*(?<seconds>[\d.]+) seconds time elapsed/mu.exec(text)?.groups?.['seconds'] ?? Number.NaN)
  return {
    columns: ['event', 'how often', 'each second'],
    rows: text.split('\n').flatMap((line) => {
      const found = /^\s*(?<count>\d+|<not (?:counted|supported)>)\s+(?<event>[a-z][\w:-]+)(?:\s|$)/u.exec(line)?.groups
      if (found === undefined) return []
      const each = Number(found['count']) / seconds
      return [[found['event'] ?? '', found['count'] ?? '', Number.isFinite(each) ? each.toFixed(each < 10 ? 1 : 0) : '-']]
    }),
  }
}

/** The shares of `perf report`. */
export const perfReportTable = (text: string): Table => ({
  columns: ['share', 'function of the kernel'],
  rows: text.split('\n').flatMap((line) => {
    const found = /^\s*(?<share>[\d.]+%)\s+\[(?:k|\.)\]\s+(?<symbol>\S+)/u.exec(line)?.groups
    return found === undefined ? [] : [[found['share'] ?? '', found['symbol'] ?? '']]
  }),
})

/** A table as text with columns that stand below each other. */
export const textOf = ({ columns, rows }: Table): string => {
  const lines = [columns, ...rows]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ').trimEnd()).join('\n')
}
