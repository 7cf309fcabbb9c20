import type { CompressedSwapSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { ZramDevice } from '../contract/snapshot.ts'
import type { Draft, StepDraft } from './draft.ts'
import { zswapPath } from './paths.ts'
import { presentOf, sizeText } from './present.ts'

/** lz4 first: 15 CPU-seconds for 6.8 GB of agents where deflate took 171, and the quickest way back. */
export const DEFAULT_COMPRESSORS = ['lz4', 'lzo-rle', 'zstd', 'lzo'] as const

/** A device that nobody has given a size yet. */
const unused = (probe: Probe): ZramDevice | undefined =>
  probe.machine.zram.find((device) => device.diskSizeBytes === 0 && !probe.machine.swapDevices.some((swap) => swap.path === `/dev/${device.name}`))

export const zramPossible = (probe: Probe): boolean => probe.zramControl || unused(probe) !== undefined

export const planZram = (settings: CompressedSwapSettings, probe: Probe, size: { sizeBytes: number; priority: number }, draft: Draft): void => {
  const device = unused(probe)
  if (device === undefined && !probe.zramControl) {
    draft.skipped.push({
      source: 'compressed-swap',
      what: 'zram',
      reason: 'the kernel module zram is not loaded or not there: "sudo modprobe zram" loads it where the kernel has it',
      kind: 'impossible',
    })
    return
  }
  // An unused device lists what this kernel offers; for a new one any device does, they all list the same.
  const offered = (device ?? probe.machine.zram[0])?.algorithms ?? []
  const asked: readonly string[] = settings.compressors ?? DEFAULT_COMPRESSORS
  const usable = offered.length === 0 ? [...asked] : asked.filter((name) => offered.includes(name))
  const refused = asked.filter((name) => !usable.includes(name))
  if (refused.length > 0 && settings.compressors !== undefined) {
    draft.skipped.push({ source: 'compressed-swap', what: `compressor ${refused.join(', ')}`, reason: `zram of this kernel offers ${offered.join(', ')}`, kind: 'impossible' })
  }
  const algorithms = usable.length > 0 ? usable : offered.slice(0, 1)
  if (algorithms.length === 0) algorithms.push('lzo-rle')
  const step = (rest: Omit<StepDraft, 'source'>) => draft.steps.push({ source: 'compressed-swap', ...rest })

  const zswap = presentOf(probe, zswapPath('enabled'))
  if (zswap === 'Y' && probe.machine.swapDevices.length === 0) {
    step({
      operation: { op: 'write', path: zswapPath('enabled'), value: 'N' },
      target: zswapPath('enabled'),
      old: zswap,
      new: 'N',
      undoClass: 'now',
      undo: 'writes Y back',
      why: 'zswap before zram would compress every page twice.',
    })
  }

  const name = device?.name ?? 'new'
  const node = device === undefined ? 'zram:new' : `/dev/${device.name}`
  const shown = device === undefined ? 'a new zram device' : node
  step({
    operation: { op: 'zram-init', device: name, algorithms, sizeBytes: size.sizeBytes },
    target: shown,
    old: device === undefined ? null : `unused, ${device.algorithm}`,
    new: `${sizeText(size.sizeBytes)}, ${algorithms.length === 1 ? '' : 'first of '}${algorithms.join(', ')}`,
    undoClass: 'when-it-fits',
    undo: device === undefined ? 'removes the device' : `resets the device to unused, ${device.algorithm}`,
    why: 'A disk in memory that compresses what is written to it: pages of idle agents take about a third of their size there.',
  })
  step({
    operation: { op: 'make-swap', path: node },
    target: shown,
    old: 'no swap signature',
    new: 'swap signature',
    undoClass: 'now',
    undo: 'goes with the device',
    why: 'Marks the device as swap space.',
  })
  step({
    operation: { op: 'swap-on', path: node, priority: size.priority },
    target: shown,
    old: 'not in use',
    new: `in use as swap, priority ${size.priority}`,
    undoClass: 'when-it-fits',
    undo: 'stops using it as swap, once what it holds fits into free memory',
    why: 'Lets the kernel move idle pages there before it touches any disk.',
  })
  draft.notes.push(
    `Compressed swap may hold up to ${sizeText(size.sizeBytes)} of pages, in about a third of that memory. It uses CPU time when pages go out and come back, none while they rest.`,
  )
}
