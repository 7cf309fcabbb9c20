import { useEffect, useRef, useState } from 'react'
import type { Response } from '../../../electron/contract/channels.ts'
import { subjectProcess } from '../../../electron/contract/subject.ts'
import type { Finding, TraceLine } from '../../../electron/contract/diagnosis.ts'
import type { ProcessRef } from '../../../helper/contract/agents.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { call } from '../../api.ts'
import { count } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { useLive } from '../../stores/live.ts'
import { Button } from '../../ui/button.tsx'
import { Command } from '../../ui/command.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Select } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { ProgressBar } from '../../ui/progress.tsx'
import { Table } from '../../ui/table.tsx'
import { useNames } from '../lifecycle/act-result.tsx'
import { subjectWords } from './words.ts'

type Result = Response<'trace.run'>

const SECONDS = [5, 10, 30, 60]

/** Whom a line may look at: the process the finding is about, else the agents there are. */
const useSubjects = (finding: Finding): { value: string; label: string; ref: ProcessRef }[] => {
  const agents = useLive((state) => state.live?.agents)
  const nameOf = useNames()
  const own = subjectProcess(finding.subject)
  if (own !== null) return [{ value: String(own.pid), label: subjectWords(finding.subject, nameOf), ref: own }]
  return (agents ?? []).flatMap((agent) => {
    const [main] = agent.processes
    return main === undefined ? [] : [{ value: agent.id, label: agent.name === agent.title ? agent.title : `${agent.title} ${agent.name}`, ref: { pid: main.pid, startTimeTicks: main.startTimeTicks } }]
  })
}

/** Goes on while a line runs: it takes as long as was asked for, no more. */
const Running = ({ seconds }: { seconds: number }) => {
  const [passed, setPassed] = useState(0)
  const from = useRef(0)
  useEffect(() => {
    from.current = Date.now()
    const timer = setInterval(() => setPassed((Date.now() - from.current) / 1000), 250)
    return () => clearInterval(timer)
  }, [])
  return (
    <div className="running">
      <p role="status">Looking for {seconds} seconds</p>
      <ProgressBar fraction={passed >= seconds ? null : passed / seconds} label="Progress of the look" />
    </div>
  )
}

const IS_NUMBER = /^[\d.,%\s]+$/u
/** Counts come as the tool printed them. */
const grouped = (cell: string): string => (/^\d{1,15}$/u.test(cell) ? count(Number(cell)) : cell)

const ResultView = ({ result }: { result: Result }) => (
  <>
    {result.truncated && (
      <Notice tone="info" title="Only the beginning is shown">
        There was more to tell than is passed on.
      </Notice>
    )}
    {result.table !== null && (
      <Table label="Result" columns={result.table.columns.map((head, i) => ({ head, num: IS_NUMBER.test(result.table?.rows[0]?.[i] ?? '') }))}>
        {result.table.rows.map((row) => (
          <tr key={row.join(' ')}>
            {row.map((cell, i) => (
              <td key={`${result.table?.columns[i]} ${cell}`} className={IS_NUMBER.test(cell) ? 'num' : undefined}>
                {grouped(cell)}
              </td>
            ))}
          </tr>
        ))}
      </Table>
    )}
    <details open={result.table === null}>
      <summary>What it printed</summary>
      <pre className="command trace-text" tabIndex={0}>
        <code>{result.text}</code>
      </pre>
    </details>
  </>
)

const RunDialog = ({ line, finding, onClose }: { line: TraceLine; finding: Finding; onClose: () => void }) => {
  const subjects = useSubjects(finding)
  const [seconds, setSeconds] = useState(Math.min(10, line.secondsMost))
  const [chosen, setChosen] = useState<string | null>(null)
  const [running, setRunning] = useState(false)
  const [result, setResult] = useState<Result | null>(null)
  const [error, setError] = useState<Failure | null>(null)
  const asksWho = line.process !== 'none'
  const isAboutOne = subjectProcess(finding.subject) !== null
  const everyone = { value: '', label: 'the whole machine' }
  const options = line.process === 'optional' && !isAboutOne ? [everyone, ...subjects] : subjects
  const value = chosen ?? options[0]?.value ?? ''
  const ref = asksWho ? (subjects.find((subject) => subject.value === value)?.ref ?? null) : null
  const run = async (): Promise<void> => {
    setRunning(true)
    setError(null)
    setResult(null)
    const answer = await call('trace.run', { id: line.id, process: ref, seconds })
    setRunning(false)
    if (answer.ok) setResult(answer.value)
    else setError(answer.error)
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={line.title}
      lead={line.what}
      foot={
        <>
          <span className="grow">It only looks. You may be asked for your password.</span>
          <Button onClick={onClose}>Close</Button>
          <Button kind="primary" busy={running} disabled={line.process === 'needed' && ref === null} onClick={() => void run()}>
            {result === null ? 'Run' : 'Run again'}
          </Button>
        </>
      }
    >
      <FailureNotice failure={error} onRetry={() => void run()} />
      <div className="row">
        {asksWho && options.length > 0 && <Select label="Whom to look at" value={value} disabled={running || options.length === 1} onChange={setChosen} options={options} />}
        <Select label="For how long" value={String(seconds)} disabled={running} onChange={(next) => setSeconds(Number(next))} options={SECONDS.filter((one) => one <= line.secondsMost).map((one) => ({ value: String(one), label: `${one} seconds` }))} />
      </div>
      {line.process === 'needed' && options.length === 0 && <p className="muted">This looks at one process of an agent, and there are no agents now.</p>}
      {running && <Running seconds={seconds} />}
      {result !== null && <ResultView result={result} />}
    </Dialog>
  )
}

/** Exact lines for whoever wants to see what happens inside: to copy, or to run here. */
export const LookDeeper = ({ finding }: { finding: Finding }) => {
  const about = subjectProcess(finding.subject)
  const { data } = useCall('trace.list', finding.lookDeeper.length === 0 ? null : about === null ? {} : { pid: about.pid })
  const [open, setOpen] = useState<TraceLine | null>(null)
  const lines = (data?.lines ?? []).filter(({ id }) => finding.lookDeeper.includes(id))
  if (lines.length === 0) return null
  return (
    <details className="deeper">
      <summary>Look deeper</summary>
      <ul className="deeper-lines">
        {lines.map((line) => (
          <li key={line.id}>
            <div className="deeper-head">
              <p>
                <strong>{line.title}</strong> <span className="muted">{line.what}</span>
              </p>
              {line.installed && (
                <Button size="s" aria-label={`Run… ${line.title}`} onClick={() => setOpen(line)}>
                  Run…
                </Button>
              )}
            </div>
            <Command text={line.command} />
            {!line.installed && (
              <p className="muted small">
                {line.tool} is not here; it comes with <code>{line.install}</code>
              </p>
            )}
          </li>
        ))}
      </ul>
      {open !== null && <RunDialog key={open.id} line={open} finding={finding} onClose={() => setOpen(null)} />}
    </details>
  )
}
