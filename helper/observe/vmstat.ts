import type { VmCounters } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { integer, readText, under } from './files.ts'

/** `name value` lines: /proc/vmstat, memory.stat, memory.events. */
export const parseCounters = (text: string): Map<string, number> => {
  const counters = new Map<string, number>()
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ')
    const value = integer(line.slice(space + 1).trim())
    if (space > 0 && value !== null) counters.set(line.slice(0, space), value)
  }
  return counters
}

const optional = (counters: ReadonlyMap<string, number>, names: readonly string[], since: string): Reading => {
  for (const name of names) {
    const value = counters.get(name)
    if (value !== undefined) return known(value)
  }
  return missing('not-supported', `/proc/vmstat has no ${names.join(' or ')}: needs Linux ${since}`)
}

/** One counter until Linux 4.10, then one for each zone. */
const sumOf = (counters: ReadonlyMap<string, number>, names: RegExp): Reading => {
  const values = [...counters].filter(([name]) => names.test(name)).map(([, value]) => value)
  return values.length === 0 ? missing('not-supported', `/proc/vmstat has no ${names.source}`) : known(values.reduce((sum, value) => sum + value, 0))
}

/** Counters since boot. Swap counters of a kernel without swap are absent and truly zero. */
export const vmCounters = (counters: ReadonlyMap<string, number>): VmCounters => ({
  swapInPages: counters.get('pswpin') ?? 0,
  swapOutPages: counters.get('pswpout') ?? 0,
  majorFaults: counters.get('pgmajfault') ?? 0,
  refaultAnonPages: optional(counters, ['workingset_refault_anon'], '5.9'),
  // Before 5.9 there was one counter, and only file pages were counted in it.
  refaultFilePages: optional(counters, ['workingset_refault_file', 'workingset_refault'], '3.15'),
  oomKills: optional(counters, ['oom_kill'], '4.13'),
  allocStalls: sumOf(counters, /^allocstall(?:_|$)/u),
})

export const readVmCounters = (root: string): VmCounters => {
  const text = readText(under(root, '/proc/vmstat'))
  return vmCounters(text.value === null ? new Map() : parseCounters(text.value))
}
