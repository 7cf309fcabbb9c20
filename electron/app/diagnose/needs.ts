import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import type { Looks, Rule } from './rule.ts'
import { lastOf, spanMs } from './series.ts'

/** One thing a rule needs: null when it is there, else what is missing, in words. */
export type Need = Rule['needs'][number]

type Known = object | string | number | boolean

const reasonWords = { 'not-supported': 'this kernel does not have it', 'not-permitted': 'only root may read it', vanished: 'it went away while it was read', malformed: 'it reads other than expected', 'not-measured': 'nobody measured it' } as const

export const whyMissing = (reading: Reading<Known>): string => (reading.value === null ? reasonWords[reading.reason] : '')

/** Looks that lie at least so far apart. */
export const needsSpan = (ms: number): Need => (looks: Looks) => {
  if (looks.length < 2) return `two looks at least ${ms / 1000} s apart; there is one`
  return spanMs(looks) >= ms ? null : `looks over ${ms / 1000} s; they span ${Math.round(spanMs(looks) / 100) / 10} s`
}

/** Counters of /proc/vmstat; one of them is enough. */
export const needsCounter = (...names: readonly string[]): Need => (looks) =>
  looks.every((look) => names.some((name) => name in look.vmstat)) ? null : `${names.join(' or ')} in /proc/vmstat`

export const needsMeminfo = (...names: readonly string[]): Need => (looks) => {
  const absent = names.filter((name) => !(name in lastOf(looks).meminfo))
  return absent.length === 0 ? null : `${absent.join(', ')} in /proc/meminfo`
}

/** Any reading of the last look. */
export const needsReading = (what: string, read: (look: Evidence) => Reading<Known>): Need => (looks) => {
  const reading = read(lastOf(looks))
  return reading.value === null ? `${what}: ${whyMissing(reading)}` : null
}

export const needsPressure = (resource: 'memory' | 'io' | 'cpu'): Need => needsReading(`/proc/pressure/${resource}`, (look) => look.pressure[resource])

/** A file of /proc/sys. */
export const needsSysctl = (path: string): Need => needsReading(path, (look) => look.sysctl[path] ?? { value: null, reason: 'not-supported' })

/** A file of /sys/kernel/mm or of zswap's parameters. */
export const needsMm = (path: string): Need => needsReading(path, (look) => look.mm[path] ?? { value: null, reason: 'not-supported' })

export const needsRoot = (what: string): Need => (looks) => (lastOf(looks).privileged ? null : `${what}: only root may read it`)
