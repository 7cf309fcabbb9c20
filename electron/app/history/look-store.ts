import type Database from 'better-sqlite3'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import { pack, unpack } from './pack.ts'
import { queries } from './queries.ts'

/** Looks that are kept: enough for rates and for a small chart; each is some tens of kB. */
const MOST_LOOKS = 24

/** Findings as they were at one moment. */
export interface KeptFindings {
  readonly atMs: number
  readonly findings: readonly Finding[]
}

/** What a kept body is; null for one of another version of the program. */
export interface LookForms {
  readonly look: (body: unknown) => Evidence | null
  readonly findings: (body: unknown) => readonly Finding[] | null
}

/** So many at most, the first and the last among them, the others evenly between. */
const spread = <T>(all: readonly T[], most: number): readonly T[] =>
  all.length <= most || most < 2 ? all.slice(0, most) : all.filter((_, i) => i === 0 || Math.floor((i * (most - 1)) / (all.length - 1)) > Math.floor(((i - 1) * (most - 1)) / (all.length - 1)))

/** Kept looks and what was found by them; every writing function runs inside a transaction of its caller. */
export const lookStore = (db: Pick<Database.Database, 'prepare'>, forms: LookForms) => {
  const selectIds = db.prepare<[number], { id: number }>(queries.lookIds)
  const selectBody = db.prepare<[number], { body: Buffer }>(queries.lookBody)
  const selectLimit = db.prepare<[number], { atMs: number }>(queries.lookLimit)
  const insertLook = db.prepare('INSERT INTO look (at_ms, boot_id, body) VALUES (?, ?, ?)')
  const dropLooks = db.prepare(queries.dropLooks)
  const selectOfRun = db.prepare<[string], { atMs: number; body: Buffer }>(queries.diagnosisOfRun)
  const selectBetween = db.prepare<[number, number], { atMs: number; body: Buffer }>(queries.diagnosisBetween)
  const insertFindings = db.prepare('INSERT INTO diagnosis (at_ms, run_id, body) VALUES (?, ?, ?) ON CONFLICT (run_id) DO NOTHING')
  const dropFindings = db.prepare(queries.dropDiagnoses)

  const kept = (row: { atMs: number; body: Buffer } | undefined): KeptFindings | null => {
    const findings = row === undefined ? null : forms.findings(unpack(row.body))
    return row === undefined || findings === null ? null : { atMs: row.atMs, findings }
  }

  return {
    /** Oldest first, of this boot only, from all of the time; one of another version of the program is left out. */
    looks: (bootId: string, sinceMs: number, limit: number): Evidence[] =>
      spread(selectIds.all(sinceMs), limit)
        .flatMap(({ id }) => {
          const row = selectBody.get(id)
          const look = row === undefined ? null : forms.look(unpack(row.body))
          return look?.bootId === bootId ? [look] : []
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
