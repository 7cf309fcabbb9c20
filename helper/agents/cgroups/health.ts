import { parsePressure } from '../../observe/pressure.ts'
import { readText, under } from '../../observe/files.ts'
import { parseCounters } from '../../observe/vmstat.ts'

/** How a limited cgroup does; counters are since it was made. */
export interface GroupHealth {
  readonly currentBytes: number
  /** Times it was at `max`, ran out of memory, and had a process ended for it. */
  readonly maxEvents: number
  readonly oomEvents: number
  readonly oomKills: number
  readonly highEvents: number
  /** Share of the last ten seconds in which none of its processes could go on for want of memory; 0 without PSI. */
  readonly stalledPercent: number
}

/** null when the cgroup is gone or memory is not accounted in it. */
export const readHealth = (root: string, folder: string): GroupHealth | null => {
  const file = (leaf: string): string | null => readText(under(root, `${folder}/${leaf}`), 'vanished').value
  const current = file('memory.current')
  if (current === null) return null
  const events = parseCounters(file('memory.events') ?? '')
  const at = (name: string): number => events.get(name) ?? 0
  const pressure = parsePressure(file('memory.pressure') ?? '')
  return {
    currentBytes: Number(current.trim()),
    maxEvents: at('max'),
    oomEvents: at('oom'),
    oomKills: at('oom_kill'),
    highEvents: at('high'),
    stalledPercent: pressure?.full.value?.avg10Percent ?? 0,
  }
}

/** Standing still for so much of ten seconds is more than being slowed down. */
export const STALLED_PERCENT = 50
/** Looks in a row: one burst that high takes care of is what a limit is for. */
export const STALLED_LOOKS = 3

/** Why a limit has to go; null while it works. `stalledLooks` counts the looks in a row above the bound, this one included. */
export const verdict = (before: GroupHealth, now: GroupHealth, stalledLooks: number): string | null => {
  if (now.oomKills > before.oomKills) return `a process was ended ${now.oomKills - before.oomKills} times because the limit left no memory`
  if (now.oomEvents > before.oomEvents) return 'it ran out of memory below its limit'
  if (stalledLooks >= STALLED_LOOKS) return `it stood still for ${Math.round(now.stalledPercent)} % of the last ten seconds, waiting for memory`
  return null
}
