import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasEnded, processStartTicks } from '../actions/process-check.ts'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'

/** Held by the one process that may change or undo. */
export interface Lock {
  release(): void
}

const holderOf = (text: string): { pid: number; startTicks: number; bootId: string } | null => {
  const match = /^(\d+) (\d+) ([0-9a-f-]+)\n$/u.exec(text)
  return match === null ? null : { pid: Number(match[1]), startTicks: Number(match[2]), bootId: match[3] ?? '' }
}

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

const isAlive = (text: string, bootId: string): boolean => {
  const holder = holderOf(text)
  return holder !== null && holder.bootId === bootId && processStartTicks('/', holder.pid) === holder.startTicks && !hasEnded('/', holder.pid)
}

/** False where the call fails with this code; any other failure is thrown. */
const unless = (code: string, call: () => void): boolean => {
  try {
    call()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === code) return false
    throw error
  }
}

/**
 * A file with pid, start time and boot id of its holder, made by link(2), so
 * that it is whole from its first moment. That of a dead holder is moved away
 * first and looked at again, so that two who find it cannot both take it.
 */
export const takeLock = (stateDir: string, bootId: string): Result<Lock> => {
  const path = join(stateDir, 'lock')
  const own = `${path}.${process.pid}`
  const text = `${process.pid} ${processStartTicks('/', process.pid) ?? 0} ${bootId}\n`
  try {
    writeFileSync(own, text, { mode: 0o600 })
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (unless('EEXIST', () => linkSync(own, path))) {
        return ok({
          release: () => {
            if (read(path) === text) rmSync(path, { force: true })
          },
        })
      }
      const held = read(path)
      if (held === null) continue
      if (held === text) return ok({ release: () => rmSync(path, { force: true }) })
      if (isAlive(held, bootId)) return fail('busy', 'Another helper is running and holds the lock.', { about: path, got: held.trim() })
      const aside = `${path}.stale.${process.pid}`
      // Moved away by the guard meanwhile, which takes back too: look again.
      if (!unless('ENOENT', () => renameSync(path, aside))) continue
      const moved = read(aside)
      // Somebody took it between our look and our move: give it back, unless there is another by now.
      if (moved !== null && moved !== held && isAlive(moved, bootId)) unless('EEXIST', () => linkSync(aside, path))
      rmSync(aside, { force: true })
    }
    return fail('busy', 'Another helper is taking the lock.', { about: path })
  } catch (error) {
    return fail('journal-unusable', `The lock could not be taken, so nothing is changed: ${error instanceof Error ? error.message : String(error)}`, { about: path })
  } finally {
    rmSync(own, { force: true })
  }
}
