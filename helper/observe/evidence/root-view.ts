import type { Evidence, RootEvidence } from '../../contract/evidence.ts'
import { known } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { readPageBytes } from '../kernel.ts'
import { readKernelMessages } from './messages.ts'
import { readZswapDebug } from './settings.ts'
import { readSlab } from './slab.ts'
import { readZones } from './zones.ts'

const MB = 1024 ** 2
/** Smaller caches cannot be why memory is full. */
const LEAST_BYTES = 8 * MB

const rounded = (value: number, to: number): number => Math.round(value / to) * to

type Slab = Evidence['slab']

/** Too coarse to follow single objects by, fine enough to say where memory is. */
const coarse = (slab: Slab): Slab =>
  slab.value === null
    ? slab
    : known(slab.value.flatMap(({ name, bytes, activeObjects, objects }) => (bytes < LEAST_BYTES ? [] : [{ name, bytes: rounded(bytes, MB), activeObjects: rounded(activeObjects, 1000), objects: rounded(objects, 1000) }])))

const WORDS = {
  'oom-kill': 'a process was killed: out of memory',
  'cgroup-oom-kill': 'a process was killed at its cgroup\'s limit',
  'allocation-failure': 'no block of pages was large enough',
  'swap-error': 'swap could not be read or written',
  'hung-task': 'a process was stuck',
} as const

/** As root, for any user: see rootEvidenceSchema for what is left out. */
export const readRootView = (root: string): RootEvidence => {
  const messages = readKernelMessages(root)
  return {
    zswapDebug: readZswapDebug(root),
    zones: readZones(root),
    slab: coarse(readSlab(root, readPageBytes(root))),
    kernelMessages: messages.value === null ? messages : known(messages.value.map(({ atS, kind }) => ({ atS, kind, text: WORDS[kind] }))),
  }
}

const either = <T>(own: Reading<T>, other: Reading<T>): Reading<T> => (own.value === null ? other : own)

/** A user's look with what root alone could add; what the user could read itself stays. */
export const withRootView = (look: Evidence, view: RootEvidence): Evidence => ({
  ...look,
  zswapDebug: Object.keys(look.zswapDebug).length > 0 ? look.zswapDebug : view.zswapDebug,
  zones: look.zones.map((zone) => {
    const other = view.zones.find(({ node, zone: name }) => node === zone.node && name === zone.zone)
    return other === undefined ? zone : { ...zone, fragmentationIndex: either(zone.fragmentationIndex, other.fragmentationIndex) }
  }),
  slab: either(look.slab, view.slab),
  kernelMessages: either(look.kernelMessages, view.kernelMessages),
})
