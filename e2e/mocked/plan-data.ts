import { createHash } from 'node:crypto'
import type { Agent } from '../../helper/contract/agents.ts'
import type { Plan, Step } from '../../helper/contract/plan.ts'
import type { PresetSettings } from '../../helper/contract/presets.ts'
import { controlOf } from './fleet.ts'
import { KERNEL } from './machine.ts'
import type { ModuleScenario } from './module-data.ts'

type Draft = Omit<Step, 'number'>

const write = (source: Step['source'], path: string, old: string, value: string, why: string): Draft => ({
  source,
  operation: { op: 'write', path, value },
  target: path,
  old,
  new: value,
  undoClass: 'now',
  undo: `write ${old} back`,
  why,
})

const tunableFiles: Readonly<Record<string, readonly [string, string]>> = {
  swappiness: ['/proc/sys/vm/swappiness', '60'],
  watermarkScaleFactor: ['/proc/sys/vm/watermark_scale_factor', '10'],
  pageCluster: ['/proc/sys/vm/page-cluster', '3'],
}

export interface PlanOptions {
  ksm: boolean
  swapPossible: boolean
  /** Compressed swap is on already. */
  swapOn?: boolean
  /** Merging is on already. */
  ksmOn?: boolean
  module?: ModuleScenario
}

export interface Planned {
  plan: Plan
  treated: Agent[]
  control: Agent[]
}

const planModule = ({ mode, compressor = 'zstd', backingBytes = 0 }: NonNullable<PresetSettings['kernelModule']>, module: ModuleScenario, steps: Draft[], skipped: Plan['skipped'], notes: string[]): void => {
  const skip = (what: string, reason: string, kind: Plan['skipped'][number]['kind']): number => skipped.push({ source: 'kernel-module', what, reason, kind })
  if (mode === 'unload') {
    if (module === 'loaded' || module === 'no-compressor') skip('unload the kernel module', 'it is in use by planner (5200), release-notes (5201): end them first, their units are in it', 'impossible')
    else if (module !== 'idle') skip('unload the kernel module', 'it is not loaded', 'already-so')
    else steps.push({ source: 'kernel-module', operation: { op: 'module-unload' }, target: 'agentmem.ko', old: 'loaded', new: 'not loaded', undoClass: 'when-it-fits', undo: 'loads it again with the same parameters', why: 'Nobody uses it; programs keep their units in the broker instead.' })
    return
  }
  if (module !== 'off') skip('load the kernel module', 'it is loaded', 'already-so')
  else {
    steps.push({ source: 'kernel-module', operation: { op: 'module-load', compressor }, target: 'agentmem.ko', old: 'not loaded', new: `loaded, compressing with ${compressor}`, undoClass: 'when-it-fits', undo: 'unloads it, once no program uses it', why: 'Programs of all agents then share and compress their units in the kernel, without a process in between.' })
    notes.push('The module is code of this project inside the kernel: a fault in it can stop the machine. It marks the kernel as tainted by code from outside of it (O, and E where it is not signed).')
  }
  if (backingBytes > 0) {
    const size = `${(backingBytes / 1024 ** 3).toFixed(1)} GB`
    steps.push({ source: 'kernel-module', operation: { op: 'module-backing', sizeBytes: backingBytes }, target: 'backing file of agentmem.ko', old: module === 'off' ? null : 'none', new: `up to ${size}`, undoClass: 'when-it-fits', undo: 'brings back to memory what is on it, and takes it away', why: 'Units that nobody read for two days leave memory for the disk, and come back when they are read.' })
    notes.push('On the backing file units are compressed, not encrypted: they are as safe there as on the disk it lies on. It has no name, and nothing on it means anything after a restart.')
  }
}

/** What the helper's planner would answer for these settings on the laptop of machine.ts. */
export const makePlanFor = (settings: PresetSettings, agents: readonly Agent[], chosen: readonly string[] | null, options: PlanOptions): Planned => {
  const steps: Draft[] = []
  const skipped: Plan['skipped'] = []
  const notes: string[] = []
  const { ksm, compressedSwap, pruneCache, reclaim, tunables, kernelModule } = settings
  for (const [name, value] of Object.entries(tunables ?? {})) {
    const [path, old] = tunableFiles[name] ?? [`/proc/sys/vm/${name}`, '0']
    steps.push(write('tunables', path, old, String(value), 'Tries this setting of the kernel.'))
  }

  const swapOn = options.swapOn === true
  if (compressedSwap !== undefined && compressedSwap.mode !== 'off') {
    if (swapOn) skipped.push({ source: 'compressed-swap', what: 'Compressed swap', reason: '8 GB of it is active.', kind: 'already-so' })
    else if (options.swapPossible) {
      const size = Math.round(((compressedSwap.sizePercentOfMemory ?? 50) / 100) * 15.6)
      steps.push(
        { source: 'compressed-swap', operation: { op: 'zram-init', device: 'zram0', algorithms: ['zstd', 'lz4'], sizeBytes: size * 1024 ** 3 }, target: '/sys/block/zram0/disksize', old: '0', new: `${size} GB, zstd`, undoClass: 'when-it-fits', undo: 'reset the device once it is empty', why: 'Makes a compressed place in memory for pages that nobody touches.' },
        { source: 'compressed-swap', operation: { op: 'make-swap', path: '/dev/zram0' }, target: '/dev/zram0', old: null, new: 'swap signature', undoClass: 'now', undo: 'goes with the device', why: 'The kernel takes only marked devices as swap.' },
        { source: 'compressed-swap', operation: { op: 'swap-on', path: '/dev/zram0', priority: 100 }, target: '/dev/zram0', old: 'off', new: 'on, priority 100', undoClass: 'when-it-fits', undo: 'swap off, once its content fits into memory', why: 'Turns it on, before any slower swap.' },
      )
      skipped.push({ source: 'compressed-swap', what: 'zswap', reason: 'This kernel offers only lzo and deflate for it; zram is faster here.', kind: 'not-needed' })
    } else skipped.push({ source: 'compressed-swap', what: 'Compressed swap', reason: 'No swap is possible here: the kernel has no zram, and the disk has 0.4 GB free where 8 are needed.', kind: 'impossible' })
  }
  if (compressedSwap?.mode === 'off' && swapOn)
    steps.push({ source: 'compressed-swap', operation: { op: 'swap-off', path: '/dev/zram0' }, target: '/dev/zram0', old: 'in use', new: 'removed', undoClass: 'when-it-fits', undo: 'makes it again with the same size', why: 'Takes back the compressed swap added earlier.' })
  else if (compressedSwap?.mode === 'off') skipped.push({ source: 'compressed-swap', what: 'Compressed swap', reason: 'We have not added any.', kind: 'already-so' })
  if (ksm !== undefined) {
    if (!options.ksm) skipped.push({ source: 'ksm', what: 'Merging of equal pages', reason: 'This kernel was built without CONFIG_KSM.', kind: 'impossible' })
    else if (ksm.mode === 'merge' && options.ksmOn === true) skipped.push({ source: 'ksm', what: 'Merging of equal pages', reason: 'It is on already.', kind: 'already-so' })
    else if (ksm.mode === 'merge') {
      const base = '/sys/kernel/mm/ksm'
      steps.push(
        write('ksm', `${base}/pages_to_scan`, '100', String(ksm.pagesToScan ?? 1000), 'Looks at more pages each time, so that merging takes minutes and not hours.'),
        write('ksm', `${base}/run`, '0', '1', 'Starts merging pages that are equal.'),
      )
      notes.push('Merging lets one of your own programs find out by timing whether another has a certain page. On a machine that only you use this hardly matters.')
      skipped.push({ source: 'ksm', what: 'sleep_millisecs', reason: 'It is 20 ms already.', kind: 'already-so' })
    } else if (options.ksmOn === true) {
      steps.push({ source: 'ksm', operation: { op: 'ksm-unmerge' }, target: '/sys/kernel/mm/ksm/run', old: '1', new: '0', undoClass: 'now', undo: 'starts merging again', why: 'Takes merged pages apart and stops merging.' })
    } else skipped.push({ source: 'ksm', what: 'Merging of equal pages', reason: 'It is off already.', kind: 'already-so' })
  }
  if (kernelModule !== undefined) planModule(kernelModule, options.module ?? 'off', steps, skipped, notes)
  if (pruneCache !== undefined)
    steps.push({ source: 'prune-cache', operation: { op: 'prune-cache', level: pruneCache.level }, target: '/proc/sys/vm/drop_caches', old: null, new: String(pruneCache.level), undoClass: 'now', undo: 'nothing to undo: the cache fills again as files are read', why: 'Writes unsaved data to disk, then gives the cache back.' })
  const idle = agents.filter((agent) => reclaim === undefined || (agent.state === 'idle' && (agent.idleMs.value ?? 0) >= Math.max(reclaim.minIdleMs, 120_000)))
  const wanted = chosen === null ? idle : agents.filter((agent) => chosen.includes(agent.id))
  const control = reclaim === undefined || chosen !== null ? [] : controlOf(agents).filter((agent) => wanted.includes(agent))
  const treated = wanted.filter((agent) => !control.includes(agent))
  const canPageOut = compressedSwap === undefined ? swapOn || options.swapOn === undefined : options.swapPossible && compressedSwap.mode !== 'off'
  if (reclaim !== undefined && !canPageOut) skipped.push({ source: 'reclaim', what: 'page out agents', reason: 'there is no compressed swap, and none is planned', kind: 'impossible' })
  const paged = reclaim !== undefined && canPageOut ? treated : []
  for (const agent of paged)
    steps.push({
      source: 'reclaim',
      operation: { op: 'reclaim', agentId: agent.id, title: `${agent.title} ${agent.name}`, processes: agent.processes.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })), cgroup: null },
      target: agent.title,
      old: `${Math.round(agent.cost.pssBytes / 1024 ** 2)} MB resident`,
      new: 'paged out',
      undoClass: 'now',
      undo: 'nothing to undo: pages come back when they are used',
      why: agent.state === 'active' ? 'It is active: the pages it works with come back at once.' : `Idle for ${Math.round((agent.idleMs.value ?? 0) / 60_000)} min; its pages move into compressed swap.`,
    })
  if (paged.length > 0) notes.push('The first key in a paged-out agent answers in about 50 ms instead of 20.')
  const active = reclaim?.minIdleMs === 0 ? paged.filter((agent) => agent.state === 'active') : []
  if (active.length > 0) notes.push(`${active.length} of these ${paged.length} agents are active, not idle: the pages they work with come back soon after.`)
  const numbered = steps.map((step, i): Step => ({ ...step, number: i + 1 }))
  const digest = createHash('sha256').update(JSON.stringify(numbered)).digest('hex')
  return { plan: { version: 1, digest, kernelRelease: KERNEL, steps: numbered, skipped, notes }, treated, control }
}
