import type { Response } from '../../../electron/contract/channels.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import { known } from '../../../helper/contract/known.ts'
import { count, DASH, megabytes, missingWords } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Figure } from '../../ui/figure.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'

type Answer = Response<'processes.get'>
type Process = Answer['processes'][number]

interface Row {
  readonly word: string
  /** What it means, in words of no kernel, and the kernel's name for it. */
  readonly title: string
  readonly of: (process: Process) => Reading
  readonly format: (value: number) => string
}

const inMegabytes = (word: string, of: Row['of'], title: string): Row => ({ word: `${word}, MB`, title, of, format: megabytes })
const counted = (word: string, of: Row['of'], title: string): Row => ({ word, title, of, format: count })

const sizes: readonly Row[] = [
  inMegabytes('RSS', (one) => one.rssBytes, 'Resident: all pages in memory, common ones in full'),
  inMegabytes('VSZ', (one) => one.virtualBytes, 'Virtual size: all addresses asked for, used or not'),
  inMegabytes('Heap', (one) => one.heapBytes, 'Data: heap and other private memory asked for (VmData)'),
  inMegabytes('Stack', (one) => one.stackBytes, 'Stack of the main thread (VmStk)'),
  inMegabytes('Files', (one) => one.fileBytes, 'Resident pages of programs and files, which others may share'),
  inMegabytes('Shared', (one) => one.shmemBytes, 'Resident shared memory (RssShmem)'),
  inMegabytes('Locked', (one) => one.lockedBytes, 'Memory that may not leave (VmLck, VmPin)'),
  counted('Minor faults', (one) => one.minorFaults, 'Pages touched for the first time or mapped anew, without a disk'),
  counted('Major faults', (one) => one.majorFaults, 'Pages that had to be read from a disk or from swap'),
]

const huge: readonly Row[] = [
  inMegabytes('Huge pages', (one) => one.anonHugeBytes, 'Of its own memory, in pages of 2 MB (of another size on some processors): faster, but taken whole even if little of it is used (AnonHugePages)'),
  inMegabytes('Huge, files', (one) => one.fileHugeBytes, 'Of programs, files and shared memory, in such pages (FilePmdMapped, ShmemPmdMapped)'),
  inMegabytes('Huge, reserved', (one) => one.hugetlbBytes, 'From the pool set aside for programs that ask for it; not part of RSS (HugetlbPages)'),
]

const written: readonly Row[] = [
  inMegabytes('Written, its own', (one) => one.privateDirtyBytes, 'Changed by it and held by nobody else: goes only to swap, or when it ends (Private_Dirty)'),
  inMegabytes('Written, common', (one) => one.sharedDirtyBytes, 'Changed, and held by another process too: since a fork, merged, or shared memory (Shared_Dirty)'),
  inMegabytes('Saved by copy-on-write', (one) => one.copyOnWriteBytes, 'Own memory that is still one copy with other processes, since a fork or merged (KSM): the part that they are counted for'),
]

const onNode = (node: number, at: number): Row =>
  inMegabytes(`On NUMA node ${node}`, ({ numaBytes }) => (numaBytes.value === null ? numaBytes : known(numaBytes.value[node] ?? 0)), at === 0 ? 'Resident pages in the memory of these processors; those of another node are slower to reach (numa_maps)' : '')

const Rows = ({ rows, processes }: { rows: readonly Row[]; processes: readonly Process[] }) =>
  rows.map(({ word, title, of, format }) => (
    <tr key={word}>
      <th scope="row">
        {word}
        {title !== '' && <span className="step-sub">{title}</span>}
      </th>
      {processes.map((process) => (
        <td key={process.ref.pid} className="num">
          <Figure reading={of(process)} format={format} />
        </td>
      ))}
    </tr>
  ))

/** Why figures are missing, each reason once: on hover alone it would not be seen. */
const Gaps = ({ rows, processes }: { rows: readonly Row[]; processes: readonly Process[] }) => {
  const reasons = new Set(rows.flatMap(({ of }) => processes.flatMap((process) => {
    const reading = of(process)
    return reading.value === null ? [missingWords(reading.reason, reading.detail)] : []
  })))
  return [...reasons].map((reason) => <p key={reason} className="muted">{DASH} {reason}</p>)
}

/** All the kernel counts of each process of an agent, asked for when it is shown. */
export const FiguresOfAll = ({ agentId }: { agentId: string }) => {
  const { data, error, reload } = useCall('processes.get', { agentId })
  if (data === null) return error === null ? <Skeleton height="6rem" /> : <FailureNotice failure={error} onRetry={reload} />
  const { nodes, processes } = data
  const rows = [...sizes, ...huge, ...written, ...(nodes.length > 1 ? nodes.map(onNode) : [])]
  return (
    <>
      <Table className="figures" label="Every figure of its processes" columns={['Figure', ...processes.map(({ ref, title }) => ({ key: ref.pid, head: <>{title} <span className="muted">{ref.pid}</span></>, num: true }))]}>
        <Rows rows={rows} processes={processes} />
        {nodes.length === 1 && (
          <tr>
            <th scope="row">
              NUMA placement
              <span className="step-sub">Which processors&rsquo; memory it lies in</span>
            </th>
            <td className="muted" colSpan={processes.length}>one node: all memory is equally near</td>
          </tr>
        )}
      </Table>
      <Gaps rows={rows} processes={processes} />
    </>
  )
}
