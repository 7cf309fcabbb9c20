import { useMemo } from 'react'
import { megabytes, took } from '../../format/format.ts'
import { isWorking, type Act } from '../../stores/act.ts'
import { useLive } from '../../stores/live.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { Table } from '../../ui/table.tsx'
import { actWords } from './act-words.ts'
import { lineOf, nameOf } from './words.ts'

/** Names of agents by id, also of those in an act that ended since. */
export const useNames = (): ((id: string) => string) => {
  const agents = useLive((state) => state.live?.agents)
  const names = useMemo(() => new Map((agents ?? []).map((agent) => [agent.id, nameOf(agent)])), [agents])
  return (id) => names.get(id) ?? 'an agent that has ended'
}

/** Agents with the same to say about them stand in one line. */
const byReason = (left: Act['left']): { reason: string; ids: string[] }[] => {
  const lines = new Map<string, string[]>()
  for (const { agentId, error } of left) lines.set(lineOf(error), [...(lines.get(lineOf(error)) ?? []), agentId])
  return [...lines].map(([reason, ids]) => ({ reason, ids }))
}

/** An act inside its dialog: the bar while it goes on, then what was won and what was left, in words. */
export const ActResult = ({ act }: { act: Act }) => {
  const name = useNames()
  const words = actWords(act, name)
  if (isWorking(act))
    return (
      <div className="running">
        <p role="status">{words.title}</p>
        <ProgressBar fraction={act.ids.length === 1 ? null : act.done / act.ids.length} label="Progress" />
        <p className="muted">{words.text}</p>
      </div>
    )
  const cut = [...new Set(act.suspended.flatMap((entry) => (entry.stoppedBy === null ? [] : [entry.stoppedBy])))]
  return (
    <>
      {(act.failure === null || act.suspended.length + act.resumed.length > 0) && (
        <Notice tone={words.tone === 'busy' ? 'info' : words.tone} title={words.title}>
          {words.text}
        </Notice>
      )}
      <FailureNotice failure={act.failure} />
      {cut.map((reason) => (
        <Notice key={reason} tone="info" title="Not all of it could be moved out">
          {reason}
        </Notice>
      ))}
      {act.left.length > 0 && (
        <section>
          <h3 className="plan-heading">{act.kind === 'suspend' ? 'Left running' : 'Still suspended'}</h3>
          <ul className="agent-reasons">
            {byReason(act.left).map(({ reason, ids }) => (
              <li key={reason}>
                <strong>{ids.map(name).join(', ')}</strong> <span className="muted">{reason}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {act.suspended.length > 0 && (
        <section>
          <h3 className="plan-heading">Suspended</h3>
          <Table label="What each won" columns={['Agent', { head: 'Before, MB', num: true }, { head: 'After, MB', num: true }, { head: 'Won, MB', num: true }]}>
            {act.suspended.map((entry) => (
              <tr key={entry.agentId}>
                <th scope="row">{name(entry.agentId)}</th>
                <td className="num">{megabytes(entry.before.costBytes)}</td>
                <td className="num">{megabytes(entry.after.costBytes)}</td>
                <td className="num">{megabytes(entry.wonBytes)}</td>
              </tr>
            ))}
          </Table>
          <p className="muted result-foot">It took {took(act.tookMs)}.</p>
        </section>
      )}
    </>
  )
}
