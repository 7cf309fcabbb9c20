import { ArrowRight, Camera, GitCompareArrows } from 'lucide-react'
import { useId, useState } from 'react'
import type { SnapshotInfo } from '../../../electron/contract/views.ts'
import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { call } from '../../api.ts'
import { bytes, moment, plural, withNoise } from '../../format/format.ts'
import { useCall, useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Select } from '../../ui/field.tsx'
import { Empty, PageFrame, Skeleton } from '../../ui/page.tsx'
import { ReportMenu } from '../run/report-menu.tsx'
import { DeltaView } from './delta-view.tsx'

const LIST_LIMIT = 200
const nameOf = (info: SnapshotInfo): string => `${moment(info.takenAtMs, Date.now())}  ${info.label === '' ? 'Snapshot' : info.label} (${plural(info.agents, 'agent')}, ${bytes(info.agentsCostBytes)})`

const TakeSnapshot = ({ onTaken }: { onTaken: (info: SnapshotInfo) => void }) => {
  const [open, setOpen] = useState(false)
  const [label, setLabel] = useState('')
  const { busy, error, send } = useSend()
  const take = async (): Promise<void> => {
    const answer = await send(call('snapshots.take', { label: label.trim() }))
    if (!answer.ok) return
    setOpen(false)
    setLabel('')
    onTaken(answer.value)
  }
  return (
    <>
      <Button icon={<Camera aria-hidden="true" />} onClick={() => setOpen(true)}>
        Take a snapshot
      </Button>
      <Dialog
        open={open}
        onClose={() => setOpen(false)}
        title="Take a snapshot"
        lead="The machine and all your agents as they are now, to compare with later. It takes a fraction of a second and changes nothing."
        foot={
          <>
            <Button onClick={() => setOpen(false)}>Not now</Button>
            <Button kind="primary" busy={busy} onClick={() => void take()}>
              Take it
            </Button>
          </>
        }
      >
        <FailureNotice failure={error} />
        <label className="stack-label">
          Name, if you like
          <input className="input" value={label} maxLength={120} placeholder="Before the refactoring" onChange={(event) => setLabel(event.target.value)} onKeyDown={(event) => event.key === 'Enter' && void take()} />
        </label>
      </Dialog>
    </>
  )
}

const leadOf = (delta: SnapshotDelta): { big: string; text: string } => {
  const { total } = delta
  switch (total.verdict) {
    case 'gain':
      return { big: withNoise(total.gainBytes, total.noiseBytes), text: 'less for the same agents; what they shrink by themselves is in it' }
    case 'loss':
      return { big: withNoise(-total.gainBytes, total.noiseBytes), text: 'more for the same agents' }
    case 'within-noise':
      return { big: 'No change', text: 'beyond the noise of the measurement' }
    case 'nothing-to-compare':
      return { big: 'Nothing to compare', text: delta.comparable ? 'no agent was there at both moments' : '' }
  }
}

const Compare = () => {
  const beforeId = useId()
  const afterId = useId()
  const list = useCall('snapshots.list', { limit: LIST_LIMIT }, ['snapshots'])
  const [picked, setPicked] = useState<{ from: number | null; to: number | null }>({ from: null, to: null })
  const snapshots = list.data ?? []
  // Newest first: by default the newest against the one before it, which is the two sides of a run.
  const to = snapshots.find((info) => info.id === picked.to) ?? snapshots.find((info) => info.origin === 'run-after') ?? snapshots[0]
  const from = snapshots.find((info) => info.id === picked.from) ?? snapshots.find((info) => to !== undefined && info.id !== to.id && (to.runId === null ? info.takenAtMs < to.takenAtMs : info.runId === to.runId && info.origin === 'run-before')) ?? snapshots.find((info) => info.id !== to?.id)
  const compared = useCall('compare.get', from === undefined || to === undefined ? null : { fromId: from.id, toId: to.id })
  const title = 'Compare'
  const take = <TakeSnapshot onTaken={(info) => setPicked((old) => ({ from: old.to ?? to?.id ?? null, to: info.id }))} />

  if (list.data === null)
    return (
      <PageFrame title={title} actions={take}>
        {list.error === null ? <Skeleton height="24rem" /> : <FailureNotice failure={list.error} onRetry={list.reload} />}
      </PageFrame>
    )
  if (from === undefined || to === undefined)
    return (
      <PageFrame title={title} lead={<span className="big-value">{snapshots.length === 0 ? 'No snapshots yet' : 'One snapshot'}</span>} actions={take}>
        <Empty icon={<GitCompareArrows />} title="Two moments, side by side">
          A snapshot holds what the machine and every agent used at one moment. Each preset takes one before and one after by itself; you can take one whenever you like, for
          example before and after opening a large project.
        </Empty>
      </PageFrame>
    )
  const lead = compared.data === null ? null : leadOf(compared.data)
  const options = snapshots.map((info) => ({ value: String(info.id), label: nameOf(info) }))
  return (
    <PageFrame
      title={title}
      lead={
        lead === null ? (
          <span className="big-value muted">…</span>
        ) : (
          <>
            <span className={`big-value ${compared.data?.total.verdict === 'gain' ? 'gain' : compared.data?.total.verdict === 'loss' ? 'problem' : ''}`}>{lead.big}</span>
            <span>{lead.text}</span>
          </>
        )
      }
      actions={
        <>
          <ReportMenu subject={{ of: 'comparison', fromId: from.id, toId: to.id }} />
          {take}
        </>
      }
    >
      <div className="pick">
        <div className="pick-side">
          <label htmlFor={beforeId}>Before</label>
          <Select id={beforeId} value={String(from.id)} options={options} onChange={(value) => setPicked({ from: Number(value), to: to.id })} />
        </div>
        <ArrowRight aria-hidden="true" />
        <div className="pick-side">
          <label htmlFor={afterId}>After</label>
          <Select id={afterId} value={String(to.id)} options={options} onChange={(value) => setPicked({ from: from.id, to: Number(value) })} />
        </div>
      </div>
      <FailureNotice failure={compared.error} onRetry={compared.reload} />
      {compared.data === null ? compared.error === null && <Skeleton height="24rem" /> : <DeltaView delta={compared.data} />}
    </PageFrame>
  )
}

export default Compare
