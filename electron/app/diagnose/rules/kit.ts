import type { Agent } from '../../../../helper/contract/agents.ts'
import type { Evidence, ProcessEvidence } from '../../../../helper/contract/evidence.ts'
import { amount, listed } from '../../amounts.ts'
import type { Looks } from '../rule.ts'
import { numberIn, within } from '../series.ts'

/** What several rules read and say. */

export const MB = 1024 ** 2
export const GB = 1024 ** 3

export const vm = (name: string): string => `/proc/sys/vm/${name}`
export const ksm = (name: string): string => `/sys/kernel/mm/ksm/${name}`
export const thp = (name: string): string => `/sys/kernel/mm/transparent_hugepage/${name}`
export const zswap = (name: string): string => `/sys/module/zswap/parameters/${name}`

/** A rate needs two looks at least this far apart: over less, one burst decides. */
export const RATE_MS = 1000

/** Rates are of the last five minutes: what was an hour ago is no trouble now. */
export const recent = (looks: Looks): Looks => within(looks, 5 * 60_000)

export const percentOf = (part: number, whole: number): number => (whole > 0 ? (part * 100) / whole : 0)

/** Bytes of /proc/meminfo, 0 where the kernel has no such field: for sums, never for a verdict. */
export const mem = (look: Evidence, name: string): number => look.meminfo[name] ?? 0
export const totalOf = (look: Evidence): number => mem(look, 'MemTotal')
export const availablePercent = (look: Evidence): number => percentOf(mem(look, 'MemAvailable'), totalOf(look))

export const zswapOn = (look: Evidence): boolean => /^[Y1]/iu.test(look.mm[zswap('enabled')]?.value ?? '')
export const ksmRuns = (look: Evidence): boolean => numberIn(look.mm, ksm('run')) === 1

/** Swap whose pages are compressed in memory: there it may be used freely. */
export const hasCompressedSwap = (look: Evidence): boolean =>
  look.swapDevices.length > 0 && (zswapOn(look) || look.swapDevices.some((device) => device.kind === 'zram'))

export const swapUsed = (look: Evidence): number => look.swapDevices.reduce((sum, device) => sum + device.usedBytes, 0)
export const swapSize = (look: Evidence): number => look.swapDevices.reduce((sum, device) => sum + device.sizeBytes, 0)

/** Living agents that rest for at least so long; one whose idle time is not known is not idle. */
export const idleAgents = (look: Evidence, minIdleMs: number): readonly Agent[] =>
  look.agents.filter((agent) => agent.state === 'idle' && agent.idleMs.value !== null && agent.idleMs.value >= minIdleMs)

export const costOf = (agents: readonly Agent[]): number => agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0)

/** What a process holds in memory: its fair share where it may be read, else all it has mapped. */
export const heldBy = (process: ProcessEvidence): number => process.pssBytes.value ?? process.rssBytes.value ?? 0

/** "The largest are node (1.2 GB) and java (800 MB)."; empty where none may be looked at. */
export const largestWords = (look: Evidence, count = 3): string => {
  const top = look.processes.filter((process) => heldBy(process) > 0).toSorted((a, b) => heldBy(b) - heldBy(a) || a.ref.pid - b.ref.pid).slice(0, count)
  if (top.length === 0) return ''
  return ` The largest ${top.length === 1 ? 'program is' : 'programs are'} ${listed(top.map((process) => `${process.title || process.name} (${amount(heldBy(process))})`))}.`
}

/** A process as a person finds it again. */
export const processWords = (process: ProcessEvidence): string => `${process.title || process.name} (process ${process.ref.pid})`
export const processSubject = (process: ProcessEvidence): string => `${process.ref.pid}:${process.ref.startTimeTicks}`

const byProcess = new WeakMap<Evidence, ReadonlyMap<string, ProcessEvidence>>()

/** The same process in another look; looks may have hundreds, and several rules follow each of them. */
export const sameProcess = (look: Evidence, process: ProcessEvidence): ProcessEvidence | undefined => {
  let known = byProcess.get(look)
  if (known === undefined) {
    known = new Map(look.processes.map((each) => [processSubject(each), each]))
    byProcess.set(look, known)
  }
  return known.get(processSubject(process))
}

/** Zones that programs' memory comes from, where there is enough of them to judge. */
export const largeZones = (look: Evidence) => look.zones.filter((zone) => zone.managedPages * look.pageBytes >= 64 * MB)
