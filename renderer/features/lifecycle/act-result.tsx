import { useMemo } from 'react'
import { bytes, megabytes, plural, took } from '../../format/format.ts'
import { isWorking, wonOf, type Act } from '../../stores/acts.ts'
import { useLive } from '../../stores/live.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { lineOf, nameOf } from './words.ts'

const pastWords = { suspend: 'suspended', resume: 'resumed' } as const
const nowWords = { suspend: 'Suspending', resume: 'Resuming' } as const

/** Names of agents by id, also of those in an act that ended since. */
export const useNames = (): ((id: string) => string) => {
  const agents = useLive((state) => state.live?.agents)
  const names = useMemo(() => new Map((agents ?? []).map((agent) => [agent.id, nameOf(agent)])), [agents])
  return (id) => names.get(id) ?? 'an agent that has ended'
}

/** "19 agents suspended, 5.1 GB won": what an act did, or is doing, as a title and a sentence. */
export const actWords = (act: Act, name: (id: string) => string): { tone: 'busy' | 'gain' | 'info' | 'problem'; title: string; text: string } => {
  const made = act.kind === 'suspend' ? act.suspended.length : act.resumed.length
  const won = wonOf(act)
  if (isWorking(act)) {
    const next = act.ids[act.done]
    return {
      tone: 'busy',
      title: act.state === 'stopping' ? 'Stopping after this one' : `${nowWords[act.kind]} ${act.ids.length === 1 ? name(act.ids[0] ?? '') : plural(act.ids.length, 'agent')}`,
      text: act.ids.length === 1 ? (act.kind === 'suspend' ? 'Freezing it, then moving its memory out.' : 'Bringing its memory back first.') : `${act.done} done${act.kind === 'suspend' && won > 0 ? `, ${bytes(won)} won so far` : ''}. Now ${next === undefined ? 'the last one' : name(next)}.`,
    }
  }
  const leftCount = act.left.length
  const rest = act.ids.length - made - leftCount
  const parts = [
    leftCount > 0 ? `${plural(leftCount, 'agent')} ${act.kind === 'suspend' ? (leftCount === 1 ? 'was left running' : 'were left running') : leftCount === 1 ? 'is still suspended' : 'are still suspended'}.` : '',
    act.stopped && rest > 0 ? `Stopped with ${plural(rest, 'agent')} to go.` : '',
  ]
  if (made === 0)
    return {
      tone: act.failure !== null || leftCount > 0 ? 'problem' : 'info',
      title: act.kind === 'suspend' ? 'No agent was suspended' : leftCount > 0 ? 'No agent was resumed' : 'It runs already',
      text: [...parts, leftCount === 1 ? lineOf(act.left[0]?.error ?? { code: 'internal', message: '' }) : ''].filter((part) => part !== '').join(' '),
    }
  const subject = made === 1 ? name((act.kind === 'suspend' ? act.suspended[0]?.agentId : act.resumed[0]?.agentId) ?? '') : plural(made, 'agent')
  if (act.kind === 'resume') {
    const back = act.resumed.reduce((sum, entry) => sum + entry.prefaultedBytes, 0)
    const longest = act.resumed.reduce((most, entry) => Math.max(most, entry.tookMs), 0)
    return { tone: leftCount > 0 ? 'problem' : 'gain', title: `${subject} resumed`, text: [`${bytes(back)} brought back first; ${made === 1 ? 'it' : 'the slowest'} ran again after ${took(longest)}.`, ...parts].filter((part) => part !== '').join(' ') }
  }
  return {
    tone: won > 0 && leftCount === 0 && act.failure === null ? 'gain' : 'info',
    title: `${subject} ${pastWords[act.kind]}, ${won > 0 ? `${bytes(won)} won` : 'nothing won'}`,
    text: [made === 1 ? 'The first key typed into it wakes it.' : 'The first key typed into one of them wakes it.', ...parts].filter((part) => part !== '').join(' '),
  }
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
          <div className="table-scroll" tabIndex={0} role="region" aria-label="What each won">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Agent</th>
                  <th scope="col" className="num">Before, MB</th>
                  <th scope="col" className="num">After, MB</th>
                  <th scope="col" className="num">Won, MB</th>
                </tr>
              </thead>
              <tbody>
                {act.suspended.map((entry) => (
                  <tr key={entry.agentId}>
                    <th scope="row">{name(entry.agentId)}</th>
                    <td className="num">{megabytes(entry.before.costBytes)}</td>
                    <td className="num">{megabytes(entry.after.costBytes)}</td>
                    <td className="num">{megabytes(entry.wonBytes)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p className="muted result-foot">It took {took(act.tookMs)}.</p>
        </section>
      )}
    </>
  )
}
