import type { MissingReason, Reading } from '../../helper/contract/reading.ts'

/**
 * The only place that turns figures into text. Memory is counted as the kernel
 * counts it: 1 GB here is 1024 MB of 1024 kB, as on the label of a memory bar.
 */
const KB = 1024
const MB = 1024 * KB
const GB = 1024 * MB

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })
const axis = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 2 })
const tenth = new Intl.NumberFormat('en-GB', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

/** Stands for a figure that is missing. */
export const DASH = '\u2013'
const MINUS = '\u2212'

const sized = (bytes: number): { value: string; unit: 'GB' | 'MB' | 'kB' } => {
  const size = Math.abs(bytes)
  if (size >= 999.5 * MB) return { value: size >= 999.5 * GB ? whole.format(size / GB) : tenth.format(size / GB), unit: 'GB' }
  if (size >= 0.95 * MB || size === 0) return { value: whole.format(size / MB), unit: 'MB' }
  return { value: whole.format(Math.ceil(size / KB)), unit: 'kB' }
}

/** Amount and unit apart, for figures set in two sizes. Negative amounts carry a true minus. */
export const bytesParts = (bytes: number): { value: string; unit: string } => {
  const parts = sized(bytes)
  return { value: bytes < 0 ? `${MINUS}${parts.value}` : parts.value, unit: parts.unit }
}

/** "7.8 GB", "641 MB", "12 kB". */
export const bytes = (amount: number): string => {
  const { value, unit } = bytesParts(amount)
  return `${value}\u00a0${unit}`
}

/** "+120 MB", "−2.1 GB", "0 MB". */
export const signedBytes = (amount: number): string => (amount > 0 ? `+${bytes(amount)}` : bytes(amount))

/** The unit such an amount is shown in; never kB. */
export const unitOf = (amount: number): 'GB' | 'MB' => (sized(amount).unit === 'GB' ? 'GB' : 'MB')

/** Whole megabytes without the unit, for a column headed "MB". */
export const megabytes = (amount: number): string => whole.format(Math.round(amount / MB))

/** Whole megabytes, rounded up and at least one: noise is never shown as nothing. */
export const noiseMegabytes = (amount: number): string => whole.format(Math.max(1, Math.ceil(amount / MB - 1e-9)))

/** "+146", "−12": a change in whole megabytes, for a column in MB. */
export const signedMegabytes = (amount: number): string => {
  const size = megabytes(Math.abs(amount))
  return size === '0' ? size : `${amount > 0 ? '+' : MINUS}${size}`
}

/** Prose with its figures kept whole: no line ends between "11" and "%", or within "68 ± 1 MB". */
export const unbroken = (text: string): string => text.replaceAll(/(?<=\d) (?=(?:%|[kMG]B|min|ms|s|h|d)(?![\p{L}\d]))|(?<=\d) (?=± \d)|(?<=±) (?=\d)/gu, '\u00a0')

/** Gigabytes with one decimal and no unit, for columns headed "GB". */
export const gigabytes = (amount: number): string => tenth.format(amount / GB)

/** For an axis with round steps: "8 GB", "256 MB", "0". */
export const axisBytes = (amount: number): string => (amount === 0 ? '0' : amount >= GB ? `${axis.format(amount / GB)}\u00a0GB` : `${whole.format(amount / MB)}\u00a0MB`)

/** "2.1 GB (± 0.1)": noise is given in the unit of the figure and never with more digits. */
export const withNoise = (amount: number, noise: Reading): string => {
  const { unit } = sized(amount)
  if (noise.value === null) return bytes(amount)
  // Rounded up, as in reports: noise is never made smaller than it was.
  const n = unit === 'GB' ? tenth.format(Math.max(0.1, Math.ceil((noise.value / GB) * 10 - 1e-9) / 10)) : unit === 'MB' ? whole.format(Math.max(1, Math.ceil(noise.value / MB - 1e-9))) : whole.format(noise.value / KB)
  return `${bytes(amount)} (\u00b1\u00a0${n})`
}

/** "12 s", "42 min", "3 h", "5 d": the largest unit that leaves at least two of it, or one exactly. */
export const duration = (ms: number): string => {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 120) return `${s}\u00a0s`
  const min = Math.floor(s / 60)
  if (min < 120) return `${min}\u00a0min`
  const h = Math.floor(min / 60)
  if (h < 48) return `${h}\u00a0h`
  return `${Math.floor(h / 24)}\u00a0d`
}

/** "just now" or "42 min ago". */
export const ago = (atMs: number, nowMs: number): string => (nowMs - atMs < 5000 ? 'just now' : `${duration(nowMs - atMs)} ago`)

/** "in 3 min"; "now" for what is due. */
export const until = (atMs: number, nowMs: number): string => (atMs - nowMs < 1000 ? 'now' : `in ${duration(atMs - nowMs)}`)

/** "61 ms", "1.4 s", "42 min": how long something took. */
export const took = (ms: number): string => (ms < 999.5 ? `${whole.format(ms)}\u00a0ms` : ms < 10_000 ? `${tenth.format(ms / 1000)}\u00a0s` : duration(ms))

const sameDay = (a: Date, b: Date): boolean => a.toDateString() === b.toDateString()
const hm = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hms = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayMonth = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** "14:03" today, "12 Nov 14:03" before; local time. */
export const moment = (atMs: number, nowMs: number): string => {
  const at = new Date(atMs)
  return sameDay(at, new Date(nowMs)) ? hm.format(at) : `${dayMonth.format(at)} ${hm.format(at)}`
}

/** "14:03:09". */
export const clock = (atMs: number): string => hms.format(new Date(atMs))

/** "12 Nov 2026, 14:03:09". */
export const exactMoment = (atMs: number): string => full.format(new Date(atMs))

/** For an axis of time: "14:03"; the day where it begins; days alone on ranges over two days. */
export const timeTick = (atMs: number, previousMs: number, spanMs: number): string => {
  const at = new Date(atMs)
  if (spanMs > 2 * 86_400_000) return dayMonth.format(at)
  return sameDay(at, new Date(previousMs)) ? hm.format(at) : dayMonth.format(at)
}

/** "12 %", "−3 %"; one decimal below ten. */
export const percent = (value: number): string => {
  const text = Math.abs(value) < 10 && value % 1 !== 0 ? tenth.format(Math.abs(value)) : whole.format(Math.abs(value))
  return `${value < 0 ? MINUS : ''}${text}\u00a0%`
}

/** "1,234". */
export const count = (value: number): string => whole.format(value)

/** "1 agent", "4 agents". */
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)}\u00a0${value === 1 ? one : many}`

const reasons: Record<MissingReason, string> = {
  'not-supported': 'This kernel does not report it.',
  'not-permitted': 'It may not be read without more rights.',
  vanished: 'The process went away while it was read.',
  malformed: 'What was read could not be understood.',
  'not-measured': 'It was not measured, or it takes two looks.',
}

/** Why a figure is missing, in one sentence. */
export const missingWords = (reason: MissingReason, detail?: string): string =>
  detail === undefined || detail === '' ? reasons[reason] : `${reasons[reason]} ${detail}`

/** Text of a reading, or the dash. */
export const reading = (value: Reading, format: (value: number) => string): string => (value.value === null ? DASH : format(value.value))

/** Memory pressure (PSI "some" over ten seconds, in percent) in one word. */
export const pressureWord = (avg10Percent: number): 'calm' | 'noticeable' | 'high' | 'severe' =>
  avg10Percent < 1 ? 'calm' : avg10Percent < 10 ? 'noticeable' : avg10Percent < 30 ? 'high' : 'severe'

const dayMonthYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** "3 May"; with the year where it is another one. */
export const day = (atMs: number, nowMs: number): string => {
  const at = new Date(atMs)
  return (at.getFullYear() === new Date(nowMs).getFullYear() ? dayMonth : dayMonthYear).format(at)
}

/** A number without a unit: whole from a hundred on, else one decimal where there is one. */
export const figure = (value: number): string => `${value < 0 ? MINUS : ''}${Math.abs(value) >= 100 || value % 1 === 0 ? whole.format(Math.abs(value)) : tenth.format(Math.abs(value))}`

/** "14:03" of any day. */
export const timeOfDay = (atMs: number): string => hm.format(new Date(atMs))

const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** "Saturday 21 November 2026". */
export const longDay = (atMs: number): string => weekday.format(new Date(atMs))
