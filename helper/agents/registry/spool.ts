import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { lifecycleEventSchema, type LifecycleEvent } from '../../contract/lifecycle.ts'
import { makePrivateFolder, readOwnText } from './state-file.ts'

/**
 * Events wait here for the app, which takes them into its history: lines of
 * JSON in files named `SPOOL.FIRST.ndjson`, FIRST being the number of the first
 * line. The oldest file goes when there is too much, so that a user who never
 * opens the window keeps a bounded folder.
 */
export interface Spool {
  /** Numbers the event and keeps it. A disk that is full loses it: that is answered, and nothing waits for it. */
  readonly add: (event: Omit<LifecycleEvent, 'seq'>) => Result<number>
  /** The oldest ones behind `afterSeq`. Numbers may be missing where old files went. */
  readonly read: (afterSeq: number, limit: number) => { spool: string; events: LifecycleEvent[] }
}

export interface SpoolOptions {
  readonly folder: string
  readonly mostBytes?: number
  readonly fileBytes?: number
}

/** A transition is about 300 bytes: four files hold some ten thousand of them. */
const MOST_BYTES = 4 * 1024 * 1024
const FILE_BYTES = 1024 * 1024

const NAME = /^(?<spool>[0-9a-f]{16})\.(?<first>\d{12})\.ndjson$/u

interface File { readonly name: string; readonly spool: string; readonly first: number; readonly bytes: number; readonly atMs: number }

const filesIn = (folder: string): File[] => {
  const names = (() => {
    try {
      return readdirSync(folder)
    } catch {
      return []
    }
  })()
  return names
    .flatMap((name): File[] => {
      const match = NAME.exec(name)?.groups
      const about = match === undefined ? undefined : statSync(join(folder, name), { throwIfNoEntry: false })
      return match === undefined || about === undefined ? [] : [{ name, spool: match['spool'] ?? '', first: Number(match['first']), bytes: about.size, atMs: about.mtimeMs }]
    })
    .toSorted((a, b) => a.first - b.first)
}

/** Lines that are whole. A torn one, from a crash or a full disk, was never shown to anybody. */
const eventsOf = (folder: string, file: File): LifecycleEvent[] => {
  const text = readOwnText(join(folder, file.name))
  if (!text.ok || text.value === null) return []
  return text.value.split('\n').flatMap((line): LifecycleEvent[] => {
    if (line === '') return []
    try {
      const parsed = lifecycleEventSchema.safeParse(JSON.parse(line))
      return parsed.success ? [parsed.data] : []
    } catch {
      return []
    }
  })
}

const endsWell = (path: string): boolean => {
  const text = readOwnText(path)
  return text.ok && text.value?.endsWith('\n') === true
}

export const openSpool = ({ folder, mostBytes = MOST_BYTES, fileBytes = FILE_BYTES }: SpoolOptions): Spool => {
  const found = filesIn(folder)
  const newest = found.toSorted((a, b) => b.atMs - a.atMs)[0]
  const spool = newest?.spool ?? randomBytes(8).toString('hex')
  let files = found.filter((file) => file.spool === spool)
  const last = files.at(-1)
  let seq = last === undefined ? 0 : Math.max(last.first - 1, ...eventsOf(folder, last).map((event) => event.seq))
  // A line behind a torn one would be lost with it: only a file that ends well is gone on with.
  let current: { name: string; bytes: number } | null = last !== undefined && endsWell(join(folder, last.name)) ? { name: last.name, bytes: last.bytes } : null

  const begin = (): Result<{ name: string; bytes: number }> => {
    const made = makePrivateFolder(folder)
    if (!made.ok) return made
    const name = `${spool}.${String(seq + 1).padStart(12, '0')}.ndjson`
    // One of this name holds no whole line, or the number would be taken.
    rmSync(join(folder, name), { force: true })
    return ok({ name, bytes: 0 })
  }

  const drop = (): void => {
    const all = filesIn(folder)
    let bytes = all.reduce((sum, file) => sum + file.bytes, 0)
    for (const file of all.toSorted((a, b) => a.atMs - b.atMs || a.first - b.first)) {
      if (bytes <= mostBytes || file.name === current?.name) continue
      rmSync(join(folder, file.name), { force: true })
      bytes -= file.bytes
    }
    files = filesIn(folder).filter((file) => file.spool === spool)
  }

  return {
    add: (event) => {
      if (current === null || current.bytes >= fileBytes) {
        const begun = begin()
        if (!begun.ok) return begun
        current = begun.value
        drop()
      }
      const line = `${JSON.stringify({ seq: seq + 1, ...event })}\n`
      try {
        appendFileSync(join(folder, current.name), line, { mode: 0o600 })
      } catch (error) {
        current = null
        return fail('disk-full', 'An event could not be kept for the history.', { about: folder, got: error instanceof Error ? error.message : String(error) })
      }
      seq += 1
      current.bytes += Buffer.byteLength(line)
      return ok(seq)
    },
    read: (afterSeq, limit) => {
      if (afterSeq >= seq) return { spool, events: [] }
      files = filesIn(folder).filter((file) => file.spool === spool)
      const events: LifecycleEvent[] = []
      for (const [index, file] of files.entries()) {
        const next = files[index + 1]
        if (next !== undefined && next.first <= afterSeq + 1) continue
        events.push(...eventsOf(folder, file).filter((event) => event.seq > afterSeq))
        if (events.length >= limit) break
      }
      return { spool, events: events.slice(0, limit) }
    },
  }
}
