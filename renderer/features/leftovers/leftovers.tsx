import { BrushCleaning } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { Response } from '../../../electron/contract/channels.ts'
import type { Orphan } from '../../../helper/contract/lifecycle.ts'
import { call } from '../../api.ts'
import { duration, megabytes, plural } from '../../format/format.ts'
import { useCall, useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes, Figure } from '../../ui/figure.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { roleWords } from '../agents/rows.ts'
import { Duplicates } from './duplicates.tsx'
import './leftovers.css'

const LOOK_MS = 15_000
type Reaped = Response<'leftovers.reap'>

const keyOf = ({ pid, startTimeTicks }: { pid: number; startTimeTicks: number }): string => `${pid}:${startTimeTicks}`
const costOf = (orphans: readonly Orphan[]): number => orphans.reduce((sum, orphan) => sum + (orphan.costBytes.value ?? 0), 0)

const ReapDialog = ({ orphans, onClose, onReaped }: { orphans: readonly Orphan[]; onClose: () => void; onReaped: (reaped: Reaped) => void }) => {
  const { busy, error, send } = useSend()
  const reap = async (): Promise<void> => {
    const answer = await send(call('leftovers.reap', { processes: orphans.map(({ pid, startTimeTicks }) => ({ pid, startTimeTicks })) }))
    if (answer.ok) onReaped(answer.value)
  }
  const children = orphans.reduce((sum, orphan) => sum + orphan.children.length, 0)
  return (
    <Dialog
      open
      onClose={onClose}
      title={`End ${plural(orphans.length, 'leftover')}`}
      lead="Each is asked to end and gets time to do so. One that turns out to be in use again is left alone. There is no way back: what it had open is closed."
      foot={
        <>
          <span className="grow">{children > 0 ? `${plural(children, 'process', 'processes')} below ${children === 1 ? 'it ends' : 'them end'} too.` : ''}</span>
          <Button onClick={onClose}>Not now</Button>
          <Button kind="danger" busy={busy} onClick={() => void reap()}>
            End {orphans.length === 1 ? 'it' : `these ${orphans.length}`}
          </Button>
        </>
      }
    >
      <FailureNotice failure={error} onRetry={() => void reap()} />
      <Table label="What ends" columns={['Process', { head: 'PID', num: true }, { head: 'Cost, MB', num: true }]}>
        {orphans.map((orphan) => (
          <tr key={keyOf(orphan)}>
            <th scope="row">
              {orphan.label}
              {orphan.children.length > 0 && <span className="step-sub">with {orphan.children.map(({ pid }) => `process ${pid}`).join(', ')}</span>}
            </th>
            <td className="num">{orphan.pid}</td>
            <td className="num"><Figure reading={orphan.costBytes} format={megabytes} /></td>
          </tr>
        ))}
      </Table>
    </Dialog>
  )
}

const Orphans = ({ orphans, chosen, onChoose }: { orphans: readonly Orphan[]; chosen: ReadonlySet<string>; onChoose: (next: ReadonlySet<string>) => void }) => {
  const toggle = (key: string, on: boolean): void => onChoose(new Set(on ? [...chosen, key] : [...chosen].filter((other) => other !== key)))
  const count = orphans.filter((orphan) => chosen.has(keyOf(orphan))).length
  return (
    <Table
      label="Leftovers of sessions"
      className="orphans"
      columns={[
        { key: 'select', head: <Checkbox hidden label="Select all" checked={count === 0 ? false : count === orphans.length ? true : 'indeterminate'} onChange={(on) => onChoose(new Set(on ? orphans.map(keyOf) : []))} /> },
        'Process',
        'Why it counts as left over',
        { head: 'Age', num: true },
        { head: 'Cost, MB', num: true },
      ]}
    >
      {orphans.map((orphan) => (
        <tr key={keyOf(orphan)}>
          <td>
            <Checkbox hidden label={`Select ${orphan.label}, process ${orphan.pid}`} checked={chosen.has(keyOf(orphan))} onChange={(on) => toggle(keyOf(orphan), on)} />
          </td>
          <th scope="row">
            {orphan.label}
            <span className="step-sub">
              {orphan.label === roleWords[orphan.role] ? '' : `${roleWords[orphan.role]}, `}process {orphan.pid}
              {orphan.children.length > 0 ? ` and ${orphan.children.length} below it` : ''}
            </span>
          </th>
          <td className="orphan-why">{orphan.why}</td>
          <td className="num">{duration(orphan.ageMs)}</td>
          <td className="num"><Figure reading={orphan.costBytes} format={megabytes} /></td>
        </tr>
      ))}
    </Table>
  )
}

/** Servers whose session is gone, and servers that run once a session. */
const Leftovers = () => {
  const loaded = useCall('leftovers.get', {})
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [asking, setAsking] = useState(false)
  const [reaped, setReaped] = useState<(Reaped & { labels: ReadonlyMap<number, string>; wonBytes: number }) | null>(null)
  const { reload } = loaded
  useEffect(() => {
    const timer = setInterval(reload, LOOK_MS)
    return () => clearInterval(timer)
  }, [reload])
  if (loaded.data === null)
    return (
      <PageFrame title="Leftovers" lead={<span className="big-value muted">{loaded.error === null ? '…' : 'Not available'}</span>}>
        {loaded.error === null ? <Skeleton height="18rem" /> : <FailureNotice failure={loaded.error} onRetry={reload} />}
      </PageFrame>
    )
  const { orphans, duplicates } = loaded.data
  const wanted = orphans.filter((orphan) => chosen.has(keyOf(orphan)))
  const cost = costOf(orphans)
  return (
    <PageFrame
      title="Leftovers"
      lead={
        orphans.length === 0 ? (
          <span className="big-value">None</span>
        ) : (
          <>
            <span>
              <BigBytes bytes={cost} />
            </span>
            <span>held by {plural(orphans.length, 'process', 'processes')} of sessions that ended</span>
          </>
        )
      }
    >
      <FailureNotice failure={loaded.error} onRetry={reload} />
      {reaped !== null && (
        <Notice
          tone={reaped.left.length > 0 ? 'info' : 'gain'}
          title={reaped.ended.length === 0 ? 'Nothing was ended' : `${plural(reaped.ended.length, 'leftover')} ended${reaped.wonBytes > 0 ? `, ${megabytes(reaped.wonBytes)} MB came free` : ''}`}
          actions={
            <Button size="s" kind="quiet" onClick={() => setReaped(null)}>
              Close
            </Button>
          }
        >
          {reaped.left.length > 0 && (
            <ul>
              {reaped.left.map((entry) => (
                <li key={keyOf(entry)}>
                  {reaped.labels.get(entry.pid) ?? 'Process'} {entry.pid}: {entry.reason}
                </li>
              ))}
            </ul>
          )}
        </Notice>
      )}
      <Panel
        title="Whose session is gone"
        aside={
          orphans.length > 0 && (
            <Button kind="primary" size="s" disabled={wanted.length === 0} onClick={() => setAsking(true)}>
              {wanted.length === 0 ? 'End…' : `End ${wanted.length}…`}
            </Button>
          )
        }
      >
        {orphans.length === 0 ? (
          <Empty icon={<BrushCleaning />} title="Nothing is left over">
            When a session ends, its servers should end too. Those that do not, and test runs that outlive their agent, are listed here with what they cost. They end with one click, after you have seen them.
          </Empty>
        ) : (
          <Orphans orphans={orphans} chosen={chosen} onChoose={setChosen} />
        )}
      </Panel>
      <Duplicates duplicates={duplicates} />
      {asking && wanted.length > 0 && (
        <ReapDialog
          orphans={wanted}
          onClose={() => setAsking(false)}
          onReaped={(result) => {
            const ended = new Set(result.ended.map(keyOf))
            setReaped({ ...result, labels: new Map(wanted.map((orphan) => [orphan.pid, orphan.label])), wonBytes: costOf(wanted.filter((orphan) => ended.has(keyOf(orphan)))) })
            setAsking(false)
            setChosen(new Set())
            reload()
          }}
        />
      )}
    </PageFrame>
  )
}

export default Leftovers
