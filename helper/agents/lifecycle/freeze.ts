import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import type { KernelFiles } from '../../change/write.ts'
import { createJournal, journalState, listJournals, moveJournal, newJournalId, pruneJournals, readJournal, type JournalHeader } from '../../change/journal.ts'
import { undoThaw } from '../../change/undo-cgroup.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { readText, under } from '../../observe/files.ts'

/** What freezing and taking it back need. */
export interface FreezeAccess {
  root: string
  kernel: KernelFiles
  journalFolder: string
  role: JournalHeader['role']
  bootId: () => string
  checkpoint: (name: string) => void
}

/** Finished journals that stay to look at. */
const JOURNALS_KEPT = 50

export const agentJournals = (stateDir: string): string => join(stateDir, 'journal', 'agents')

export const freezePathOf = (cgroup: string): string => `${cgroup}/cgroup.freeze`

/** What cgroup.events says: every process of the cgroup stands still. */
export const isFrozen = (root: string, cgroup: string): boolean => /^frozen 1$/mu.test(readText(under(root, `${cgroup}/cgroup.events`)).value ?? '')

/** The line that thaws is on disk when this returns; nothing is frozen yet. */
export const journalFreeze = (access: FreezeAccess, freezePath: string, nowMs: number): Result<string> => {
  const { journalFolder, role, bootId, checkpoint } = access
  const id = newJournalId(nowMs)
  try {
    mkdirSync(journalFolder, { recursive: true, mode: 0o700 })
  } catch (error) {
    return fail('journal-unusable', `The journal's folder could not be made, so nothing was frozen: ${error instanceof Error ? error.message : String(error)}`, { about: journalFolder })
  }
  const journal = createJournal(journalFolder, { bootId: bootId(), runId: id, role })
  if (!journal.ok) return journal
  checkpoint('journal made')
  const line = journal.value.append({ undoClass: 'now', verb: 'thaw', target: freezePath, old: '0', new: '1' })
  journal.value.close()
  checkpoint('journal thaw')
  if (line.ok) return ok(id)
  moveJournal(journalFolder, id, 'open', 'undone')
  return line
}

/** Freezes, and waits until the kernel says that all stand still; a process inside a system call may keep it from that. */
export const freeze = async (access: FreezeAccess, cgroup: string, limitMs: number, pollMs: number, sleep: (ms: number) => Promise<void>): Promise<Result<null>> => {
  const { root, kernel, checkpoint } = access
  const written = await kernel.write(freezePathOf(cgroup), '1')
  checkpoint('write freeze')
  if (!written.ok) return written
  for (const until = performance.now() + limitMs; ; await sleep(pollMs)) {
    if (isFrozen(root, cgroup)) {
      checkpoint('frozen')
      return ok(null)
    }
    if (performance.now() > until) return fail('busy', 'A process of the agent could not be stopped in time: it waits for a device.', { about: cgroup, expected: `frozen within ${limitMs} ms`, advice: 'Try again in a moment.' })
  }
}

/**
 * Takes back what a suspension's journal names, and closes it. False where it
 * could not be thawed: the journal stays open. `freezePath`: what is thawed
 * where the open journal cannot be read (no descriptors left, a bad disk).
 */
export const closeFreeze = async (access: FreezeAccess, journalId: string, freezePath: string | null = null): Promise<boolean> => {
  const { root, kernel, journalFolder, bootId, checkpoint } = access
  const journal = readJournal(journalFolder, journalId, 'open')
  if (!journal.ok) {
    // Closed by somebody else: there is nothing to do.
    if (freezePath === null || journalState(journalFolder, journalId) !== 'open') return true
    return (await undoThaw({ root, kernel, checkpoint }, { target: freezePath })).outcome !== 'failed'
  }
  const sameBoot = journal.value.header.bootId === bootId()
  for (const record of journal.value.records.filter(({ verb }) => verb === 'thaw').toReversed()) {
    if (!sameBoot) continue
    const outcome = await undoThaw({ root, kernel, checkpoint }, record)
    if (outcome.outcome === 'failed') return false
  }
  moveJournal(journalFolder, journalId, 'open', 'undone')
  checkpoint('journal closed')
  pruneJournals(journalFolder, JOURNALS_KEPT)
  return true
}

/** Open suspensions: id of the journal and what it froze. */
export const openFreezes = (journalFolder: string): { journalId: string; freezePath: string }[] => {
  try {
    return listJournals(journalFolder, 'open').flatMap((journalId) => {
      const journal = readJournal(journalFolder, journalId, 'open')
      if (!journal.ok) return []
      const { records } = journal.value
      // Without any line it was killed before its line: nothing was frozen. A limit's journal may name a thaw among its writes, which are not ours to close.
      return records.every(({ verb }) => verb === 'thaw') ? [{ journalId, freezePath: records[0]?.target ?? '' }] : []
    })
  } catch {
    return []
  }
}
