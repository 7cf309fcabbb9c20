import type { Evidence } from '../../../../helper/contract/evidence.ts'
import type { TunableSettings } from '../../../../helper/contract/tunables.ts'
import type { Found, Offer } from '../rule.ts'
import { leaveIt, moreMemory } from './offers.ts'

/** Leaves out ways to act that this machine cannot go. */

const OF_AGENTS = new Set(['page-out-idle', 'suspend-idle', 'end-unneeded', 'limit-agents', 'suspend-it'])

/** The file behind each setting; one that is not there cannot be tried. */
const FILES: Readonly<Record<keyof TunableSettings, string>> = {
  swappiness: '/proc/sys/vm/swappiness',
  watermarkScaleFactor: '/proc/sys/vm/watermark_scale_factor',
  minFreeBytes: '/proc/sys/vm/min_free_kbytes',
  vfsCachePressure: '/proc/sys/vm/vfs_cache_pressure',
  pageCluster: '/proc/sys/vm/page-cluster',
  dirtyBytes: '/proc/sys/vm/dirty_bytes',
  dirtyBackgroundBytes: '/proc/sys/vm/dirty_background_bytes',
  dirtyExpireMs: '/proc/sys/vm/dirty_expire_centisecs',
  transparentHugePages: '/sys/kernel/mm/transparent_hugepage/enabled',
  hugePageDefrag: '/sys/kernel/mm/transparent_hugepage/defrag',
  compactionProactiveness: '/proc/sys/vm/compaction_proactiveness',
  overcommitMemory: '/proc/sys/vm/overcommit_memory',
  lruMinTtlMs: '/sys/kernel/mm/lru_gen/min_ttl_ms',
  hugePages: '/proc/sys/vm/nr_hugepages',
  compactNow: '/proc/sys/vm/extfrag_threshold', // beside compact_memory, which cannot be read
}

const isThere = (look: Evidence, path: string): boolean => (look.sysctl[path]?.value ?? look.mm[path]?.value ?? null) !== null

/** Files that count in another unit than their setting. */
const PER_UNIT: Partial<Record<keyof TunableSettings, number>> = { minFreeBytes: 1024, dirtyExpireMs: 10 }

const isSo = (look: Evidence, name: keyof TunableSettings, wanted: unknown): boolean => {
  if (name === 'compactNow') return false
  const text = look.sysctl[FILES[name]]?.value ?? look.mm[FILES[name]]?.value ?? ''
  const now = /\[([^\]]+)\]/u.exec(text)?.[1] ?? text
  return typeof wanted === 'number' ? Math.floor(wanted / (PER_UNIT[name] ?? 1)) === Number(now) : now === wanted
}

const canTry = (look: Evidence, { act }: Offer): boolean => {
  if (act.how !== 'try-run' || act.settings.tunables === undefined) return true
  const wanted = Object.entries(act.settings.tunables) as [keyof TunableSettings, unknown][]
  if (!wanted.every(([name]) => isThere(look, FILES[name]))) return false
  // Above 100 since 5.8; and what is so already wins nothing.
  const [major, minor] = look.kernelVersion
  if ((act.settings.tunables.swappiness ?? 0) > 100 && (major < 5 || (major === 5 && minor < 8))) return false
  return !wanted.every(([name, value]) => isSo(look, name, value))
}

const makesSense = (look: Evidence, offer: Offer): boolean => {
  const living = look.agents.filter((agent) => agent.state !== 'gone')
  if (OF_AGENTS.has(offer.id) && living.length === 0) return false
  // Without swap the kernel takes the advice to page out and does nothing.
  if (offer.id === 'page-out-idle' && (look.swapDevices.length === 0 || !living.some((agent) => agent.state === 'idle'))) return false
  return canTry(look, offer)
}

/** At least two remain: where few are left, what always can be done is added. */
export const fit = (look: Evidence, offers: Found['solutions']): Found['solutions'] => {
  const left = offers.filter((offer) => makesSense(look, offer))
  const always = [moreMemory(), leaveIt('Leave it for now', 'Look again later: one look tells of one moment.', 'It may go on.')].filter((offer) => !left.some((each) => each.id === offer.id))
  const [first, second, ...rest] = left.length >= 2 ? left : [...left, ...always]
  return first === undefined || second === undefined ? offers : [first, second, ...rest]
}
