import type { Migration } from '../migrate.ts'
import { first } from './0001-first.ts'
import { lifecycle } from './0002-lifecycle.ts'
import { journal } from './0003-journal.ts'

/** In order; the last number is the schema version this app writes. */
export const migrations: readonly Migration[] = [first, lifecycle, journal]
