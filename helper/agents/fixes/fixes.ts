import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { fileChangeSchema, type FileChange, type Fix } from '../../contract/lifecycle.ts'
import type { LookedAgent } from '../tracker.ts'
import { codexWithoutDaemon } from './codex-daemon.ts'
import { claudeHooks, codexHooks, geminiHooks, opencodeHooks } from './hook-recipes.ts'
import type { FixPlace, Recipe } from './recipe.ts'
import { geminiNoRelaunch, shellShims } from './shell-recipes.ts'
import { missingFolders, readUserFile, removeEmptyFolders, writeUserFile } from './user-file.ts'

export const recipes: readonly Recipe[] = [geminiNoRelaunch, codexWithoutDaemon, claudeHooks, geminiHooks, codexHooks, opencodeHooks, shellShims]

export interface Fixes {
  /** Every recipe as it stands now, with what it would write. */
  readonly list: () => Fix[]
  /** `digest` is that of the changes shown; other changes now are refused. */
  readonly apply: (id: string, digest: string) => Result<Fix>
  readonly undo: (id: string) => Result<Fix>
}

export interface FixesOptions {
  readonly place: FixPlace
  readonly agents: () => readonly LookedAgent[]
  /** $XDG_STATE_HOME/agentmem/fixes.json: what was written, so that undoing can give exact bytes back. */
  readonly stateFile: string
  readonly recipes?: readonly Recipe[]
}

const stateSchema = z.object({
  version: z.literal(1),
  applied: z.record(z.string(), z.array(fileChangeSchema)),
  /** Folders that applying made, by fix. */
  folders: z.record(z.string(), z.array(z.string())).default({}),
})
type State = z.infer<typeof stateSchema>

const NOTHING: State = { version: 1, applied: {}, folders: {} }

const digestOf = (changes: readonly FileChange[]): string => createHash('sha256').update(JSON.stringify(changes)).digest('hex')

const readState = (path: string): State => {
  const text = readUserFile(path)
  if (!text.ok || text.value === null) return NOTHING
  try {
    const parsed = stateSchema.safeParse(JSON.parse(text.value))
    // A damaged one costs exact bytes only: reverting works on what the files hold.
    return parsed.success ? parsed.data : NOTHING
  } catch {
    return NOTHING
  }
}

/** What each file would get from `edit`; files that stay as they are are left out. */
const changesBy = (paths: readonly string[], edit: (path: string, text: string | null) => Result<string | null>): Result<FileChange[]> => {
  const changes: FileChange[] = []
  for (const path of paths) {
    const before = readUserFile(path)
    if (!before.ok) return before
    const after = edit(path, before.value)
    if (!after.ok) return after
    if (after.value !== before.value) changes.push({ path, before: before.value, after: after.value })
  }
  return ok(changes)
}

/** All or none: what was written before a failure is put back. */
const writeAll = (changes: readonly FileChange[]): Result<null> => {
  const done: FileChange[] = []
  for (const change of changes) {
    const written = writeUserFile(change.path, change.after)
    if (!written.ok) {
      for (const { path, before } of done.toReversed()) writeUserFile(path, before)
      return written
    }
    done.push(change)
  }
  return ok(null)
}

/** Cures for known waste, hooks and shims: shown as file changes, written on the user's word, taken back. */
export const createFixes = ({ place, agents, stateFile, recipes: known = recipes }: FixesOptions): Fixes => {
  const undoChanges = (recipe: Recipe, applied: readonly FileChange[]): Result<FileChange[]> =>
    changesBy(recipe.files(place), (path, text) => {
      const written = applied.find((change) => change.path === path)
      // Nobody touched it since: exactly what stood there comes back.
      if (written !== undefined && written.after === text) return ok(written.before)
      return recipe.revert(place, path, text)
    })

  const look = (recipe: Recipe): Fix => {
    const running = agents()
    const concerned = running.filter(recipe.concerns)
    const applied = readState(stateFile).applied[recipe.id]
    const files = recipe.files(place)
    const changes = files.length === 0 ? recipe.apply(place, '', null) : changesBy(files, (path, text) => recipe.apply(place, path, text))
    const undo = undoChanges(recipe, applied ?? [])
    const wanted = changes.ok && Array.isArray(changes.value) ? changes.value : []
    const isIn = changes.ok && wanted.length === 0 && files.length > 0
    const state = isIn ? 'applied' : applied !== undefined ? 'changed-since' : changes.ok ? 'offered' : 'not-possible'
    const problem = changes.ok ? (undo.ok ? null : undo.error) : changes.error
    return {
      id: recipe.id,
      kind: recipe.kind,
      title: recipe.title,
      text: recipe.text,
      state,
      savesBytes: recipe.savesBytes(concerned),
      agents: concerned.map(({ id }) => id),
      changes: wanted,
      digest: digestOf(wanted),
      undo: state === 'applied' || state === 'changed-since' ? (undo.ok ? undo.value : []) : [],
      problem: problem === null ? null : [problem.message, problem.got, problem.advice].filter((part) => part !== undefined && part !== '').join(' '),
    }
  }

  const recipeOf = (id: string): Result<Recipe> => {
    const recipe = known.find((candidate) => candidate.id === id)
    return recipe === undefined ? fail('bad-request', `There is no fix ${id}.`, { expected: known.map((candidate) => candidate.id).join(', '), got: id }) : ok(recipe)
  }

  const remember = (id: string, written: { changes: FileChange[]; folders: string[] } | null): Result<null> => {
    const { applied, folders } = readState(stateFile)
    const { [id]: _changes, ...otherChanges } = applied
    const { [id]: _folders, ...otherFolders } = folders
    const state: State = written === null
      ? { version: 1, applied: otherChanges, folders: otherFolders }
      : { version: 1, applied: { ...otherChanges, [id]: written.changes }, folders: { ...otherFolders, [id]: written.folders } }
    return writeUserFile(stateFile, `${JSON.stringify(state)}\n`)
  }

  return {
    list: () => known.map(look),
    apply: (id, digest) => {
      const recipe = recipeOf(id)
      if (!recipe.ok) return recipe
      const fix = look(recipe.value)
      if (fix.state === 'applied') return ok(fix)
      if (fix.problem !== null && fix.changes.length === 0) return fail('not-supported', fix.problem, { about: id })
      if (fix.digest !== digest) return fail('plan-changed', 'The files differ from what was shown; look at the change again.', { about: id, expected: digest, got: fix.digest })
      // First what undoing needs, then the change.
      const folders = [...new Set([...(readState(stateFile).folders[id] ?? []), ...fix.changes.flatMap(({ path }) => missingFolders(path))])]
      const noted = remember(id, { changes: fix.changes, folders })
      if (!noted.ok) return noted
      const written = writeAll(fix.changes)
      if (!written.ok) {
        removeEmptyFolders(folders)
        remember(id, null)
        return written
      }
      return ok(look(recipe.value))
    },
    undo: (id) => {
      const recipe = recipeOf(id)
      if (!recipe.ok) return recipe
      const { applied, folders } = readState(stateFile)
      const changes = undoChanges(recipe.value, applied[id] ?? [])
      if (!changes.ok) return changes
      const written = writeAll(changes.value)
      if (!written.ok) return written
      removeEmptyFolders(folders[id] ?? [])
      const noted = remember(id, null)
      return noted.ok ? ok(look(recipe.value)) : noted
    },
  }
}
