import { MODULE_NAME, type KernelModule, type KernelModuleSettings } from '../contract/kernel-module.ts'
import type { Probe } from '../contract/probe.ts'
import { emptyDraft, type Draft } from './draft.ts'
import { moduleParameterPath, MODULE_WRITABLE } from './paths.ts'
import { presentOf, sizeText } from './present.ts'

/** Who has it open, as far as the reader may know: "claude (1234), 2 more". */
export const moduleUsers = (module: Pick<KernelModule, 'users' | 'stats'>): string => {
  const named = (module.stats?.agents ?? []).filter(({ state }) => state !== 'gone').map(({ name, pid }) => (pid === null ? name : `${name} (${pid})`))
  const shown = named.slice(0, 5)
  const more = named.length - shown.length
  if (shown.length === 0) return 'programs that have it open'
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** What a person reads: "5 min", "4 GB". */
const reasons: Record<(typeof MODULE_WRITABLE)[number]['key'], string> = {
  warmAfterMs: 'Units that nobody read for so long are compressed.',
  coldAfterMs: 'Units that nobody read for so long leave memory for the backing file, where there is one.',
  warmMostBytes: 'More compressed bytes than that in memory leave it for the backing file whatever their age; 0 is no limit.',
  freeLeastBytes: 'With less memory available than that units are compressed whatever their age; 0 is a 32nd of memory.',
  hotMostBytes: 'More plain bytes than that in memory are compressed whatever their age; 0 is no limit.',
  quotaBytes: 'The most plain bytes one agent may hold.',
  userMostBytes: 'The most plain bytes all agents of one user may hold.',
}

const planUnload = (module: KernelModule, draft: Draft): void => {
  const skip = (reason: string, kind: 'already-so' | 'impossible') => draft.skipped.push({ source: 'kernel-module', what: 'unload the kernel module', reason, kind })
  if (!module.loaded) skip('it is not loaded', 'already-so')
  else if ((module.users ?? 0) > 0) skip(`it is in use by ${moduleUsers(module)}: end them first, their units are in it`, 'impossible')
  else {
    draft.steps.push({
      source: 'kernel-module',
      operation: { op: 'module-unload' },
      target: `${MODULE_NAME}.ko`,
      old: 'loaded',
      new: 'not loaded',
      undoClass: 'when-it-fits',
      undo: 'loads it again with the same parameters',
      why: 'Nobody uses it; programs keep their units in the broker instead.',
    })
  }
}

/** What holds no backing file: memory itself, and what another machine or a program serves (native/privileged/backing). */
const NO_DISK = /^(?:tmpfs|ramfs|overlay|nfs4?|cifs|smb3|9p|fuse.*)$/u
/** Stays free on the disk beside the file, should it become as large as it may. */
const BACKING_RESERVE_BYTES = 1024 ** 3

/** Its own file without a name, or none. Where there is one of another size, what is on it comes back to memory first. */
const planBacking = (sizeBytes: number, probe: Probe, draft: Draft): void => {
  const module = probe.kernelModule
  const nowBytes = module.stats?.totals.backing?.mostBytes ?? 0
  const skip = (reason: string, kind: 'already-so' | 'impossible') => draft.skipped.push({ source: 'kernel-module', what: sizeBytes === 0 ? 'take the backing file away' : `a backing file of ${sizeText(sizeBytes)}`, reason, kind })
  const { path, fileSystem, freeBytes } = probe.swapFolder
  if (nowBytes === sizeBytes) {
    skip(sizeBytes === 0 ? 'it has none' : 'it has one of this size', 'already-so')
    return
  }
  if (sizeBytes > 0 && NO_DISK.test(fileSystem)) {
    skip(`${path} lies on ${fileSystem}, which is no disk of this machine; it works without a backing file`, 'impossible')
    return
  }
  if (sizeBytes > 0 && freeBytes.value !== null && freeBytes.value < sizeBytes + BACKING_RESERVE_BYTES) {
    skip(`it needs ${sizeText(sizeBytes)} and ${sizeText(BACKING_RESERVE_BYTES)} to spare, ${sizeText(freeBytes.value)} is free on the disk of ${path}`, 'impossible')
    return
  }
  const had = nowBytes > 0 ? sizeText(nowBytes) : 'none'
  draft.steps.push({
    source: 'kernel-module',
    operation: { op: 'module-backing', sizeBytes },
    target: 'backing file of agentmem.ko',
    old: module.loaded ? had : null,
    new: sizeBytes === 0 ? 'none' : `up to ${sizeText(sizeBytes)}`,
    undoClass: 'when-it-fits',
    undo: nowBytes > 0 ? `gives it one of ${sizeText(nowBytes)} again` : 'brings back to memory what is on it, and takes it away',
    why: sizeBytes === 0 ? 'What is on it comes back to memory, compressed as it is.' : 'Units that nobody read for two days leave memory for the disk, and come back when they are read.',
  })
  if (sizeBytes > 0) draft.notes.push('On the backing file units are compressed, not encrypted: they are as safe there as on the disk it lies on. It has no name, and nothing on it means anything after a restart.')
}

/**
 * Loading, then its parameters; undoing goes the other way round. Who uses it
 * changes nothing in the steps: an ordinary user sees fewer of them than root.
 */
export const planKernelModule = (settings: KernelModuleSettings, probe: Probe): Draft => {
  const draft = emptyDraft()
  const module = probe.kernelModule
  if (settings.mode === 'unload') {
    planUnload(module, draft)
    return draft
  }
  if (module.obstacle !== null) {
    draft.skipped.push({ source: 'kernel-module', what: 'load the kernel module', reason: `${module.obstacle.message} ${module.obstacle.advice}`, kind: 'impossible' })
    return draft
  }
  const compressor = settings.compressor ?? 'zstd'
  if (module.loaded) {
    draft.skipped.push({ source: 'kernel-module', what: 'load the kernel module', reason: 'it is loaded', kind: 'already-so' })
    const now = presentOf(probe, moduleParameterPath('compressor'))
    if (settings.compressor !== undefined && now !== null && now !== settings.compressor) {
      draft.skipped.push({ source: 'kernel-module', what: `compressor ${settings.compressor}`, reason: `it was loaded with ${now}; unload it first, the compressor is given when it is loaded`, kind: 'impossible' })
    }
  } else {
    draft.steps.push({
      source: 'kernel-module',
      operation: { op: 'module-load', compressor },
      target: `${MODULE_NAME}.ko`,
      old: 'not loaded',
      new: compressor === 'none' ? 'loaded, nothing compressed' : `loaded, compressing with ${compressor}`,
      undoClass: 'when-it-fits',
      undo: 'unloads it, once no program uses it',
      why: 'Programs of all agents then share and compress their units in the kernel, without a process in between.',
    })
    draft.notes.push(
      'The module is code of this project inside the kernel: a fault in it can stop the machine. It marks the kernel as tainted by code from outside of it (O, and E where it is not signed).',
      'Every user of this machine may then keep units in it, up to its limits. Programs that run already stay with what they use.',
    )
  }
  for (const { key, name } of MODULE_WRITABLE) {
    const wanted = settings[key]
    if (wanted === undefined) continue
    const path = moduleParameterPath(name)
    // While it is not loaded nobody knows what it will begin with.
    const old = module.loaded ? presentOf(probe, path) : null
    if (old === String(wanted)) draft.skipped.push({ source: 'kernel-module', what: name, reason: `${path} already holds ${old}.`, kind: 'already-so' })
    else draft.steps.push({ source: 'kernel-module', operation: { op: 'write', path, value: String(wanted) }, target: path, old, new: String(wanted), undoClass: 'now', undo: old === null ? 'writes back what it began with' : `writes ${old} back`, why: reasons[key] })
  }
  if (settings.backingBytes !== undefined) planBacking(settings.backingBytes, probe, draft)
  return draft
}
