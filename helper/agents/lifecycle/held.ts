import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, renameSync, rmSync, writeFileSync, fsyncSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { guardWordSchema, suspensionSchema, type GuardWord } from '../../contract/lifecycle.ts'
import type { HeldRecord, WorkingSet } from './types.ts'

const recordSchema = z.object({ version: z.literal(1), suspension: suspensionSchema, journalId: z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{8}$/u), freezePath: z.string() })
const address = z.string().regex(/^[0-9a-f]{1,12}$/u)
const setsSchema = z.object({ version: z.literal(1), agentId: z.string(), sets: z.array(z.object({ pid: z.int(), ranges: z.array(z.tuple([address, address])) })) })

/** "PID-TICKS": the boot id is inside. */
const nameOf = (agentId: string): string => agentId.split(':').slice(1).join('-')

/** Suspended agents and learned working sets on disk, so that the next helper knows them. */
export interface HeldStore {
  save(record: HeldRecord): Result<null>
  remove(agentId: string): void
  /** Those that can be read; a damaged one is passed over: its journal thaws the agent. */
  all(): HeldRecord[]
  saveSets(agentId: string, sets: readonly WorkingSet[]): void
  sets(agentId: string): WorkingSet[] | null
  /** Removes learned sets of all other agents. */
  keepSets(agentIds: Pick<ReadonlySet<string>, 'has'>): void
}

export const createHeldStore = (folder: string): HeldStore => {
  const write = (path: string, value: unknown): Result<null> => {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const fresh = `${path}.new`
      rmSync(fresh, { force: true })
      const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
      try {
        writeFileSync(fd, `${JSON.stringify(value)}\n`)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(fresh, path)
      return ok(null)
    } catch (error) {
      return fail('journal-unusable', `The record of a suspended agent could not be written: ${error instanceof Error ? error.message : String(error)}`, { about: path })
    }
  }
  const read = (path: string): unknown => {
    try {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
      try {
        return JSON.parse(readFileSync(fd, 'utf8'))
      } finally {
        closeSync(fd)
      }
    } catch {
      return null
    }
  }
  const names = (ending: string): string[] => {
    try {
      return readdirSync(folder).filter((name) => name.endsWith(ending))
    } catch {
      return []
    }
  }
  const recordPath = (agentId: string): string => join(folder, `${nameOf(agentId)}.json`)
  const setsPath = (agentId: string): string => join(folder, `${nameOf(agentId)}.sets`)
  const discard = (path: string): void => {
    try {
      rmSync(path, { force: true })
    } catch {
      // What cannot be removed could not be made either; a record of an agent that runs is passed over at the next start.
    }
  }
  return {
    save: (record) => write(recordPath(record.suspension.agentId), record),
    remove: (agentId) => discard(recordPath(agentId)),
    all: () => names('.json').flatMap((name) => {
      const parsed = recordSchema.safeParse(read(join(folder, name)))
      return parsed.success ? [parsed.data] : []
    }),
    saveSets: (agentId, sets) => void write(setsPath(agentId), { version: 1, agentId, sets }),
    sets: (agentId) => {
      const parsed = setsSchema.safeParse(read(setsPath(agentId)))
      return parsed.success && parsed.data.agentId === agentId ? parsed.data.sets : null
    },
    keepSets: (agentIds) => {
      for (const name of names('.sets')) {
        const parsed = setsSchema.safeParse(read(join(folder, name)))
        if (!parsed.success || !agentIds.has(parsed.data.agentId)) discard(join(folder, name))
      }
    },
  }
}

const MOST_WORDS = 50
const TAIL_BYTES = 64 * 1024

/** The last words of a guard that has ended, newest last: one JSON object a line; others are passed over. */
export const readWords = (path: string): GuardWord[] => {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(fd)
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES))
    const length = readSync(fd, buffer, 0, buffer.length, Math.max(0, size - buffer.length))
    return buffer.toString('utf8', 0, length).split('\n').flatMap((line) => {
      try {
        const parsed = guardWordSchema.safeParse(JSON.parse(line))
        return parsed.success ? [parsed.data] : []
      } catch {
        return []
      }
    }).slice(-MOST_WORDS)
  } finally {
    closeSync(fd)
  }
}
