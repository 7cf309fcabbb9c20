import { readdirSync } from 'node:fs'
import type { Agent } from '../../contract/agents.ts'
import type { CgroupEvidence } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { readCgroupLayout } from '../cgroup.ts'
import { integer, mapReading, readInteger, readText, under } from '../files.ts'
import { parsePressure } from '../pressure.ts'
import { parseCounters } from '../vmstat.ts'

/** A tree larger than that is looked at from the top as far as this goes. */
const MOST_LOOKED_AT = 2000
/** Of those without an agent, so many of the largest. */
const MOST_LARGE = 24
const MOST_TOLD = 128

interface Seen { readonly path: string; readonly currentBytes: number; readonly events: Readonly<Record<string, number>> }

const counters = (path: string): Record<string, number> => Object.fromEntries(parseCounters(readText(path, 'vanished').value ?? ''))

const childrenOf = (folder: string): string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted()
  } catch {
    return [] // removed in between
  }
}

/** Every cgroup from the top down, by two small files each: what it holds, and what happened to it. */
const walk = (root: string, mount: string): Seen[] => {
  const seen: Seen[] = []
  const todo = ['']
  for (let i = 0; i < todo.length && i < MOST_LOOKED_AT; i += 1) {
    const path = todo[i] ?? ''
    const folder = under(root, `${mount}${path}`)
    seen.push({ path, currentBytes: readInteger(`${folder}/memory.current`).value ?? 0, events: counters(`${folder}/memory.events`) })
    todo.push(...childrenOf(folder).map((name) => `${path}/${name}`))
  }
  return seen
}

const ancestors = (path: string): string[] => path.split('/').slice(1).map((_, i, parts) => `/${parts.slice(0, i + 1).join('/')}`)

const sum = (seen: Seen, names: readonly string[]): number => names.reduce((total, name) => total + (seen.events[name] ?? 0), 0)

/** Those of agents and all above them, the largest, those something happened to, and the top. */
const choose = (seen: readonly Seen[], agentPaths: ReadonlySet<string>): Seen[] => {
  const chosen = new Set(['', ...[...agentPaths].flatMap(ancestors)])
  for (const { path } of seen.toSorted((a, b) => b.currentBytes - a.currentBytes || (a.path < b.path ? -1 : 1)).slice(0, MOST_LARGE)) chosen.add(path)
  for (const each of seen) if (sum(each, ['high', 'max', 'oom', 'oom_kill']) > 0) chosen.add(each.path)
  return seen.filter((each) => chosen.has(each.path)).slice(0, MOST_TOLD)
}

/** A limit; "max" is none. */
const limit = (path: string): Reading =>
  mapReading(readText(path), (text): Reading | null => {
    const value = integer(text.trim())
    return text.trim() === 'max' ? missing('not-measured', 'max: no limit') : value === null ? null : known(value)
  }, path).value ?? missing('not-supported', `no ${path}`)

/**
 * The v2 hierarchy. Missing as a whole where it does not account memory: v1
 * has neither events nor pressure, and rules would take gaps for peace.
 */
export const readCgroups = (root: string, agents: readonly Agent[]): Reading<CgroupEvidence[]> => {
  const layout = readCgroupLayout(root)
  if (layout.v2Mount === null || !layout.memoryController) return missing('not-supported', `cgroup ${layout.version}: memory is not accounted in a v2 hierarchy`)
  const mount = layout.v2Mount
  const paths = agents.flatMap((agent) => (agent.cgroup.value === null || agent.cgroup.value.includes('..') ? [] : [agent.cgroup.value]))
  return known(choose(walk(root, mount), new Set(paths)).map(({ path, events }): CgroupEvidence => {
    const file = (leaf: string): string => under(root, `${mount}${path}/${leaf}`)
    const pressure = readText(file('memory.pressure'))
    return {
      path: path === '' ? '/' : path,
      currentBytes: readInteger(file('memory.current')),
      peakBytes: readInteger(file('memory.peak')),
      swapBytes: readInteger(file('memory.swap.current')),
      highBytes: limit(file('memory.high')),
      maxBytes: limit(file('memory.max')),
      swapMaxBytes: limit(file('memory.swap.max')),
      lowBytes: limit(file('memory.low')),
      events,
      stat: counters(file('memory.stat')),
      memoryPressure: mapReading(pressure, parsePressure, 'memory.pressure'),
      dyingDescendants: counters(file('cgroup.stat'))['nr_dying_descendants'] ?? 0,
      processes: (readText(file('cgroup.procs')).value ?? '').split('\n').filter((line) => line !== '').length,
      agents: paths.filter((each) => each === (path === '' ? '/' : path)).length,
    }
  }))
}
