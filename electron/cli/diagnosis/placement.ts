import { known } from '../../../helper/contract/known.ts'
import type { Missing, Reading } from '../../../helper/contract/reading.ts'
import type { ProcessFigure, ProcessFigures } from '../../contract/process-figures.ts'
import { bytesOr, out, say, table } from '../print.ts'

const figuresOf = ({ anonHugeBytes, fileHugeBytes, hugetlbBytes, privateDirtyBytes, sharedDirtyBytes, copyOnWriteBytes, numaBytes }: ProcessFigure, nodes: readonly number[]): readonly Reading[] =>
  [anonHugeBytes, fileHugeBytes, hugetlbBytes, privateDirtyBytes, sharedDirtyBytes, copyOnWriteBytes, ...nodes.map((node): Reading => (numaBytes.value === null ? numaBytes : known(numaBytes.value[node] ?? 0)))]

const reasons: Record<Missing['reason'], string> = {
  'not-supported': 'this kernel does not report it',
  'not-permitted': 'it may not be read without more rights',
  vanished: 'the process went away while it was read',
  malformed: 'what was read could not be understood',
  'not-measured': 'it was not measured',
}

/** Huge pages, what was written, what copy-on-write still holds in common, and placement; where it was walked, else how to have it. */
export const printPlacement = ({ processes, nodes: online }: ProcessFigures, walked: boolean): void => {
  if (!walked) {
    out('Huge pages, copy-on-write, NUMA nodes of one agent: agentmemctl processes PID')
    return
  }
  const nodes = online.length > 1 ? online : []
  const head = ['PID', 'HUGE', 'HUGE FILES', 'HUGE RESERVED', 'OWN WRITTEN', 'COMMON WRITTEN', 'COW SAVES', ...nodes.map((node) => `NODE ${node}`)]
  const rows = processes.map((one) => ({ pid: String(one.ref.pid), figures: figuresOf(one, nodes) }))
  out('')
  out(table(head, rows.map(({ pid, figures }) => [pid, ...figures.map(bytesOr)]), head.map((_, column) => column)))
  const gaps = new Set(rows.flatMap(({ figures }) => figures.flatMap((one) => (one.value === null ? [`${reasons[one.reason]}${one.detail === undefined ? '' : ` (${one.detail})`}`] : []))))
  for (const gap of gaps) say(`-: ${gap}`, 3)
  say('HUGE: in huge pages, mostly of 2 MB. OWN WRITTEN: in nobody else\'s hands. COMMON WRITTEN: since a fork, merged, or shared memory. COW SAVES: own memory that is still one copy with others (copy-on-write, KSM).', 2)
  if (nodes.length === 0) say('NUMA: one node, all memory is equally near.', 2)
}
