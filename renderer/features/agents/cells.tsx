import { ChevronRight, CirclePause, Ellipsis, Pin, PinOff, Play } from 'lucide-react'
import { duration, megabytes } from '../../format/format.ts'
import { pin, resume, useWorking } from '../../stores/acts.ts'
import { useNow } from '../../stores/data.ts'
import { openAsking } from '../../stores/flow.ts'
import { useEntry } from '../../stores/lifecycle.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Figure } from '../../ui/figure.tsx'
import { Menu } from '../../ui/menu.tsx'
import { StateMark } from '../../ui/state.tsx'
import { Tip } from '../../ui/tip.tsx'
import { menuOf } from '../lifecycle/agent-actions.tsx'
import { nameOf, stateDetail, stateLines } from '../lifecycle/words.ts'
import { figureOf, roleWords, type AgentRow, type Column } from './rows.ts'

/** An agent with its expander, or a process of it. */
export const NameCell = ({ row: original, open, onToggle }: { row: AgentRow; open: boolean; onToggle: () => void }) => {
  if (original.kind === 'process')
    return (
      <span className="cell-name cell-child">
        <span className="cell-title">{original.process.label}</span>
        <span className="muted">
          {original.process.label === roleWords[original.process.role] ? '' : `${roleWords[original.process.role]}, `}
          {original.process.pid}
        </span>
      </span>
    )
  const { agent } = original
  return (
    <span className="cell-name">
      <button type="button" className="expander" tabIndex={-1} aria-label={`${open ? 'Hide' : 'Show'} processes of ${agent.title} ${agent.name}`} onClick={onToggle}>
        <ChevronRight aria-hidden="true" className={open ? 'turned' : ''} />
      </button>
      <span className="cell-title">{agent.title}</span>
      {agent.name !== agent.title && <span className="muted">{agent.name}</span>}
    </span>
  )
}

const StateCell = ({ row, tabIndex }: { row: Extract<AgentRow, { kind: 'agent' }>; tabIndex: number }) => {
  const entry = useEntry(row.id)
  const now = useNow(1000)
  if (entry === null) return <StateMark state={row.agent.state} />
  const lines = stateLines(entry, now)
  return (
    <Tip text={lines.map((line) => <span key={line} className="tip-line">{line}</span>)}>
      <span className="state-cell" tabIndex={tabIndex}>
        <StateMark state={row.agent.state} />
        {entry.pinned && <Pin className="pin-mark" aria-label="Pinned" />}
        <span className={entry.problem === null ? 'state-detail' : 'state-detail problem'}>{entry.problem === null ? stateDetail(entry, now) : 'last try failed'}</span>
      </span>
    </Tip>
  )
}

/** Suspend or resume, and all the rest behind one button. */
export const Acts = ({ row, tabIndex }: { row: Extract<AgentRow, { kind: 'agent' }>; tabIndex: number }) => {
  const { agent } = row
  const entry = useEntry(row.id)
  const working = useWorking()
  const runOpen = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  const name = nameOf(agent)
  const isAway = agent.state === 'suspended'
  return (
    <>
      <button
        type="button"
        className="icon-button"
        tabIndex={tabIndex}
        disabled={working || agent.state === 'gone' || (entry !== null && entry.doing !== null)}
        title={isAway ? 'Resume' : 'Suspend…'}
        aria-label={`${isAway ? 'Resume' : 'Suspend'} ${name}`}
        onClick={() => (isAway ? resume([agent.id]) : openAsking({ of: 'suspend', ids: [agent.id] }))}
      >
        {isAway ? <Play aria-hidden="true" /> : <CirclePause aria-hidden="true" />}
      </button>
      <button
        type="button"
        className="icon-button act-pin"
        tabIndex={tabIndex}
        disabled={entry === null}
        title={entry?.pinned === true ? 'Unpin' : 'Pin: never suspend it'}
        aria-label={`${entry?.pinned === true ? 'Unpin' : 'Pin'} ${name}`}
        onClick={() => void pin([agent.id], entry?.pinned !== true)}
      >
        {entry?.pinned === true ? <PinOff aria-hidden="true" /> : <Pin aria-hidden="true" />}
      </button>
      <Menu bare label={`More for ${name}`} icon={<Ellipsis aria-hidden="true" />} tabIndex={tabIndex} items={menuOf(agent, entry, runOpen)} />
    </>
  )
}

/** One figure of a row, or its state. */
export const Cell = ({ row, column, tabIndex }: { row: AgentRow; column: Column; tabIndex: number }) => {
  if (column === 'state') return row.kind === 'agent' ? <StateCell row={row} tabIndex={tabIndex} /> : null
  const figure = figureOf(row, column)
  if (figure === null) return null
  if (column === 'idle' && row.agent.state === 'active') return null
  return <Figure reading={figure} format={column === 'idle' || column === 'age' ? duration : megabytes} />
}
