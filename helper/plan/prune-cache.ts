import { pruneCacheSettingsSchema } from '../contract/presets.ts'
import type { z } from 'zod'
import { emptyDraft, type Draft } from './draft.ts'
import { DROP_CACHES_PATH } from './paths.ts'

const what: Record<1 | 2 | 3, string> = {
  1: 'file contents kept in memory (page cache)',
  2: 'file names and attributes kept in memory (dentries and inodes)',
  3: 'file contents, names and attributes kept in memory',
}

/** One step: sync, then drop_caches. There is nothing to undo, the cache fills again by itself. */
export const planPruneCache = (settings: z.infer<typeof pruneCacheSettingsSchema>): Draft => {
  const draft = emptyDraft()
  draft.steps.push({
    source: 'prune-cache',
    operation: { op: 'prune-cache', level: settings.level },
    target: DROP_CACHES_PATH,
    // Write-only on young kernels and without meaning on the others.
    old: null,
    new: String(settings.level),
    undoClass: 'now',
    undo: 'nothing to undo: the cache fills again as files are read',
    why: `Writes unsaved data to disk, then gives back ${what[settings.level]}.`,
  })
  draft.notes.push('After pruning, files are read from disk once more: the next builds and searches are slower for a moment. The kernel would have given this memory back by itself when needed.')
  return draft
}
