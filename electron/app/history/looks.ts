import type Database from 'better-sqlite3'
import { evidenceSchema } from '../../../helper/contract/evidence.ts'
import { findingSchema } from '../../contract/diagnosis.ts'
import { lookStore } from './look-store.ts'

/** Kept looks, held against the schemas of this version. */
export const createLookStore = (db: Database.Database) =>
  lookStore(db, {
    look: (body) => evidenceSchema.safeParse(body).data ?? null,
    findings: (body) => findingSchema.array().safeParse(body).data ?? null,
  })
