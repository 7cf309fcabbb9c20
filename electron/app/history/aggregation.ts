import { MACHINE_SERIES, type MachineSeriesId } from './types.ts'

/**
 * What one point stands for when several looks fall into its step.
 *
 * mean: what was typical. min and max keep the moment that hurt: a machine that
 * ran out of memory for two seconds shows it in a chart of 90 days too. So
 * available and free memory keep their least, pressure its most, and all the
 * rest (what things cost) their mean, weighted by the number of looks.
 */
export type Aggregation = 'mean' | 'min' | 'max'
export type Unit = 'bytes' | 'percent'

interface SeriesMeaning {
  label: string
  unit: Unit
  aggregation: Aggregation
  /** A look counts for at most this long; after it the silence is a gap. */
  holdMs: number
}

/** Twice the machine's slowest sampling (5 s with no window open) and a little. */
const MACHINE_HOLD_MS = 12_000
/** One and a half times the agents' slowest (a minute), as in the sampler's own sum. */
const AGENT_HOLD_MS = 90_000

const machine: Record<MachineSeriesId, SeriesMeaning> = {
  'machine.available': { label: 'Available', unit: 'bytes', aggregation: 'min', holdMs: MACHINE_HOLD_MS },
  'machine.agents': { label: 'Agents', unit: 'bytes', aggregation: 'mean', holdMs: MACHINE_HOLD_MS },
  'machine.compressed': { label: 'Compressed', unit: 'bytes', aggregation: 'mean', holdMs: MACHINE_HOLD_MS },
  'machine.free': { label: 'Free', unit: 'bytes', aggregation: 'min', holdMs: MACHINE_HOLD_MS },
  'machine.pressure': { label: 'Memory pressure', unit: 'percent', aggregation: 'max', holdMs: MACHINE_HOLD_MS },
  'machine.cache': { label: 'File cache', unit: 'bytes', aggregation: 'mean', holdMs: MACHINE_HOLD_MS },
  'machine.swap': { label: 'Swap used', unit: 'bytes', aggregation: 'mean', holdMs: MACHINE_HOLD_MS },
}

const isMachine = (id: string): id is MachineSeriesId => (MACHINE_SERIES as readonly string[]).includes(id)

/** `label` is the stored one of an agent's series. */
export const meaningOf = (id: string, label?: string): SeriesMeaning =>
  isMachine(id) ? machine[id] : { label: label ?? id, unit: 'bytes', aggregation: 'mean', holdMs: AGENT_HOLD_MS }

/** Stored as whole KiB and hundredths of a percent: /proc is no finer, and rows stay small. */
export const toStored = (unit: Unit, value: number): number => Math.round(unit === 'bytes' ? value / 1024 : value * 100)
export const fromStored = (unit: Unit, value: number): number => (unit === 'bytes' ? Math.round(value * 1024) : value / 100)

export interface Level {
  name: '1s' | '10s' | '5min'
  stepS: number
  /** Kept at least this long; a little more, so that "the last 10 minutes" is never short by a second. */
  keepS: number
}

export const LEVELS = [
  { name: '1s', stepS: 1, keepS: 12 * 60 },
  { name: '10s', stepS: 10, keepS: 24 * 3600 + 15 * 60 },
  { name: '5min', stepS: 300, keepS: Infinity }, // ended by the historyDays setting
] as const satisfies readonly Level[]

/** One value of a finished or growing step. */
export interface Bucket {
  n: number
  value: number
}

/** Takes one more value, which stands for `n` looks, into a step. */
export const merge = (aggregation: Aggregation, into: Bucket | undefined, n: number, value: number): Bucket => {
  if (into === undefined) return { n, value }
  if (aggregation === 'min') into.value = Math.min(into.value, value)
  else if (aggregation === 'max') into.value = Math.max(into.value, value)
  else into.value = (into.value * into.n + value * n) / (into.n + n)
  into.n += n
  return into
}

export const floorTo = (value: number, step: number): number => Math.floor(value / step) * step
