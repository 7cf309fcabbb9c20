import { useId, useState } from 'react'
import type { LimitView, Limits } from '../../../helper/contract/limits.ts'
import { call } from '../../api.ts'
import { DASH, duration, megabytes } from '../../format/format.ts'
import { askLifecycle, useLifecycle } from '../../stores/lifecycle.ts'
import { useNow, useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { AbilityNotice } from './ability.tsx'
import { draftOf, LEAST_MB, nothing, parse, suggestion, type Draft, type Field } from './limit-fields.ts'

const rows: readonly { field: Field; label: string; hint: string; more?: true }[] = [
  { field: 'highBytes', label: 'Slow down above', hint: 'Over this its memory is moved out and it waits (memory.high). Nothing is ended.' },
  { field: 'maxBytes', label: 'End above', hint: 'Over this the kernel ends it (memory.max). Needs a slow-down at or below it.' },
  { field: 'lowBytes', label: 'Protect up to', hint: 'So much is left alone when memory is short elsewhere (memory.low).' },
  { field: 'toolsHighBytes', label: 'Slow its tools above', hint: 'Builds and tests it starts, apart from the agent itself.', more: true },
  { field: 'swapMaxBytes', label: 'Swap at most', hint: 'memory.swap.max. 0 keeps it out of swap; then it cannot be suspended well.', more: true },
  { field: 'zswapMaxBytes', label: 'Compressed at most', hint: 'memory.zswap.max: its share of the compressed pool.', more: true },
]

/** How the limit in force works out, and what it changed. */
export const LimitState = ({ limit }: { limit: LimitView }) => {
  const now = useNow(1000)
  const title = limit.state === 'watching' ? `Watching it for ${duration(Math.max(0, limit.watchUntilMs - now))} more` : limit.state === 'holds' ? 'The limit holds' : 'The limit was taken back'
  return (
    <Notice tone={limit.state === 'holds' ? 'gain' : limit.state === 'undone' ? 'problem' : 'info'} title={title}>
      <p>{limit.text}</p>
      {limit.files.length > 0 && (
        <p className="limit-files">
          {limit.files.map((file) => (
            <span key={file.file} className="num">
              <code>{file.file}</code> {file.oldBytes === null ? 'none' : megabytes(file.oldBytes)} → {file.nowBytes === null ? 'none' : `${megabytes(file.nowBytes)} MB`}
            </span>
          ))}
        </p>
      )}
    </Notice>
  )
}

interface Props {
  /** null: the budget of all agents together. */
  id: string | null
  present: LimitView | null
  /** What it uses now; null while that is not known. */
  usedBytes: number | null
}

const inForce = (view: LimitView | null): Limits | null => (view === null || view.state === 'undone' ? null : view.limits)

/** Limits of one agent: typed in MB, checked while typing, watched once set. */
export const LimitForm = ({ id, present, usedBytes }: Props) => {
  const base = useId()
  const ability = useLifecycle((state) => state.registry?.limit ?? null)
  const [draft, setDraft] = useState<Draft>(() => draftOf(inForce(present)))
  const { busy, error, send } = useSend()
  const parsed = parse(draft, inForce(present))
  const errors = parsed.ok ? {} : parsed.errors
  const blocked = ability?.how === null
  const set = async (limits: Limits): Promise<void> => {
    const answer = await send(call('agents.limit', { id, limits }))
    if (answer.ok) askLifecycle()
  }
  const start = usedBytes === null ? null : Math.round(suggestion(usedBytes) / 1024 ** 2)
  const line = ({ field, label, hint }: (typeof rows)[number]) => (
    <div key={field} className="limit-row">
      <label htmlFor={`${base}${field}`}>{label}</label>
      <span className="number">
        <input
          id={`${base}${field}`}
          className="input"
          inputMode="numeric"
          placeholder="none"
          value={draft[field]}
          disabled={blocked}
          aria-describedby={`${base}${field}-hint`}
          aria-invalid={errors[field] !== undefined}
          onChange={(event) => setDraft({ ...draft, [field]: event.target.value })}
        />
        <span className="muted">MB</span>
      </span>
      <p id={`${base}${field}-hint`} className={errors[field] === undefined ? 'muted limit-hint' : 'problem limit-hint'}>
        {errors[field] ?? hint}
      </p>
    </div>
  )
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        if (parsed.ok && parsed.changes > 0) void set(parsed.limits)
      }}
    >
      {ability !== null && <AbilityNotice ability={ability} title="Limits cannot be set here yet" />}
      <FailureNotice failure={error} onRetry={parsed.ok ? () => void set(parsed.limits) : undefined} />
      {present !== null && <LimitState limit={present} />}
      <p className="muted">
        It uses {usedBytes === null ? DASH : `${megabytes(usedBytes)} MB`} now.{' '}
        {start !== null && !blocked && draft.highBytes === '' && (
          <>
            Half of that is a careful start:{' '}
            <button type="button" className="link" onClick={() => setDraft({ ...draft, highBytes: String(start) })}>
              use {start} MB
            </button>
            .
          </>
        )}
      </p>
      <div>{rows.filter((row) => row.more !== true).map(line)}</div>
      <details>
        <summary>Tools and swap</summary>
        <div>{rows.filter((row) => row.more === true).map(line)}</div>
      </details>
      <p className="muted limit-hint">
        Nothing below {LEAST_MB} MB is set. A new limit is watched for some minutes; where the agent comes to wait for memory it is taken back.
      </p>
      <div className="row">
        <Button type="submit" kind="primary" busy={busy} disabled={blocked || !parsed.ok || parsed.changes === 0}>
          Set
        </Button>
        {inForce(present) !== null && present !== null && (
          <Button
            disabled={busy}
            onClick={() => {
              setDraft(draftOf(null))
              void set(nothing(present.limits))
            }}
          >
            Take all limits away
          </Button>
        )}
      </div>
    </form>
  )
}
