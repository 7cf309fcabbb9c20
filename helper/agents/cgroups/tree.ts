import { processStartTicks, processUid } from '../../actions/process-check.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { integer, listNames, under } from '../../observe/files.ts'
import { readStat } from '../../observe/process.ts'

interface Seen extends ProcessRef {
  readonly parentPid: number
}

const allProcesses = (root: string): Seen[] =>
  (listNames(under(root, '/proc')).value ?? []).flatMap((name): Seen[] => {
    const pid = integer(name)
    const stat = pid === null ? null : readStat(root, pid).value
    // One that has ended is in no cgroup any more.
    return stat === null || stat.kernelThread || /^[ZXx]/u.test(stat.kernelState) ? [] : [{ pid: stat.pid, startTimeTicks: stat.startTimeTicks, parentPid: stat.parentPid }]
  })

/**
 * Those of `refs` that live, and what was born below them since they were
 * listed, all of one user. A process of another user below them is not taken
 * along: it is theirs.
 */
export const liveTree = (root: string, uid: number, refs: readonly ProcessRef[]): Result<ProcessRef[]> => {
  const found = new Map<number, ProcessRef>()
  for (const ref of refs) {
    if (processStartTicks(root, ref.pid) !== ref.startTimeTicks) continue
    if (processUid(root, ref.pid) !== uid) return fail('not-yours', `Process ${ref.pid} belongs to another user.`, { about: String(ref.pid) })
    found.set(ref.pid, { pid: ref.pid, startTimeTicks: ref.startTimeTicks })
  }
  if (found.size === 0) return fail('process-gone', 'None of the agent\'s processes is there any more.')
  const all = allProcesses(root)
  for (let grown = true; grown; ) {
    grown = false
    for (const one of all) {
      if (found.has(one.pid) || !found.has(one.parentPid) || processUid(root, one.pid) !== uid) continue
      found.set(one.pid, { pid: one.pid, startTimeTicks: one.startTimeTicks })
      grown = true
    }
  }
  return ok([...found.values()].filter((ref) => all.some((one) => one.pid === ref.pid)))
}
