import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessRef } from './contract/agents.ts'

/** Ids no user has: a process whose uids differ is nobody's to name. */
const NOBODYS = -1

/**
 * Whose process this is: the user id when real, effective, saved and file
 * system ids agree, -1 when they do not (set-user-ID programs), null when pid
 * and start time no longer name a live process. Looked up between two reads of
 * the start time, so that the number cannot have changed hands in between.
 */
export const ownerOf = (root: string, process: ProcessRef): number | null => {
  const folder = join(root, 'proc', String(process.pid))
  const isSame = (): boolean => {
    const stat = readFileSync(join(folder, 'stat'), 'latin1')
    // The name may hold spaces and ")": fields count from the last one. Field 22 is the 20th behind it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) === process.startTimeTicks
  }
  try {
    if (!isSame()) return null
    const line = /^Uid:\s+(?<ids>[\d\s]+)$/mu.exec(readFileSync(join(folder, 'status'), 'latin1'))
    if (!isSame()) return null
    const ids = new Set((line?.groups?.['ids'] ?? '').trim().split(/\s+/u).map(Number))
    const [uid] = ids
    return ids.size === 1 && uid !== undefined && Number.isSafeInteger(uid) ? uid : NOBODYS
  } catch {
    return null
  }
}
