import { Wrench } from 'lucide-react'
import { useState } from 'react'
import type { Fix } from '../../../helper/contract/lifecycle.ts'
import { call } from '../../api.ts'
import { megabytes, plural } from '../../format/format.ts'
import { useCall, useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes } from '../../ui/figure.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import './fixes.css'

const kinds: readonly { kind: Fix['kind']; title: string; hint: string }[] = [
  { kind: 'waste', title: 'Known waste', hint: 'Memory that agents hold for nothing' },
  { kind: 'hooks', title: 'Hooks of agents', hint: 'The agent says itself when it is busy' },
  { kind: 'shim', title: 'Starting agents here', hint: 'In a cgroup of their own from the first moment' },
]

const stateWords: Record<Fix['state'], string> = { offered: 'Not applied', applied: 'Applied', 'changed-since': 'Changed since', 'not-possible': 'Not needed here' }
const stateTones: Record<Fix['state'], string> = { offered: '', applied: 'tag-gain', 'changed-since': 'tag-idle', 'not-possible': '' }

/** The change of every file before it is made, and the way it is taken back. */
const FixDialog = ({ fix, onClose, onDone }: { fix: Fix; onClose: () => void; onDone: () => void }) => {
  const { busy, error, send } = useSend()
  // Once applied, or changed by hand since, the only way is back.
  const back = fix.state === 'applied' || fix.state === 'changed-since'
  const changes = back ? fix.undo : fix.changes
  const apply = async (): Promise<void> => {
    const answer = await send(back ? call('fixes.undo', { id: fix.id }) : call('fixes.apply', { id: fix.id, digest: fix.digest }))
    // What is shown has to be read again either way: it changed, or it was not what we thought.
    onDone()
    if (answer.ok) onClose()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={back ? `Take back: ${fix.title}` : fix.title}
      lead={fix.text}
      foot={
        <>
          <span className="grow">{back ? 'Agents already running keep what they started with.' : 'Only new sessions are affected. It can be taken back at any time.'}</span>
          <Button onClick={onClose}>Not now</Button>
          <Button kind={back ? 'danger' : 'primary'} busy={busy} disabled={changes.length === 0} onClick={() => void apply()}>
            {back ? 'Take back' : 'Apply'}
          </Button>
        </>
      }
    >
      {error?.code === 'plan-changed' ? (
        <Notice tone="info" title="The file was changed meanwhile">
          Nothing was written. Below is the change as it would be now; look at it and press again.
        </Notice>
      ) : (
        <FailureNotice failure={error} onRetry={() => void apply()} />
      )}
      {fix.problem !== null && (
        <Notice tone="info" title={fix.state === 'changed-since' ? 'It is not as it was applied' : 'Know before'}>
          {fix.problem}
        </Notice>
      )}
      <h3 className="plan-heading">{plural(changes.length, 'file')} of yours will be changed</h3>
      {changes.map((change) => (
        <Diff key={change.path} change={change} />
      ))}
    </Dialog>
  )
}

const Row = ({ fix, onOpen }: { fix: Fix; onOpen: () => void }) => {
  const back = fix.state === 'applied' || fix.state === 'changed-since'
  return (
    <li className="fix">
      <div className="fix-text">
        <p className="fix-title">
          {fix.title} <span className={`tag ${stateTones[fix.state]}`}>{stateWords[fix.state]}</span>
        </p>
        <p className="muted">{fix.text}</p>
        {fix.problem !== null && <p className={fix.state === 'changed-since' ? 'problem' : 'muted'}>{fix.problem}</p>}
        {fix.agents.length > 0 && <p className="muted small">{fix.state === 'applied' ? 'For' : 'Concerns'} {plural(fix.agents.length, 'running agent')}.</p>}
      </div>
      <div className="fix-side">
        {fix.state !== 'applied' && fix.savesBytes.value !== null && fix.savesBytes.value >= 500_000 && (
          <p className="num fix-saves">
            {megabytes(fix.savesBytes.value)}&nbsp;MB <span className="muted">to save</span>
          </p>
        )}
        {fix.state !== 'not-possible' && (
          <Button size="s" onClick={onOpen} aria-label={`${back ? 'Take back' : 'Look at the change'}: ${fix.title}`}>
            {back ? 'Take back…' : 'Look at the change…'}
          </Button>
        )}
      </div>
    </li>
  )
}

/** Cures for known waste, hooks of the agents and shell shims: each shown before it is written. */
const Fixes = () => {
  const loaded = useCall('fixes.get', {})
  const [open, setOpen] = useState<string | null>(null)
  const { data, error, reload } = loaded
  if (data === null)
    return (
      <PageFrame title="Fixes" lead={<span className="big-value muted">{error === null ? '…' : 'Not available'}</span>}>
        {error === null ? <Skeleton height="18rem" /> : <FailureNotice failure={error} onRetry={reload} />}
      </PageFrame>
    )
  const { fixes } = data
  const shown = fixes.find(({ id }) => id === open)
  const saves = fixes.reduce((sum, fix) => sum + (fix.state === 'offered' ? (fix.savesBytes.value ?? 0) : 0), 0)
  return (
    <PageFrame
      title="Fixes"
      lead={
        saves > 0 ? (
          <>
            <span>
              <BigBytes bytes={saves} />
            </span>
            <span>could be saved by small changes to your own settings</span>
          </>
        ) : (
          <span className="big-value">{fixes.length === 0 ? 'None yet' : 'All done'}</span>
        )
      }
    >
      <FailureNotice failure={error} onRetry={reload} />
      {fixes.length === 0 && (
        <Empty icon={<Wrench />} title="What would be here">
          Some agents waste memory in ways that one setting cures, and some can say themselves when they are busy. As soon as such an agent is installed, its fix appears here: every changed line is shown before it is written, and can be taken back.
        </Empty>
      )}
      {kinds.map(({ kind, title, hint }) => {
        const list = fixes.filter((fix) => fix.kind === kind)
        return list.length === 0 ? null : (
          <Panel key={kind} title={title} aside={hint}>
            <ul className="fixes">
              {list.map((fix) => (
                <Row key={fix.id} fix={fix} onOpen={() => setOpen(fix.id)} />
              ))}
            </ul>
          </Panel>
        )
      })}
      {shown !== undefined && <FixDialog key={shown.id} fix={shown} onClose={() => setOpen(null)} onDone={reload} />}
    </PageFrame>
  )
}

export default Fixes
