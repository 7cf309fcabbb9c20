import { listNames, readText, under } from '../../../helper/observe/files.ts'
import { readPageBytes } from '../../../helper/observe/kernel.ts'
import { readCommandLine, readStat } from '../../../helper/observe/process.ts'
import { titleOf } from '../../../helper/observe/evidence/titles.ts'

/** A program with what it has in memory, shared pages counted in full: the one figure that costs next to nothing. */
export interface Program {
  readonly pid: number
  readonly startTimeTicks: number
  readonly title: string
  readonly rssBytes: number
}

const RESIDENT = 1

/** Of /proc/PID/statm; null where the process has gone, 0 for kernel threads. */
const residentBytes = (root: string, pid: number, pageBytes: number): number | null => {
  const pages = Number((readText(under(root, `/proc/${pid}/statm`), 'vanished').value ?? '').split(' ')[RESIDENT])
  return Number.isSafeInteger(pages) ? pages * pageBytes : null
}

const bySize = (a: Program, b: Program): number => b.rssBytes - a.rssBytes || a.pid - b.pid

/** The largest of everybody's, one small file of each; names are read of these alone. */
export const largestPrograms = (root: string, count: number): Program[] => {
  const pageBytes = readPageBytes(root)
  return (listNames(under(root, '/proc')).value ?? [])
    .flatMap((name) => {
      const rssBytes = /^[1-9]\d{0,6}$/u.test(name) ? residentBytes(root, Number(name), pageBytes) : null
      return rssBytes === null || rssBytes === 0 ? [] : [{ pid: Number(name), rssBytes }]
    })
    .toSorted((a, b) => b.rssBytes - a.rssBytes || a.pid - b.pid)
    .slice(0, count)
    .flatMap(({ pid, rssBytes }): Program[] => {
      const stat = readStat(root, pid).value
      return stat === null ? [] : [{ pid, startTimeTicks: stat.startTimeTicks, title: titleOf(stat.comm, readCommandLine(root, pid).value ?? []), rssBytes }]
    })
}

/** The same programs as they are now, the largest first; who has ended is left out. */
export const again = (root: string, programs: readonly Program[]): Program[] => {
  const pageBytes = readPageBytes(root)
  return programs
    .flatMap((program): Program[] => {
      const rssBytes = readStat(root, program.pid).value?.startTimeTicks === program.startTimeTicks ? residentBytes(root, program.pid, pageBytes) : null
      return rssBytes === null ? [] : [{ ...program, rssBytes }]
    })
    .toSorted(bySize)
}
