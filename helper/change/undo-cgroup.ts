import { dirname } from 'node:path'
import type { Result } from '../contract/errors.ts'
import type { UndoLine } from '../contract/runs.ts'
import { readCgroupPids } from '../observe/cgroup.ts'
import { listNames, under } from '../observe/files.ts'
import type { MachineAccess } from './context.ts'
import type { JournalRecord } from './journal.ts'
import { isOurGroup } from './write.ts'

/** Moving needs no more of the machine than this. */
type CgroupAccess = Pick<MachineAccess, 'root' | 'kernel' | 'checkpoint'>

type Outcome = Pick<UndoLine, 'found' | 'outcome' | 'reason'>

/** A frozen cgroup runs again. One that is gone froze nobody. */
export const undoThaw = async ({ kernel, root, checkpoint }: CgroupAccess, record: Pick<JournalRecord, 'target'>): Promise<Outcome> => {
  if (listNames(under(root, dirname(record.target))).value === null) return { found: 'absent', outcome: 'already-so', reason: 'The cgroup is gone.' }
  const now = kernel.read(record.target)
  if (now.value === null) return { found: null, outcome: 'failed', reason: `The file cannot be read any more (${now.detail ?? now.reason}).` }
  if (now.value === '0') return { found: '0', outcome: 'already-so', reason: 'It is not frozen.' }
  const written = await kernel.write(record.target, '0')
  checkpoint(`undo ${record.target}`)
  return written.ok ? { found: now.value, outcome: 'restored', reason: 'It runs again.' } : { found: now.value, outcome: 'failed', reason: written.error.message }
}

/** `pid:ticks,...` of a move line. */
export const parseMoved = (text: string): { pid: number; startTimeTicks: number }[] =>
  text.split(',').flatMap((item) => {
    const match = /^(\d{1,7}):(\d{1,20})$/u.exec(item)
    return match === null ? [] : [{ pid: Number(match[1]), startTimeTicks: Number(match[2]) }]
  })

export const movedText = (processes: readonly { pid: number; startTimeTicks: number }[]): string => processes.map(({ pid, startTimeTicks }) => `${pid}:${startTimeTicks}`).join(',')

/** A process that ended meanwhile is where it should be. */
const gone = (result: Result<null>): boolean => !result.ok && result.error.got === 'ESRCH'

/**
 * Puts a process back. Where its old cgroup is gone (a session that was closed)
 * the nearest one above takes it that can: inner cgroups with controllers take none.
 */
const putBack = async ({ kernel }: CgroupAccess, pid: number, folder: string, top: string): Promise<Result<null>> => {
  let at = folder
  for (;;) {
    const written = await kernel.write(`${at}/cgroup.procs`, String(pid))
    if (written.ok || gone(written) || at === top || !at.startsWith(`${top}/`)) return written
    // Under systemd the groups above are no units to be in, and the root least of all.
    if (underSystemd(folder)) return written
    at = dirname(at)
  }
}

const underSystemd = (folder: string): boolean => /\.(?:slice|scope|service)(?:\/|$)/u.test(folder) && !folder.includes('/agentmem.slice')

/** What kept a process from going back where it cannot be helped: its unit has ended, or is root's and we are not. */
const CANNOT = new Set(['ENOENT', 'ENODEV', 'EACCES', 'EPERM'])

const HELD_TIMES = 20

/**
 * Whatever is in the new cgroup goes back: what this line names to where it
 * came from, and with the first line of that cgroup everything that was born
 * there as well. Then the folder is removed, with those above it that are ours
 * and empty.
 */
export const undoMove = async (access: CgroupAccess, record: JournalRecord, earlier: readonly JournalRecord[]): Promise<Outcome> => {
  const { kernel, root, checkpoint } = access
  if (record.old === null) return { found: null, outcome: 'failed', reason: 'The journal does not say where the processes were.' }
  const top = /^\/sys\/fs\/cgroup(?:\/unified(?=\/|$))?/u.exec(record.target)?.[0] ?? ''
  const first = !earlier.some((other) => other.verb === 'move' && other.target === record.target)
  const named = new Set(parseMoved(record.new).map(({ pid }) => pid))
  let moved = 0
  for (let turn = 0; turn < HELD_TIMES; turn += 1) {
    const pids = readCgroupPids(root, record.target)
    if (pids === null) return { found: 'absent', outcome: 'already-so', reason: 'The cgroup is gone.' }
    const mine = [...pids].filter((pid) => first || named.has(pid))
    // Again until none is left: a process may have been born between the look and the move.
    if (mine.length === 0) break
    for (const pid of mine) {
      const back = await putBack(access, pid, record.old, top)
      if (!back.ok && !gone(back)) {
        const stays = record.target.endsWith('.scope') && CANNOT.has(back.error.got ?? '')
        return stays
          ? { found: `${pids.size} processes`, outcome: 'left-alone', reason: `It cannot go back to where it was started; the cgroup goes with its last process. ${back.error.message}` }
          : { found: `${pids.size} processes`, outcome: 'failed', reason: back.error.message }
      }
      if (back.ok) moved += 1
    }
  }
  checkpoint(`undo ${record.target}`)
  const found = moved === 0 ? 'empty' : `${moved} processes`
  if (!first) return { found, outcome: moved > 0 ? 'restored' : 'already-so', reason: 'Its processes are where they were.' }
  for (const leaf of ['main', 'tools']) kernel.removeGroup(`${record.target}/${leaf}`)
  for (let folder = record.target; isOurGroup(folder); folder = dirname(folder)) {
    const removed = kernel.removeGroup(folder)
    if (!removed.ok && folder === record.target) return { found, outcome: 'failed', reason: removed.error.message }
    if (!removed.ok) break
  }
  return { found, outcome: 'restored', reason: 'Its processes are where they were, and the cgroup is removed.' }
}
