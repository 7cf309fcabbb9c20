import type { ModuleAgent, ModuleBacking, ModuleStats } from '../contract/kernel-module.ts'
import type { Reading } from '../contract/reading.ts'
import { mapReading, readText, under, unescapeOctal } from './files.ts'

export const AGENT_STATS_PATH = '/proc/agent_stats'

const STATES = ['active', 'idle', 'suspended', 'gone'] as const
const stateOf = (word: string | undefined): ModuleAgent['state'] | null => STATES.find((state) => state === word) ?? null
const count = (word: string | undefined): number | null => (word !== undefined && /^\d{1,20}$/u.test(word) ? Number(word) : null)

/** Words of a line by the names in the first one; columns of later versions are left out. */
const agentOf = (names: readonly string[], words: readonly string[]): ModuleAgent | null => {
  const word = (name: string): string | undefined => {
    const at = names.indexOf(name)
    return at === -1 ? undefined : words[at]
  }
  const figures = ['pid', 'uid', 'importance', 'units', 'bytes', 'shared_bytes', 'hot_bytes', 'warm_bytes', 'idle_ms'].map((name) => count(word(name)))
  const [number, state, name, domain] = [word('agent'), stateOf(word('state')), word('name'), word('domain')]
  if (figures.includes(null) || number === undefined || count(number) === null || state === null || name === undefined || domain === undefined) return null
  const [pid = 0, uid, importance, units, bytes, sharedBytes, hotBytes, warmBytes, idleMs] = figures.map((figure) => figure ?? 0)
  return {
    number, state, pid: pid > 0 ? pid : null, uid: uid ?? 0, importance: importance ?? 0, units: units ?? 0, bytes: bytes ?? 0, sharedBytes: sharedBytes ?? 0,
    hotBytes: hotBytes ?? 0, warmBytes: warmBytes ?? 0, coldBytes: count(word('cold_bytes')) ?? 0, idleMs: idleMs ?? 0,
    name: unescapeOctal(name), domain: domain === '-' ? '' : unescapeOctal(domain),
  }
}

const BACKING_STATES = ['in-use', 'full', 'failing'] as const

const backingOf = (pairs: ReadonlyMap<string, string>): ModuleBacking | null => {
  const state = BACKING_STATES.find((word) => word === pairs.get('backing'))
  const mostBytes = count(pairs.get('backing_bytes'))
  return state === undefined || mostBytes === null ? null : { state, mostBytes, usedBytes: count(pairs.get('backing_used_bytes')) ?? 0 }
}

/** `total agents 2 units 5 ...`: pairs of a name and a word. */
const totalsOf = (line: string): ModuleStats['totals'] | null => {
  const words = line.split(/\s+/u).slice(1)
  const pairs = new Map<string, string>()
  for (let at = 0; at + 1 < words.length; at += 2) pairs.set(words[at] ?? '', words[at + 1] ?? '')
  const figure = (name: string): number | null => count(pairs.get(name))
  const [agents, units, bytes, contents, contentBytes, hotBytes, warmBytes] = ['agents', 'units', 'bytes', 'contents', 'content_bytes', 'hot_bytes', 'warm_bytes'].map(figure)
  const driver = pairs.get('compressor')
  if (agents == null || units == null || bytes == null || contents == null || contentBytes == null || hotBytes == null || warmBytes == null || driver === undefined) return null
  return { agents, units, bytes, contents, contentBytes, hotBytes, warmBytes, coldBytes: figure('cold_bytes') ?? 0, driver, backing: backingOf(pairs) }
}

/** /proc/agent_stats as text; null where it is not what the module writes. */
export const parseAgentStats = (text: string): ModuleStats | null => {
  const lines = text.split('\n').filter((line) => line !== '')
  const names = lines[0]?.split(' ') ?? []
  const total = lines.find((line) => line.startsWith('total '))
  const totals = total === undefined ? null : totalsOf(total)
  if (names[0] !== 'agent' || totals === null) return null
  const agents = lines.slice(1).filter((line) => /^\d/u.test(line)).map((line) => agentOf(names, line.split(' ')))
  return agents.includes(null) ? null : { agents: agents.filter((agent) => agent !== null), totals }
}

/** Agents of the reader's user (root: of all) and the sums over them; missing where the module is not loaded. */
export const readAgentStats = (root: string): Reading<ModuleStats> => mapReading(readText(under(root, AGENT_STATS_PATH)), parseAgentStats, AGENT_STATS_PATH)
