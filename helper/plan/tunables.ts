import type { Probe } from '../contract/probe.ts'
import type { TunableSettings } from '../contract/tunables.ts'
import { emptyDraft, type Draft, type Skip, type StepDraft } from './draft.ts'
import { atLeast, choicesOf, kernelName, presentOf, sizeText } from './present.ts'
import { hugePagePath, LRU_MIN_TTL_PATH, ratioOf, vmPath } from './tunable-paths.ts'

const KIB = 1024
/** Most of memory that may be kept free: more than this and a laptop has little left to work with. */
const MIN_FREE_MOST = 0.05
/** The kernel keeps this time in ticks of 1 to 10 ms: what divides by 20 ms is kept exactly at every rate there is. */
const TTL_STEP_MS = 20

interface Writer {
  readonly probe: Probe
  readonly draft: Draft
  readonly skip: (what: string, reason: string, kind: Skip['kind']) => void
  /** Plans one file, or says why not. `needs` is told where the file is not there. */
  readonly set: (path: string, value: string, words: { what: string; why: string; needs: string }, more?: Partial<Pick<StepDraft, 'old' | 'undo' | 'undoClass'>>) => void
}

const writer = (probe: Probe, draft: Draft): Writer => {
  const skip: Writer['skip'] = (what, reason, kind) => draft.skipped.push({ source: 'tunables', what, reason, kind })
  return {
    probe,
    draft,
    skip,
    set: (path, value, { what, why, needs }, more = {}) => {
      const now = presentOf(probe, path)
      if (now === null) skip(what, `needs ${needs}; ${kernelName(probe)} here has no ${path} that can be read`, 'impossible')
      else if (now === value) skip(what, `${path} already holds ${value}.`, 'already-so')
      else {
        draft.steps.push({
          source: 'tunables',
          operation: { op: 'write', path, value },
          target: path,
          old: more.old ?? now,
          new: value,
          undoClass: more.undoClass ?? 'now',
          undo: more.undo ?? `writes ${now} back`,
          why,
        })
      }
    },
  }
}

const planHugePageMode = ({ probe, skip, set }: Writer, name: 'enabled' | 'defrag', value: string, what: string, why: string): void => {
  const path = hugePagePath(name)
  const text = probe.files[path]?.value
  if (typeof text === 'string' && !choicesOf(text).includes(value)) skip(what, `${kernelName(probe)} offers ${choicesOf(text).join(', ')} for ${path}, not ${value}`, 'impossible')
  else set(path, value, { what, why, needs: 'a kernel built with CONFIG_TRANSPARENT_HUGEPAGE' })
}

const planHugePages = (to: Writer, { transparentHugePages, hugePageDefrag }: TunableSettings): void => {
  if (transparentHugePages !== undefined) {
    planHugePageMode(to, 'enabled', transparentHugePages, 'huge pages', {
      always: 'Gives every program pages of 2 MB where it can: faster, and more memory for programs that use little of each.',
      madvise: 'Gives pages of 2 MB only to programs that ask for them: less memory lies unused within them.',
      never: 'Gives no program pages of 2 MB from now on; those there are stay until they are freed.',
    }[transparentHugePages])
    if (to.draft.steps.some((step) => step.target === hugePagePath('enabled'))) to.draft.notes.push('With huge pages the kernel changes min_free_kbytes as well; that is put back with them.')
  }
  if (hugePageDefrag !== undefined) planHugePageMode(to, 'defrag', hugePageDefrag, 'making room for huge pages', 'How long a program may be held up while the kernel makes room for a huge page.')
}

const planMinFree = ({ probe, draft, set }: Writer, wantedBytes: number): void => {
  const mostBytes = Math.floor(probe.machine.memory.totalBytes * MIN_FREE_MOST)
  const bytes = Math.min(wantedBytes, mostBytes)
  if (bytes < wantedBytes) draft.notes.push(`${sizeText(wantedBytes)} kept free would be more than 5 % of memory: ${sizeText(bytes)} is used.`)
  set(vmPath('min_free_kbytes'), String(Math.floor(bytes / KIB)), {
    what: 'memory kept free',
    why: `Keeps ${sizeText(bytes)} free at all times, so that sudden requests do not have to wait; programs have that much less.`,
    needs: 'Linux 2.6',
  })
}

const planReclaim = (to: Writer, settings: TunableSettings): void => {
  const { probe, skip, set } = to
  const { watermarkScaleFactor, swappiness, pageCluster, vfsCachePressure, lruMinTtlMs } = settings
  if (watermarkScaleFactor !== undefined) {
    set(vmPath('watermark_scale_factor'), String(watermarkScaleFactor), {
      what: 'distance of the watermarks',
      why: `Lets the kernel reclaim in the background until ${(watermarkScaleFactor / 100).toFixed(1)} % more of memory is free, so that programs less often have to reclaim themselves.`,
      needs: 'Linux 4.6',
    })
  }
  if (settings.minFreeBytes !== undefined) planMinFree(to, settings.minFreeBytes)
  if (swappiness !== undefined) {
    if (swappiness > 100 && !atLeast(probe, 5, 8)) skip('swappiness', `more than 100 needs Linux 5.8, this is ${kernelName(probe)}`, 'impossible')
    else {
      set(vmPath('swappiness'), String(swappiness), {
        what: 'swappiness',
        why: swappiness > 100 ? 'Prefers swapping over dropping file contents: right where swap is compressed in memory and quicker than the disk.' : 'How readily the kernel swaps instead of dropping file contents it can read again.',
        needs: 'Linux 2.6',
      })
    }
  }
  if (pageCluster !== undefined) {
    set(vmPath('page-cluster'), String(pageCluster), {
      what: 'pages read from swap at once',
      why: `Reads ${2 ** pageCluster} ${pageCluster === 0 ? 'page' : 'pages'} from swap at once. Reading ahead pays on disks and wastes work with compressed swap.`,
      needs: 'a kernel built with CONFIG_SWAP',
    })
  }
  if (vfsCachePressure !== undefined) {
    set(vmPath('vfs_cache_pressure'), String(vfsCachePressure), {
      what: 'keeping file names and attributes',
      why: 'How readily names and attributes of files (dentries and inodes) are given up, against file contents; 100 is even.',
      needs: 'Linux 2.6',
    })
  }
  if (lruMinTtlMs !== undefined) {
    const ms = Math.round(lruMinTtlMs / TTL_STEP_MS) * TTL_STEP_MS
    set(LRU_MIN_TTL_PATH, String(ms), {
      what: 'protecting what was used lately',
      why: `Does not take memory used within the last ${ms} ms: rather the kernel ends a program for lack of memory than that all of them stand still.`,
      needs: 'Linux 6.1 with CONFIG_LRU_GEN',
    })
  }
}

const planOvercommit = ({ probe, skip, set }: Writer, value: 0 | 1): void => {
  const path = vmPath('overcommit_memory')
  if (presentOf(probe, path) === '2') {
    // Once more is promised than there is, going back to 2 makes requests of running programs fail.
    skip('overcommit', `somebody forbade promising more memory than there is (${path} holds 2): leaving that could not be taken back without harm`, 'impossible')
    return
  }
  set(path, String(value), {
    what: 'overcommit',
    why: value === 1 ? 'Grants every request for memory, however large: for programs that reserve much and use little.' : 'Refuses only requests for memory that are plainly too large.',
    needs: 'Linux 2.6',
  })
}

const planDirtyLimit = ({ probe, skip, set }: Writer, name: 'dirty_bytes' | 'dirty_background_bytes', bytes: number, what: string, why: string): void => {
  const path = vmPath(name)
  const ratioPath = ratioOf(path) ?? ''
  const ratio = presentOf(probe, ratioPath)
  const now = presentOf(probe, path)
  const words = { what, why, needs: 'Linux 2.6.29' }
  if (now !== '0') set(path, String(bytes), words)
  else if (ratio === null || ratio === '0') skip(what, `${ratioPath} holds ${ratio ?? 'nothing that can be read'}, and bytes of 0 cannot be written: it could not be taken back`, 'impossible')
  else set(path, String(bytes), words, { old: `${ratio} % of memory`, undo: `writes ${ratio} to ${ratioPath}, which the kernel takes instead` })
}

const planWriteback = (to: Writer, { dirtyBytes, dirtyBackgroundBytes, dirtyExpireMs }: TunableSettings): void => {
  if (dirtyBackgroundBytes !== undefined) {
    planDirtyLimit(to, 'dirty_background_bytes', dirtyBackgroundBytes, 'when writing to disk begins', `Begins writing unsaved data to disk in the background at ${sizeText(dirtyBackgroundBytes)}.`)
  }
  if (dirtyBytes !== undefined) {
    planDirtyLimit(to, 'dirty_bytes', dirtyBytes, 'most unsaved data', `Holds programs up that write to files once ${sizeText(dirtyBytes)} are unsaved, so that memory does not fill with them.`)
  }
  if (dirtyBytes !== undefined && dirtyBackgroundBytes !== undefined && dirtyBackgroundBytes >= dirtyBytes) {
    to.draft.notes.push('The kernel begins writing at half the most unsaved data where it is told to begin later than that.')
  }
  if (dirtyExpireMs !== undefined) {
    to.set(vmPath('dirty_expire_centisecs'), String(Math.floor(dirtyExpireMs / 10)), {
      what: 'age at which data is written',
      why: `Unsaved data goes to disk once it is ${Math.round(dirtyExpireMs / 100) / 10} s old: earlier means less to lose and more writing.`,
      needs: 'Linux 2.6',
    })
  }
}

/** Pages of the default size that are free and promised to nobody; null where that cannot be told. */
const sparePages = (probe: Probe): number | null => {
  const count = (name: string): number | null => {
    const reading = Object.entries(probe.files).find(([path]) => path.startsWith('/sys/kernel/mm/hugepages/') && path.endsWith(`/${name}`))?.[1]
    return reading === undefined || reading.value === null ? null : Number(reading.value)
  }
  const free = count('free_hugepages')
  const promised = count('resv_hugepages')
  return free === null || promised === null ? null : free - promised
}

const planReservedPages = ({ probe, draft, skip, set }: Writer, wanted: number): void => {
  const what = 'huge pages set aside'
  const path = vmPath('nr_hugepages')
  const now = presentOf(probe, path)
  const words = { what, why: 'Gives back pages that were set aside for programs that ask for huge pages, and that nobody uses.', needs: 'a kernel built with CONFIG_HUGETLBFS' }
  if (now === null) {
    set(path, String(wanted), words)
    return
  }
  if (wanted > Number(now)) {
    skip(what, `${path} holds ${now}: setting more aside is not offered, it takes memory from everybody`, 'impossible')
    return
  }
  const spare = sparePages(probe)
  if (spare === null) {
    skip(what, 'it cannot be told how many of them are in use', 'impossible')
    return
  }
  const kept = Math.max(wanted, Number(now) - spare)
  if (kept > wanted) draft.notes.push(`${kept} of the huge pages set aside are in use and stay.`)
  set(path, String(kept), words, { undoClass: 'when-it-fits', undo: `sets ${now} aside again, once that much memory is free in large enough pieces` })
}

/** Tried as a run: each setting is one file, planned only where it differs and this kernel has it. */
export const planTunables = (settings: TunableSettings, probe: Probe): Draft => {
  const draft = emptyDraft()
  const to = writer(probe, draft)
  // Huge pages first: they change min_free_kbytes, which a setting of its own may then have.
  planHugePages(to, settings)
  planReclaim(to, settings)
  if (settings.overcommitMemory !== undefined) planOvercommit(to, settings.overcommitMemory)
  planWriteback(to, settings)
  if (settings.compactionProactiveness !== undefined) {
    to.set(vmPath('compaction_proactiveness'), String(settings.compactionProactiveness), {
      what: 'compacting in the background',
      why: 'How much the kernel moves pages together before somebody asks for large pieces: more costs CPU time in the background.',
      needs: 'Linux 5.9 with CONFIG_COMPACTION',
    })
  }
  if (settings.hugePages !== undefined) planReservedPages(to, settings.hugePages)
  if (settings.compactNow === true) {
    draft.steps.push({
      source: 'tunables',
      operation: { op: 'compact' },
      target: vmPath('compact_memory'),
      old: null,
      new: '1',
      undoClass: 'now',
      undo: 'nothing to undo: pages were moved, none was lost',
      why: 'Moves pages together, so that large pieces of memory become free; takes a moment of CPU time.',
    })
  }
  return draft
}
