import { useState } from 'react'
import type { HistoryEvent } from '../../../electron/contract/views.ts'
import { clock, exactMoment, moment, plural } from '../../format/format.ts'
import { useNow } from '../../stores/data.ts'
import { Select } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import type { Failure } from '../../../helper/contract/errors.ts'
import { Panel } from '../../ui/page.tsx'
import { filters, groupsOf, groupWords, passes, signs, type Filter, type Group } from './kinds.ts'

const Line = ({ group }: { group: Group }) => {
  const { first, rest } = group
  if (rest.length === 0) return first.runId === null ? first.text : <a className="link" href={`#/history/run/${first.runId}`}>{first.text}</a>
  return (
    <details>
      <summary>{groupWords(group)}</summary>
      <ul className="event-rest">
        {[first, ...rest].map((event) => (
          <li key={event.id}>{event.text}</li>
        ))}
      </ul>
    </details>
  )
}

/** What happened in the range, of all kinds or of some. */
export const EventsPanel = ({ events, error }: { events: readonly HistoryEvent[] | null; error: Failure | null }) => {
  const [filter, setFilter] = useState<Filter>('All')
  const now = useNow(30_000)
  const shown = (events ?? []).filter((event) => passes(event, filter))
  const groups = groupsOf(shown)
  const day = (atMs: number): string => new Date(atMs).toDateString()
  return (
    <Panel
      title="Events"
      aside={
        <>
          {events === null ? '' : plural(shown.length, 'event')}
          <Select label="Kind of events" value={filter} onChange={(value) => setFilter(filters.find((name) => name === value) ?? 'All')} options={filters.map((name) => ({ value: name, label: name }))} />
        </>
      }
    >
      {events === null ? (
        <FailureNotice failure={error} />
      ) : groups.length === 0 ? (
        <p className="muted">{filter === 'All' ? 'Nothing happened in this range.' : 'Nothing of this kind happened in this range.'}</p>
      ) : (
        <ol className="events" tabIndex={0} aria-label="Events">
          {groups.map((group, i) => (
            <li key={group.first.id}>
              <time title={exactMoment(group.first.atMs)} dateTime={new Date(group.first.atMs).toISOString()} className="num muted">
                {i === 0 || day(groups[i - 1]?.first.atMs ?? 0) !== day(group.first.atMs) ? moment(group.first.atMs, now) : clock(group.first.atMs).slice(0, 5)}
              </time>
              <span className="event-sign" aria-hidden="true">
                {signs[group.first.kind] ?? '·'}
              </span>
              <div>
                <Line group={group} />
              </div>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  )
}
