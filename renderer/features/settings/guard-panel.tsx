import { CircleAlert, ShieldCheck, ShieldOff } from 'lucide-react'
import { bytes, exactMoment, moment, plural } from '../../format/format.ts'
import { useNow } from '../../stores/data.ts'
import { useLifecycle } from '../../stores/lifecycle.ts'
import { Figure } from '../../ui/figure.tsx'
import { Panel, Skeleton } from '../../ui/page.tsx'
import { guardTitles, isNoteworthy } from '../lifecycle/words.ts'

/** The small program that stands by while anything is open: whether it runs, what it stands for, what it said. */
export const GuardPanel = () => {
  const { registry, error } = useLifecycle()
  const now = useNow(30_000)
  if (registry === null) return error === null ? <Panel title="Guard"><Skeleton lines={3} /></Panel> : null
  const { guard } = registry
  const words = (guard?.words ?? []).toReversed()
  return (
    <Panel title="Guard">
      <div className="stack">
        <div className="helper-state">
          {guard === null ? <CircleAlert aria-hidden="true" /> : guard.running ? <ShieldCheck aria-hidden="true" className="gain" /> : <ShieldOff aria-hidden="true" />}
          <div>
            <p className="helper-title">
              {guard === null ? 'Nothing is known of it' : guard.running ? 'Running' : 'Not running'}
              {guard !== null && guard.running && (
                <span className="muted num">
                  {' '}
                  process {guard.pid}, <Figure reading={guard.pssBytes} format={bytes} />
                </span>
              )}
            </p>
            <p className="muted">
              {guard === null
                ? 'It comes with the helper.'
                : guard.running
                  ? `Stands for ${plural(guard.runs, 'open run')} and ${plural(guard.agents, 'suspended agent')}: if memory runs short or the helper dies, it takes changes back and lets agents go on.`
                  : 'It starts before the first change or the first freeze, and ends when nothing is open.'}
            </p>
          </div>
        </div>
        {words.length > 0 && (
          <ol className="guard-words" tabIndex={0} aria-label="What the guard said">
            {words.map((word) => (
              <li key={`${word.atMs} ${word.what} ${word.agentId ?? ''}`}>
                <time className="num muted" title={exactMoment(word.atMs)} dateTime={new Date(word.atMs).toISOString()}>
                  {moment(word.atMs, now)}
                </time>
                <span>
                  <strong className={isNoteworthy(word) ? 'problem' : ''}>{guardTitles[word.what]}.</strong> <span className="muted">{word.text}</span>
                </span>
              </li>
            ))}
          </ol>
        )}
      </div>
    </Panel>
  )
}
