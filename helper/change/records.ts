import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import { runIdSchema, runRecordSchema, type RunRecord, type RunSummary } from '../contract/runs.ts'

/** Run records as JSON, one file a run, 0600: a restarted helper can still answer for them. */
export interface RecordStore {
  save(record: RunRecord): Result<null>
  load(runId: string): RunRecord | null
  /** Newest first. */
  ids(): string[]
  /** Deletes all but the newest `keep` of those `isOver` says may go. */
  prune(keep: number, isOver: (runId: string) => boolean): void
}

export const makeFolders = (stateDir: string): Result<null> => {
  try {
    for (const name of ['', 'journal', 'runs']) mkdirSync(join(stateDir, name), { recursive: true, mode: 0o700 })
    return ok(null)
  } catch (error) {
    return fail('journal-unusable', `The folder for the journal could not be made, so nothing is changed: ${error instanceof Error ? error.message : String(error)}`, { about: stateDir })
  }
}

export const createRecordStore = (folder: string): RecordStore => {
  const pathOf = (runId: string) => join(folder, `${runId}.json`)
  /** Where the folder could not be made there are no runs, and looking works. */
  const names = (): string[] => {
    try {
      return readdirSync(folder)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw error
    }
  }
  const ids = () =>
    names()
      .filter((name) => name.endsWith('.json') && runIdSchema.safeParse(name.slice(0, -5)).success)
      .map((name) => name.slice(0, -5))
      .toSorted()
      .toReversed()
  return {
    save: (record) => {
      const path = pathOf(record.id)
      try {
        const fd = openSync(`${path}.new`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600)
        try {
          const bytes = Buffer.from(JSON.stringify(record))
          for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
          fsyncSync(fd)
        } finally {
          closeSync(fd)
        }
        renameSync(`${path}.new`, path)
        return ok(null)
      } catch (error) {
        const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
        return fail(full ? 'disk-full' : 'journal-unusable', `The run could not be recorded: ${error instanceof Error ? error.message : String(error)}`, { about: path })
      }
    },
    load: (runId) => {
      if (!runIdSchema.safeParse(runId).success) return null
      try {
        const parsed = runRecordSchema.safeParse(JSON.parse(readFileSync(pathOf(runId), 'utf8')))
        return parsed.success ? parsed.data : null
      } catch {
        return null // absent, or damaged by a crash: the journal alone decides then
      }
    },
    ids,
    prune: (keep, isOver) => {
      for (const runId of ids().filter(isOver).slice(keep)) rmSync(pathOf(runId), { force: true })
    },
  }
}

export const summaryOf = (record: RunRecord): RunSummary => {
  const { before: _before, after: _after, plan: _plan, steps: _steps, undo: _undo, ...summary } = record
  return summary
}
