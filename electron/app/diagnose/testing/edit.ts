import type { CgroupEvidence, Evidence, ProcessEvidence } from '../../../../helper/contract/evidence.ts'
import { known } from '../../../../helper/contract/known.ts'
import type { Severity } from '../../../contract/diagnosis.ts'
import { processOf } from './healthy.ts'

/** Ways to make a healthy machine just ill enough, or just not. */

export type Limits = Readonly<Record<string, number>>
export type Edit = (looks: readonly Evidence[], limit: Limits) => void

export interface Case {
  readonly rule: string
  /** What is changed, for the name of the test. */
  readonly edit: string
  /** How many looks, and how far apart; one where left out. */
  readonly looks?: number
  readonly stepMs?: number
  /** At or just beside the limit, where the rule must be silent. */
  readonly below: Edit
  /** Just past it. */
  readonly above: Edit
  /** The limit that both sides stand beside, by its name in the rule; none where no number decides. */
  readonly limit?: string
  /** How severe on each side, where the limit decides that alone: the rule then fires on both. */
  readonly severity?: readonly [below: Severity, above: Severity]
  /** Other rules that this change rightly makes fire too. */
  readonly also?: readonly string[]
  /** Other rules that rightly fire where this one is silent. */
  readonly instead?: readonly string[]
}

type Sides = Pick<Case, 'below' | 'above'>
type Sized = (looks: readonly Evidence[], value: number, limit: Limits) => void

/** One edit with a size: twice the same, just beside the limit. */
export const beside = (edit: Sized, below: (limit: Limits) => number, above: (limit: Limits) => number): Sides => ({
  below: (looks, limit) => edit(looks, below(limit), limit),
  above: (looks, limit) => edit(looks, above(limit), limit),
})

/** The same beside a limit of that name: `below` and `above` say the figure from the limit's value. */
export const near = (name: string, edit: Sized, below: (value: number) => number, above: (value: number) => number): Sides & { readonly limit: string } => ({
  limit: name,
  ...beside(edit, (limit) => below(limit[name] ?? Number.NaN), (limit) => above(limit[name] ?? Number.NaN)),
})

const same = (value: number): number => value

/** A figure that fires above its limit. */
export const over = (name: string, edit: Sized, by = 1.002) => near(name, edit, same, (value) => (value === 0 ? 1 : value * by))

/** A figure that fires below its limit. */
export const under = (name: string, edit: Sized, by = 0.998) => over(name, edit, by)

/** A count that fires above its limit, below it, and from it on. */
export const oneMore = (name: string, edit: Sized) => near(name, edit, same, (value) => value + 1)
export const oneLess = (name: string, edit: Sized) => near(name, edit, same, (value) => value - 1)
export const fromOn = (name: string, edit: Sized, step = 1) => near(name, edit, (value) => value - step, same)

export const MB = 1024 ** 2
export const GB = 1024 ** 3
export const total = (look: Evidence): number => look.meminfo['MemTotal'] ?? 0
/** Whole bytes of so many percent of memory; down for what must not pass a limit is the caller's business: whole bytes do not move a percentage. */
export const percentOfMemory = (look: Evidence, percent: number): number => Math.floor((total(look) * percent) / 100)

const seconds = (looks: readonly Evidence[], look: Evidence): number => (look.monotonicMs - (looks[0]?.monotonicMs ?? 0)) / 1000

/** /proc/meminfo in every look. */
export const meminfo = (looks: readonly Evidence[], name: string, bytes: (look: Evidence) => number): void => {
  for (const look of looks) look.meminfo[name] = Math.floor(bytes(look))
}

/**
 * The same machine with so much memory and all it holds smaller alike. On a
 * large one a limit in bytes is passed before that in percent.
 */
export const small = (looks: readonly Evidence[], bytes: number): void => {
  for (const look of looks) {
    const scaled = (value: number): number => Math.floor((value * bytes) / was)
    const was = total(look)
    // Of huge pages the number and the size are told.
    for (const [name, value] of Object.entries(look.meminfo)) if (!name.startsWith('Huge')) look.meminfo[name] = scaled(value)
    for (const device of look.swapDevices) Object.assign(device, { sizeBytes: scaled(device.sizeBytes), usedBytes: scaled(device.usedBytes) })
    for (const device of look.zram) Object.assign(device, { diskSizeBytes: scaled(device.diskSizeBytes), storedBytes: scaled(device.storedBytes), poolBytes: scaled(device.poolBytes) })
    for (const zone of look.zones) Object.assign(zone, { managedPages: scaled(zone.managedPages), highPages: scaled(zone.highPages), freeBlocks: zone.freeBlocks.map(scaled) })
    for (const node of look.numa) Object.assign(node, { totalBytes: scaled(node.totalBytes), freeBytes: scaled(node.freeBytes) })
    for (const cache of look.slab.value ?? []) cache.bytes = scaled(cache.bytes)
    for (const agent of look.agents) agent.cost.costBytes = scaled(agent.cost.costBytes)
  }
}

/** A counter of /proc/vmstat that rises so much a second from where it is in the first look. */
export const vmstat = (looks: readonly Evidence[], name: string, perSecond: number): void => {
  const from = looks[0]?.vmstat[name] ?? 0
  for (const look of looks) look.vmstat[name] = from + Math.round(perSecond * seconds(looks, look))
}

/** CPU time of a thread of the kernel: so many percent of a core. */
export const thread = (looks: readonly Evidence[], name: keyof Evidence['kernelThreadsCpuMs'], percent: number): void => {
  for (const look of looks) look.kernelThreadsCpuMs[name] = known(100 + percent * 10 * seconds(looks, look))
}

export const sysctl = (looks: readonly Evidence[], name: string, value: number | string): void => {
  for (const look of looks) look.sysctl[name.startsWith('/') ? name : `/proc/sys/vm/${name}`] = known(String(value))
}

export const mm = (looks: readonly Evidence[], path: string, value: number | string): void => {
  for (const look of looks) look.mm[path] = known(String(value))
}
export const ksm = (looks: readonly Evidence[], values: Readonly<Record<string, number>>): void => {
  for (const [name, value] of Object.entries(values)) mm(looks, `/sys/kernel/mm/ksm/${name}`, Math.round(value))
}
export const zswap = (looks: readonly Evidence[], name: string, value: number | string): void => mm(looks, `/sys/module/zswap/parameters/${name}`, value)
export const thp = (looks: readonly Evidence[], name: string, value: number | string): void => mm(looks, `/sys/kernel/mm/transparent_hugepage/${name}`, value)

/** All swap there is, in /proc/swaps and /proc/meminfo. */
export const swap = (looks: readonly Evidence[], devices: Evidence['swapDevices']): void => {
  for (const look of looks) {
    look.swapDevices = structuredClone(devices)
    look.meminfo['SwapTotal'] = devices.reduce((sum, device) => sum + device.sizeBytes, 0)
    look.meminfo['SwapFree'] = devices.reduce((sum, device) => sum + device.sizeBytes - device.usedBytes, 0)
  }
}
export const disk = (usedBytes: number, more: Partial<Evidence['swapDevices'][number]> = {}): Evidence['swapDevices'][number] => ({ path: '/dev/nvme0n1p3', kind: 'partition', sizeBytes: 16 * GB, usedBytes: Math.floor(usedBytes), priority: -2, ...more })
export const zram = (usedBytes: number, more: Partial<Evidence['swapDevices'][number]> = {}): Evidence['swapDevices'][number] => ({ path: '/dev/zram0', kind: 'zram', sizeBytes: 12 * GB, usedBytes: Math.floor(usedBytes), priority: 100, ...more })

export const pressure = (looks: readonly Evidence[], what: 'memory' | 'io' | 'cpu', some: Partial<Record<'avg10Percent' | 'avg60Percent', number>>, full: Partial<Record<'avg10Percent' | 'avg60Percent', number>> = {}): void => {
  for (const look of looks) {
    const value = look.pressure[what].value
    if (value === null) continue
    Object.assign(value.some, some)
    if (value.full.value !== null) Object.assign(value.full.value, full)
  }
}

export const group = (looks: readonly Evidence[], path: string, change: Partial<CgroupEvidence> | ((group: CgroupEvidence, seconds: number) => Partial<CgroupEvidence>)): void => {
  for (const look of looks) {
    for (const each of look.cgroups.value ?? []) if (each.path === path) Object.assign(each, typeof change === 'function' ? change(each, seconds(looks, look)) : change)
  }
}

/** A process more, in every look; `more` may depend on how many seconds have passed. */
export const process = (looks: readonly Evidence[], name: string, rss: number, more: (seconds: number) => Partial<ProcessEvidence> = () => ({})): void => {
  for (const look of looks) look.processes.push(processOf(9000, name, Math.floor(rss), more(seconds(looks, look))))
}

export const rival = (looks: readonly Evidence[], id: Evidence['rivals'][number]['id'], settings: Record<string, string> = {}): void => {
  for (const look of looks) look.rivals.push({ id, running: true, configured: true, settings })
}

export const each = (looks: readonly Evidence[], change: (look: Evidence, seconds: number) => void): void => {
  for (const look of looks) change(look, seconds(looks, look))
}
