import type { CompressedSwapSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { SwapDevice } from '../contract/snapshot.ts'
import { emptyDraft, type Draft } from './draft.ts'
import { SWAP_FOLDER, zswapPath } from './paths.ts'
import { presentOf, sizeText } from './present.ts'
import { planZram, zramPossible } from './zram.ts'
import { planZswap, planZswapParameters, zswapProblem } from './zswap.ts'

export const DEFAULT_SIZE_PERCENT = 50
const MIB = 1024 ** 2

/** Whether a swap device keeps what it is given compressed in memory. */
const isCompressed = (device: SwapDevice, zswapOn: boolean): boolean => device.kind === 'zram' || zswapOn

/**
 * Compressed swap in use now. `leads`: pages that go out now reach compressed
 * swap first, because no plain disk swap has a higher priority.
 */
export const activeCompressed = (probe: Probe): { bytes: number; leads: boolean; topPriority: number } => {
  const zswapOn = presentOf(probe, zswapPath('enabled')) === 'Y'
  const devices = probe.machine.swapDevices
  const compressed = devices.filter((device) => isCompressed(device, zswapOn))
  const plain = devices.filter((device) => !isCompressed(device, zswapOn))
  const top = (list: readonly SwapDevice[]) => list.reduce((most, device) => Math.max(most, device.priority), -100)
  return {
    bytes: compressed.reduce((sum, device) => sum + device.sizeBytes, 0),
    leads: compressed.length > 0 && top(compressed) > top(plain),
    topPriority: top(devices),
  }
}

const planOff = (probe: Probe, ourSwap: readonly string[], draft: Draft): void => {
  const active = probe.machine.swapDevices.filter((device) => ourSwap.includes(device.path))
  for (const device of probe.machine.swapDevices) {
    if (!ourSwap.includes(device.path)) draft.skipped.push({ source: 'compressed-swap', what: device.path, reason: 'this program did not add it, so it stays as it is', kind: 'not-needed' })
  }
  if (active.length === 0) {
    draft.skipped.push({ source: 'compressed-swap', what: 'remove our compressed swap', reason: 'none of ours is active', kind: 'already-so' })
    return
  }
  for (const device of active) {
    draft.steps.push({
      source: 'compressed-swap',
      operation: { op: 'swap-off', path: device.path },
      target: device.path,
      old: 'in use',
      new: 'removed',
      undoClass: 'when-it-fits',
      undo: 'makes it again with the same size and adds it as swap',
      why: 'Takes back the compressed swap added earlier; done only when what it holds fits into free memory.',
    })
  }
  // zswap in front of a swap file of ours was switched on by us as well.
  const zswap = presentOf(probe, zswapPath('enabled'))
  if (zswap === 'Y' && active.some((device) => device.path.startsWith(`${SWAP_FOLDER}/`))) {
    draft.steps.push({
      source: 'compressed-swap',
      operation: { op: 'write', path: zswapPath('enabled'), value: 'N' },
      target: zswapPath('enabled'),
      old: zswap,
      new: 'N',
      undoClass: 'now',
      undo: 'writes Y back',
      why: 'Without our swap file there is nothing for zswap to hold.',
    })
  }
}

/**
 * Which kind "auto" takes: zram wherever the kernel has it, since nothing it
 * is given can reach a disk and lz4 zram was the cheapest in measurements;
 * zswap only where there is no zram, and then sized so that its pool cannot
 * overflow to the file (docs/decisions/compressed-swap.md).
 */
const choose = (mode: 'auto' | 'zswap' | 'zram', probe: Probe): 'zram' | 'zswap' =>
  mode === 'auto' ? (zramPossible(probe) ? 'zram' : 'zswap') : mode

/** Steps for compressed swap: zram, or zswap before a swap file; never plain disk swap alone. */
export const planCompressedSwap = (settings: CompressedSwapSettings, probe: Probe, ourSwap: readonly string[]): Draft => {
  const draft = emptyDraft()
  if (settings.mode === 'off') {
    planOff(probe, ourSwap, draft)
    return draft
  }
  const memoryBytes = probe.machine.memory.totalBytes
  const wantedBytes = Math.floor((memoryBytes * (settings.sizePercentOfMemory ?? DEFAULT_SIZE_PERCENT)) / 100 / MIB) * MIB
  const now = activeCompressed(probe)
  const missingBytes = wantedBytes - now.bytes
  // A tenth more or less is not worth a second device.
  if (now.leads && missingBytes < wantedBytes / 10) {
    draft.skipped.push({ source: 'compressed-swap', what: 'compressed swap', reason: `${sizeText(now.bytes)} of compressed swap is active, ${sizeText(wantedBytes)} is asked for`, kind: 'already-so' })
    // Who names zswap means the one that is there: "auto" leaves what somebody else has set up as it is.
    if (settings.mode === 'zswap' && presentOf(probe, zswapPath('enabled')) === 'Y') planZswapParameters(settings, probe, draft)
    return draft
  }
  const sizeBytes = Math.max(Math.floor(missingBytes / MIB) * MIB, Math.floor(wantedBytes / 10 / MIB) * MIB)
  const priority = Math.min(32_767, Math.max(100, now.topPriority + 1))

  const kind = choose(settings.mode, probe)
  if (kind === 'zram') {
    planZram(settings, probe, { sizeBytes, priority }, draft)
    return draft
  }
  const problem = zswapProblem(probe)
  if (problem !== null) {
    draft.skipped.push({
      source: 'compressed-swap',
      what: 'compressed swap',
      reason: settings.mode === 'auto' ? `neither zram (${zramAdvice}) nor zswap: ${problem}` : problem,
      kind: 'impossible',
    })
    return draft
  }
  if (settings.mode === 'auto') draft.notes.push(`zram would keep everything in memory, but it is not loaded; ${zramAdvice}.`)
  planZswap(settings, probe, { sizeBytes, priority }, draft)
  return draft
}

const zramAdvice = '"sudo modprobe zram" loads it where the kernel has it'
