import type { Figure, JournalEntry, Solution } from '../../electron/contract/diagnosis.ts'
import { bytes, bytesParts, day, figure, percent, took } from './format.ts'

type Unit = Figure['unit']

/** A figure of a finding in one piece: "214 a second", "18 %", "1.4 GB". */
export const figureWords = (value: number | string, unit: Unit): string => {
  if (typeof value === 'string') return value
  switch (unit) {
    case 'bytes':
      return bytes(value)
    case 'percent':
      return percent(value)
    case 'per-second':
      return `${figure(value)}\u00a0a second`
    case 'ms':
      return took(value)
    case 'count':
    case 'ratio':
    case 'text':
      return figure(value)
  }
}

/** Amount and unit apart, to be set in two sizes; text has no unit. */
export const figureParts = (value: number | string, unit: Unit): { value: string; unit: string } => {
  if (typeof value === 'string') return { value, unit: '' }
  switch (unit) {
    case 'bytes':
      return bytesParts(value)
    case 'percent':
      return { value: percent(value).replace('\u00a0%', ''), unit: '%' }
    case 'per-second':
      return { value: figure(value), unit: 'a second' }
    case 'ms': {
      const [amount = '', word = ''] = took(value).split('\u00a0')
      return { value: amount, unit: word }
    }
    case 'count':
    case 'ratio':
    case 'text':
      return { value: figure(value), unit: '' }
  }
}

const kinds = { above: 'above', below: 'expected at least', 'is-not': 'expected' } as const

/** What a figure was held against: "above 10 %". Nothing where it is the very value that counts. */
export const thresholdWords = ({ threshold, unit }: Figure): string => (threshold === null || threshold.kind === 'is' ? '' : `${kinds[threshold.kind]} ${figureWords(threshold.value, unit)}`)

const ends: Record<NonNullable<JournalEntry['outcome']>, string> = { kept: 'kept', undone: 'undone', failed: 'it failed', 'no-gain': 'nothing won' }

/** "Tried on 3 May: won 1.2 GB, kept". */
export const beforeWords = ({ atMs, outcome, gainBytes }: Omit<Solution['before'][number], 'note'>, nowMs: number): string => {
  const gain = gainBytes.value
  // Of one that failed, or where nothing can be told from noise, a figure would be read as a gain.
  const won = gain === null || outcome === 'failed' || outcome === 'no-gain' ? '' : gain >= 0 ? `won ${bytes(gain)}, ` : `lost ${bytes(-gain)}, `
  return `Tried on ${day(atMs, nowMs)}: ${won}${ends[outcome]}`
}
