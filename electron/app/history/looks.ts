import type Database from 'better-sqlite3'
import { evidenceSchema, type Evidence } from '../../../helper/contract/evidence.ts'
import { findingSchema, type Finding } from '../../contract/diagnosis.ts'
import { pack, unpack } from './pack.ts'
import { queries } from './queries.ts'

/** Looks that are kept: enough for rates and for a small chart; each is some tens of kB. */
const MOST_LOOKS = 24

/** Findings as they were at one moment. */
export interface KeptFindings {
  readonly atMs: number
  readonly findings: readonly Finding[]
}

/** Kept looks and what was found by them; every writing function runs inside a transaction of its caller. */
export const createLookStore = (db: Database.Database) => {
  const selectLooks = db.prepare<[number, number], { body: Buffer }>(queries.looks)
  const selectLimit = db.prepare<[number], { atMs: number }>(queries.lookLimit)
  const insertLook = db.prepare('INSERT INTO look (at_ms, boot_id, body) VALUES (?, ?, ?)')
  const dropLooks = db.prepare(queries.dropLooks)
  const selectOfRun = db.prepare<[string], { atMs: number; body: Buffer }>(queries.diagnosisOfRun)
  const selectBetween = db.prepare<[number, number], { atMs: number; body: Buffer }>(queries.diagnosisBetween)
  const insertFindings = db.prepare('INSERT INTO diagnosis (at_ms, run_id, body) VALUES (?, ?, ?) ON CONFLICT (run_id) DO NOTHING')
  const dropFindings = db.prepare(queries.dropDiagnoses)

  const kept = (row: { atMs: number; body: Buffer } | undefined): KeptFindings | null => {
    const parsed = row === undefined ? undefined : findingSchema.array().safeParse(unpack(row.body))
    return row === undefined || parsed?.success !== true ? null : { atMs: row.atMs, findings: parsed.data }
  }

  return {
    /** Oldest first, of this boot only; one of another version of the program is left out. */
    looks: (bootId: string, sinceMs: number, limit: number): Evidence[] =>
      selectLooks
        .all(sinceMs, limit)
        .flatMap(({ body }) => {
          const parsed = evidenceSchema.safeParse(unpack(body))
          return parsed.success && parsed.data.bootId === bootId ? [parsed.data] : []
        })
        .toReversed(),
    addLook: (look: Evidence): void => {
      insertLook.run(Math.round(look.takenAtMs), look.bootId, pack(look))
      const oldest = selectLimit.get(MOST_LOOKS - 1)
      if (oldest !== undefined) dropLooks.run(oldest.atMs)
    },
    findingsOfRun: (runId: string): KeptFindings | null => kept(selectOfRun.get(runId)),
    findingsBetween: (fromMs: number, toMs: number): KeptFindings | null => kept(selectBetween.get(fromMs, toMs)),
    /** Of one run the first are kept: those of the time it was measured. */
    addFindings: (atMs: number, runId: string | null, findings: readonly Finding[]): void => {
      insertFindings.run(Math.round(atMs), runId, pack(findings))
    },
    prune: (beforeMs: number): void => {
      dropLooks.run(beforeMs)
      dropFindings.run(beforeMs)
    },
  }
}
