import type { CompressedSwapSettings } from '../contract/presets.ts'
import type { Probe } from '../contract/probe.ts'
import type { Draft, StepDraft } from './draft.ts'
import { SWAP_FOLDER, zswapPath } from './paths.ts'
import { presentOf, sizeText } from './present.ts'
import { DEFAULT_COMPRESSORS } from './zram.ts'

const MIB = 1024 ** 2
/** Left free on the disk beside our swap file. */
const DISK_RESERVE_BYTES = 1024 ** 3
/** The kernel's own default of max_pool_percent. */
const KERNEL_POOL_PERCENT = 20
/** File systems on which a preallocated file cannot be swapped to without preparation we do not do. */
const UNFIT_FILE_SYSTEMS = /^(btrfs|zfs|bcachefs|tmpfs|ramfs|overlay|nfs\d?|cifs|9p|fuse.*|virtiofs|squashfs)$/u

/** Why zswap cannot be used here; null when it can. */
export const zswapProblem = (probe: Probe): string | null => {
  if (presentOf(probe, zswapPath('enabled')) === null) return `needs a kernel built with CONFIG_ZSWAP; ${probe.kernelRelease} has no ${zswapPath('enabled')}`
  return null
}

const ownFile = (probe: Probe): string => {
  const taken = new Set(probe.machine.swapDevices.map((device) => device.path))
  for (let n = 1; ; n += 1) {
    const path = `${SWAP_FOLDER}/agentmem-${n}.swap`
    if (!taken.has(path)) return path
  }
}

const poolNowOf = (probe: Probe): string => presentOf(probe, zswapPath('max_pool_percent')) ?? String(KERNEL_POOL_PERCENT)

const writerOf = (draft: Draft) => {
  const step = (rest: Omit<StepDraft, 'source'>) => draft.steps.push({ source: 'compressed-swap', ...rest })
  const skip = (what: string, reason: string, kind: 'already-so' | 'impossible') => draft.skipped.push({ source: 'compressed-swap', what, reason, kind })
  const write = (path: string, old: string, value: string, what: string, why: string) => {
    if (old === value) skip(what, `${path} already holds ${value}.`, 'already-so')
    else step({ operation: { op: 'write', path, value }, target: path, old, new: value, undoClass: 'now', undo: `writes ${old} back`, why })
  }
  return { step, skip, write }
}

/**
 * What is asked of zswap itself: compressor, pool, shrinker. Each is written
 * only where it is asked for; of compressors the first that the kernel keeps.
 */
export const planZswapParameters = (settings: Pick<CompressedSwapSettings, 'compressors' | 'poolPercent' | 'shrinker'>, probe: Probe, draft: Draft): void => {
  const { step, skip, write } = writerOf(draft)
  const compressorNow = presentOf(probe, zswapPath('compressor')) ?? ''
  const asked: readonly string[] = settings.compressors ?? []
  if (asked[0] === compressorNow) skip('compressor', `${compressorNow} is in use`, 'already-so')
  else if (asked.length > 0) {
    const before = asked.indexOf(compressorNow)
    const values = before === -1 ? [...asked] : asked.slice(0, before)
    step({
      operation: { op: 'write-first-kept', path: zswapPath('compressor'), values },
      target: zswapPath('compressor'),
      old: compressorNow,
      new: values.length === 1 ? (values[0] ?? '') : `the first of ${values.join(', ')} that the kernel keeps`,
      undoClass: 'now',
      undo: `writes ${compressorNow} back`,
      why: `Kernels refuse compressors they do not have without a word; each is tried and read back, else ${compressorNow} stays.`,
    })
  }
  if (settings.poolPercent !== undefined) {
    write(zswapPath('max_pool_percent'), poolNowOf(probe), String(settings.poolPercent), 'pool limit', 'The most of memory that compressed pages may take.')
  }
  if (settings.shrinker === undefined) return
  const shrinkerNow = presentOf(probe, zswapPath('shrinker_enabled'))
  if (shrinkerNow !== null) {
    write(zswapPath('shrinker_enabled'), shrinkerNow, settings.shrinker ? 'Y' : 'N', 'shrinker', settings.shrinker ? 'Lets cold pages leave memory for the disk.' : 'Keeps compressed pages in memory: what agents hold, secrets included, is not written to disk.')
  } else if (settings.shrinker) skip('shrinker', 'needs Linux 6.8 with the zswap shrinker', 'impossible')
}

/**
 * zswap parameters first, each read back, then the swap behind it. zswap is
 * switched on before its compressor is chosen: a kernel that has not set it up
 * yet takes any name without checking.
 */
export const planZswap = (settings: CompressedSwapSettings, probe: Probe, size: { sizeBytes: number; priority: number }, draft: Draft): void => {
  const { step, skip, write } = writerOf(draft)
  const existing = probe.machine.swapDevices.filter((device) => device.kind !== 'zram')
  const poolPercent = settings.poolPercent ?? Number(poolNowOf(probe))
  const shrinker = settings.shrinker === true
  // Without the shrinker, a file that is no larger than the pool may grow
  // cannot receive an evicted page: the pool is never full before the file is.
  const capBytes = Math.floor((probe.machine.memory.totalBytes * poolPercent) / 100 / MIB) * MIB
  const fileBytes = shrinker ? size.sizeBytes : Math.min(size.sizeBytes, capBytes)

  if (existing.length === 0) {
    const { fileSystem, freeBytes } = probe.swapFolder
    if (UNFIT_FILE_SYSTEMS.test(fileSystem)) {
      skip('compressed swap (zswap)', `zswap needs swap behind it, and a swap file cannot be made on ${fileSystem} (${probe.swapFolder.path})`, 'impossible')
      return
    }
    if (freeBytes.value !== null && freeBytes.value < fileBytes + DISK_RESERVE_BYTES) {
      skip('compressed swap (zswap)', `the swap file needs ${sizeText(fileBytes)} and ${sizeText(DISK_RESERVE_BYTES)} to spare, ${probe.swapFolder.path} has ${sizeText(freeBytes.value)} free`, 'impossible')
      return
    }
  }

  write(zswapPath('enabled'), presentOf(probe, zswapPath('enabled')) ?? 'N', 'Y', 'zswap', 'Keeps pages that go to swap compressed in memory instead.')

  planZswapParameters({ ...settings, compressors: settings.compressors ?? [...DEFAULT_COMPRESSORS], shrinker }, probe, draft)

  if (existing.length > 0) {
    draft.notes.push('zswap is put before the swap this machine already has, which is not changed; pages that do not fit the pool go there uncompressed, as they do now.')
    return
  }
  const path = ownFile(probe)
  step({
    operation: { op: 'make-swap-file', path, sizeBytes: fileBytes },
    target: path,
    old: null,
    new: `${sizeText(fileBytes)}, readable by root only`,
    undoClass: 'now',
    undo: 'deletes the file',
    why: 'zswap stores nothing without swap behind it.',
  })
  step({
    operation: { op: 'swap-on', path, priority: size.priority },
    target: path,
    old: 'not in use',
    new: `in use as swap, priority ${size.priority}`,
    undoClass: 'when-it-fits',
    undo: 'stops using it as swap, once what it holds fits into free memory',
    why: 'Gives zswap the room it needs.',
  })
  draft.notes.push(
    shrinker
      ? `The swap file takes ${sizeText(fileBytes)} of disk. With the shrinker on, cold pages are written to it unencrypted.`
      : `The swap file takes ${sizeText(fileBytes)} of disk and is no larger than the pool, so compressed pages stay in memory; a page that cannot be compressed at all may still be written to it unencrypted.`,
  )
}
