import { counted } from '../amounts.ts'
import type { Reading } from '../../../helper/contract/reading.ts'

/** 1024-based, as a machine sold with "16 GB" counts. */
const MB = 1024 ** 2
const GB = 1024 ** 3
export type ByteUnit = 'GB' | 'MB'
const sizeOf = (unit: ByteUnit): number => (unit === 'GB' ? GB : MB)

/** A dash for what is not known; never a zero. */
export const GAP = '–'

/** One unit for a whole column: GB as soon as its largest figure reaches `fromMb`, where one decimal of GB still tells enough. */
export const unitFor = (values: readonly (number | null)[], fromMb = 999.5): ByteUnit =>
  values.some((value) => value !== null && Math.abs(value) >= fromMb * MB) ? 'GB' : 'MB'

/** The finest step worth showing: one decimal of GB, whole MB, or the leading digit of the noise where that is coarser. */
const stepOf = (unit: ByteUnit, noiseBytes: number | null): number => {
  const finest = unit === 'GB' ? 0.1 : 1
  if (noiseBytes === null || noiseBytes <= 0) return finest
  return Math.max(finest, 10 ** Math.floor(Math.log10(noiseBytes / sizeOf(unit))))
}

/** The bare figure, for a column whose head has the unit. */
export const figure = (bytes: number | null, unit: ByteUnit, noiseBytes: number | null = null): string => {
  if (bytes === null) return GAP
  const step = stepOf(unit, noiseBytes)
  const rounded = Math.round(bytes / sizeOf(unit) / step) * step
  const digits = Math.abs(rounded).toFixed(step < 1 ? 1 : 0)
  const text = Math.abs(rounded) >= 10_000 ? digits.replaceAll(/\B(?=(?:\d{3})+(?!\d))/gu, ',') : digits
  return rounded < 0 ? `−${text}` : text
}

/** With its sign: for changes. */
export const signed = (bytes: number | null, unit: ByteUnit, noiseBytes: number | null = null): string => {
  const text = figure(bytes, unit, noiseBytes)
  return bytes !== null && bytes > 0 && /[1-9]/u.test(text) ? `+${text}` : text
}

/** Noise is rounded up and never shown as nothing. */
export const noiseFigure = (bytes: number | null, unit: ByteUnit): string => {
  if (bytes === null) return GAP
  const step = stepOf(unit, bytes)
  return Math.max(step, Math.ceil(bytes / sizeOf(unit) / step - 1e-9) * step).toFixed(step < 1 ? 1 : 0)
}

/** "1.6 GB", in the unit that fits; for sentences. */
export const bytesText = (bytes: number, noiseBytes: number | null = null, unit: ByteUnit = unitFor([bytes])): string => `${figure(bytes, unit, noiseBytes)} ${unit}`

/** Whole percent. */
export const percentText = (reading: Reading): string => {
  if (reading.value === null) return GAP
  const whole = Math.round(Math.abs(reading.value))
  return `${reading.value < 0 && whole > 0 ? '−' : ''}${whole} %`
}

const pad = (value: number): string => String(value).padStart(2, '0')

/** "2026-11-20 14:03:12 UTC": the reader may sit in another time zone. */
export const timeText = (atMs: number): string => {
  const at = new Date(atMs)
  return `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())} UTC`
}

export const durationText = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1000)} s` : ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`)

/** "12 a minute", or "1.4 %". */
export const rateText = ({ value }: Reading, unit: 'per-minute' | 'percent'): string => {
  if (value === null) return GAP
  const digits = value < 9.95 ? String(Number(value.toFixed(1))) : counted(value)
  return unit === 'percent' ? `${digits} %` : `${digits} a minute`
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
