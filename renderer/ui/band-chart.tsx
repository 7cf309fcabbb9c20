import { useState, type KeyboardEvent } from 'react'
import type { AgentState } from '../../helper/contract/agents.ts'
import { duration, timeTick } from '../format/format.ts'
import { StateMark } from './state.tsx'

export interface Band {
  fromMs: number
  toMs: number
  state: AgentState
  /** How it came to this state, in a sentence. */
  text: string
}

interface Props {
  bands: readonly Band[]
  fromMs: number
  toMs: number
  label: string
  /** Time of day of a moment, as the page writes it. */
  moment: (atMs: number) => string
}

const TICKS = 4

/**
 * States over time as a band: high is active, middle idle, low suspended, so
 * that it is read without colour. The pointer or the arrow keys pick a stretch,
 * and the line below tells it.
 */
export const BandChart = ({ bands, fromMs, toMs, label, moment }: Props) => {
  const [picked, setPicked] = useState<number | null>(null)
  const span = Math.max(1, toMs - fromMs)
  const at = picked === null ? bands.length - 1 : Math.min(picked, bands.length - 1)
  const shown = bands[at]
  const press = (event: KeyboardEvent): void => {
    const next: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bands.length - 1 }
    const to = next[event.key]
    if (to === undefined) return
    event.preventDefault()
    setPicked(Math.max(0, Math.min(bands.length - 1, to)))
  }
  const told = shown === undefined ? '' : `${shown.state}, from ${moment(shown.fromMs)} for ${duration(shown.toMs - shown.fromMs)}. ${shown.text}`
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => fromMs + (span * i) / TICKS)
  return (
    <figure className="bands">
      <div
        className="bands-plot"
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={1}
        aria-valuemax={Math.max(1, bands.length)}
        aria-valuenow={at + 1}
        aria-valuetext={told}
        onKeyDown={press}
        onPointerLeave={() => setPicked(null)}
      >
        {bands.map((band, i) => (
          <span
            key={band.fromMs}
            className={`band band-${band.state} ${i === picked ? 'band-picked' : ''}`}
            style={{ left: `${((band.fromMs - fromMs) / span) * 100}%`, width: `${((band.toMs - band.fromMs) / span) * 100}%` }}
            onPointerEnter={() => setPicked(i)}
          />
        ))}
      </div>
      <div className="bands-axis num" aria-hidden="true">
        {ticks.map((tick, i) => (
          <span key={tick}>{i === TICKS ? 'now' : timeTick(tick, ticks[i - 1] ?? tick, span)}</span>
        ))}
      </div>
      <figcaption className="bands-told">
        {shown === undefined ? (
          'Nothing is known of this time.'
        ) : (
          <>
            <StateMark state={shown.state} /> <span className="num">from {moment(shown.fromMs)}</span> for {duration(shown.toMs - shown.fromMs)}. <span className="muted">{shown.text}</span>
          </>
        )}
      </figcaption>
    </figure>
  )
}
