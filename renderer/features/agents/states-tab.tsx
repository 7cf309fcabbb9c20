import { useMemo, useState } from 'react'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { RegistryEntry, Transition } from '../../../helper/contract/lifecycle.ts'
import type { Response } from '../../../electron/contract/channels.ts'
import { bytes, duration, exactMoment, megabytes, moment, took } from '../../format/format.ts'
import { useCall, useNow } from '../../stores/data.ts'
import { BandChart } from '../../ui/band-chart.tsx'
import { Choice } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { StateMark } from '../../ui/state.tsx'
import { Table } from '../../ui/table.tsx'
import { causeWords, nameOf } from '../lifecycle/words.ts'
import { bandsOf } from './states.ts'

const HOUR = 3_600_000
const ranges = { '1 hour': HOUR, '1 day': 24 * HOUR, '1 week': 7 * 24 * HOUR } as const
type Range = keyof typeof ranges
const rangeNames = Object.keys(ranges) as Range[]

/** The sentence, and its cause where the sentence does not say it. */
const told = ({ text, cause }: Transition) =>
  text.toLowerCase().startsWith(causeWords[cause]) ? text : <>{text} <span className="muted">{causeWords[cause]}</span></>

type Suspended = Response<'agents.timeline'>['suspensions'][number]

const Suspensions = ({ list }: { list: readonly Suspended[] }) => {
  const now = useNow(30_000)
  return (
    <section>
      <h3 className="plan-heading">What each suspend won</h3>
      <Table label="Suspensions" columns={['When', { head: 'Before, MB', num: true }, { head: 'After, MB', num: true }, { head: 'Won, MB', num: true }, 'Woke']}>
        {list.toReversed().map(({ suspension, resumed }) => (
          <tr key={suspension.sinceMs}>
            <th scope="row" title={exactMoment(suspension.sinceMs)}>
              {moment(suspension.sinceMs, now)}
              <span className="step-sub">frozen in {took(suspension.freezeMs)}, moved out in {took(suspension.reclaimMs)}</span>
              {suspension.stoppedBy !== null && <span className="step-sub problem">{suspension.stoppedBy}</span>}
            </th>
            <td className="num">{megabytes(suspension.before.costBytes)}</td>
            <td className="num" title={`${bytes(suspension.after.residentAnonBytes)} resident, ${bytes(suspension.after.compressedBytes)} compressed, ${bytes(suspension.after.fileBytes)} of files`}>
              {megabytes(suspension.after.costBytes)}
              <span className="step-sub">{megabytes(suspension.after.compressedBytes)} compressed</span>
            </td>
            <td className="num gain">{megabytes(suspension.wonBytes)}</td>
            <td>
              {resumed === null ? (
                <span className="muted no-wrap">not yet</span>
              ) : (
                <>
                  after {duration(resumed.suspendedForMs)}
                  <span className="step-sub">
                    {causeWords[resumed.cause]}; ran after {took(resumed.tookMs)}
                  </span>
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  )
}

/** How the agent came to be as it is: why it counts as busy or idle, its states over time, what each suspend won. */
export const StatesTab = ({ agent, entry }: { agent: Agent; entry: RegistryEntry | null }) => {
  const [range, setRange] = useState<Range>(agent.ageMs < HOUR ? '1 hour' : '1 day')
  const [openedMs] = useState(() => Date.now())
  const now = useNow(10_000)
  // Asked once a range, with what comes while it is open; the chart moves on by itself.
  const timeline = useCall('agents.timeline', { id: agent.id, fromMs: openedMs - ranges[range], toMs: openedMs + 24 * HOUR }, ['transition'])
  const { data } = timeline
  const fromMs = now - ranges[range]
  const transitions = useMemo(() => data?.transitions ?? [], [data])
  const bands = useMemo(() => bandsOf(transitions, fromMs, now), [transitions, fromMs, now])
  return (
    <>
      {entry !== null && (
        <section>
          <h3 className="plan-heading">Now</h3>
          {entry.activity.reasons.length > 0 ? (
            <ul className="evidence">
              {entry.activity.reasons.map(({ reason, text }) => (
                <li key={reason}>It {text}.</li>
              ))}
            </ul>
          ) : (
            <p>
              {entry.state === 'suspended'
                ? 'It is frozen: no timer runs, and connections wait.'
                : `No processor time, terminal or network${entry.activity.idleMs.value === null ? '' : ` for ${duration(entry.activity.idleMs.value)}`}.`}
            </p>
          )}
          <p className="muted small">{entry.activity.knownBy === 'hook' ? 'Known by its hooks and by what is seen from outside.' : 'Seen from outside: processor time, terminal, sockets, running children. Hooks in Fixes make this surer.'}</p>
        </section>
      )}
      <section>
        <header className="panel-head">
          <h3 className="plan-heading">States</h3>
          <Choice
            label="Range"
            value={range}
            onChange={setRange}
            options={rangeNames.map((name) => ({ value: name, label: name }))}
          />
        </header>
        <FailureNotice failure={timeline.error} onRetry={timeline.reload} />
        {data === null ? timeline.error === null && <Skeleton height="8rem" /> : <BandChart bands={bands} fromMs={fromMs} toMs={now} moment={(atMs) => moment(atMs, now)} label={`States of ${nameOf(agent)} over the last ${range.replace(/^1 /u, '')}`} />}
      </section>
      {data !== null && data.suspensions.length > 0 && <Suspensions list={data.suspensions} />}
      {transitions.length > 0 && (
        <section>
          <h3 className="plan-heading">Each change</h3>
          <ol className="transitions">
            {transitions.toReversed().map((transition) => (
              <li key={`${transition.atMs} ${transition.to}`}>
                <time className="num muted" dateTime={new Date(transition.atMs).toISOString()} title={exactMoment(transition.atMs)}>
                  {moment(transition.atMs, now)}
                </time>
                <StateMark state={transition.to} />
                <span>
                  {told(transition)}
                </span>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  )
}
