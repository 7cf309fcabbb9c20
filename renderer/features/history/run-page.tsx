import { ArrowLeft, Check, CircleMinus, Undo2, X } from 'lucide-react'
import type { RunDetail } from '../../../electron/contract/views.ts'
import type { Cause } from '../../../helper/contract/cause.ts'
import type { Step } from '../../../helper/contract/plan.ts'
import type { StepOutcome } from '../../../helper/contract/runs.ts'
import { failureWords } from '../../format/failure.ts'
import { duration, exactMoment, plural } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { isOpenState, undo, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Notice } from '../../ui/notice.tsx'
import { PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { DidNotFall } from '../diagnosis/did-not-fall.tsx'
import { DeltaView } from '../compare/delta-view.tsx'
import { endWords, isOnce, stateWords } from '../run/end-words.ts'
import { ReportMenu } from '../run/report-menu.tsx'
import { resultWords } from '../run/result-words.ts'
import { ResultCard } from '../run/result-card.tsx'
import { UndoLines } from '../run/undo-lines.tsx'
import { sourceTitles } from '../presets/plan-view.tsx'
import '../presets/presets.css'

const causeWords: Record<Cause, string> = {
  'user-preset': 'you pressed it',
  'user-layer': 'you changed a layer',
  'user-undo': 'you pressed Undo',
  'user-cancel': 'you cancelled it',
  'command-line': 'from the command line',
  'at-login': 'at login',
  'confirm-timeout': 'nobody kept it in time',
  'caller-gone': 'the window went away',
  'step-failed': 'a step failed',
  settle: 'the scan rate was lowered',
  'startup-recovery': 'recovered at start',
  restart: 'the computer was restarted',
  watchdog: 'the machine ran short of memory',
}

const Outcome = ({ outcome }: { outcome: StepOutcome | undefined }) => {
  if (outcome === undefined) return <span className="muted">not reached</span>
  const Icon = outcome.outcome === 'done' ? Check : outcome.outcome === 'failed' ? X : CircleMinus
  const words = outcome.error === null ? null : failureWords(outcome.error)
  return (
    <>
      <span className={outcome.outcome === 'failed' ? 'outcome problem' : 'outcome'}>
        <Icon aria-hidden="true" /> {outcome.outcome === 'done' ? (outcome.readBack ?? 'done') : outcome.outcome === 'failed' ? 'failed' : (outcome.readBack ?? 'left out')}
      </span>
      {words !== null && (
        <span className="outcome-reason">
          {words.title}. {words.text}
        </span>
      )}
    </>
  )
}

const Steps = ({ steps, outcomes, nameOf }: { steps: readonly Step[]; outcomes: readonly StepOutcome[]; nameOf: (agentId: string) => string }) => (
  <Table label="Steps of the run" columns={[{ head: '#', num: true }, 'Step', 'Old', 'Planned', 'Read back', { head: 'Took', num: true }]}>
    {steps.map((step, i) => {
      const outcome = outcomes.find((entry) => entry.number === step.number)
      return (
        <tr key={step.number}>
          <td className="num muted">{step.number}</td>
          <th scope="row">
            {step.operation.op === 'reclaim' ? <>{step.target} <span className="muted">{nameOf(step.operation.agentId)}</span></> : <code className="path">{step.target}</code>}
            {/* Said once of agents that are paged out one after the other. */}
            {step.why !== steps[i - 1]?.why && (
              <span className="step-sub">
                {sourceTitles[step.source]}. {step.why}
              </span>
            )}
          </th>
          <td><code>{step.old ?? '–'}</code></td>
          <td><code>{step.new}</code></td>
          <td><Outcome outcome={outcome} /></td>
          <td className="num">{outcome === undefined ? '–' : outcome.tookMs < 1000 ? `${Math.round(outcome.tookMs)} ms` : duration(outcome.tookMs)}</td>
        </tr>
      )
    })}
  </Table>
)

const Body = ({ detail }: { detail: RunDetail }) => {
  const { record, delta } = detail
  const over = !isOpenState(record.state)
  const end = endWords(record.state, detail)
  const names = new Map((delta?.agents ?? []).map((agent) => [agent.id, agent.name === agent.title ? '' : agent.name]))
  return (
    <>
      {over && record.state !== 'kept' && (
        <Notice tone={end.tone} title={end.title}>
          {end.text}
        </Notice>
      )}
      {delta !== null && (
        <Panel title="Result">
          <ResultCard detail={detail} headline={false} />
          <p className="muted result-foot">{resultWords(detail).text}</p>
        </Panel>
      )}
      {delta !== null && <DidNotFall runId={record.id} />}
      {record.undo.length > 0 && (
        <Panel title="What undoing did">
          <UndoLines lines={record.undo} />
        </Panel>
      )}
      {delta !== null && <DeltaView delta={delta} />}
      <Panel title="Steps" aside={plural(record.plan.steps.length, 'step')}>
        <Steps steps={record.plan.steps} outcomes={record.steps} nameOf={(agentId) => names.get(agentId) ?? ''} />
      </Panel>
      {record.plan.skipped.length > 0 && (
        <Panel title="Left out">
          <ul className="skipped">
            {record.plan.skipped.map((skip) => (
              <li key={`${skip.source} ${skip.what}`}>
                <strong>{skip.what}</strong> <span className="muted">{skip.reason}</span>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  )
}

const titleOf = (detail: RunDetail): string => {
  const { state } = detail.record
  if (state === 'waiting' || state === 'kept') return resultWords(detail).title
  if (state === 'undone' || state === 'partly-undone') return detail.delta?.total.verdict === 'gain' ? `${resultWords(detail).title}, then ${stateWords[state].toLowerCase()}` : resultWords(detail).title
  return stateWords[state]
}

/** One run in full: result, what came back, comparison, every step with what was read back. */
export const RunPage = ({ runId }: { runId: string }) => {
  const { data, error, reload } = useCall('runs.get', { runId }, ['runs'])
  const { progress, pending, error: runError } = useRun()
  const record = data?.record
  const canUndo = record?.state === 'kept' && !isOnce(data)
  const open = progress !== null && isOpenState(progress.state)
  return (
    <PageFrame
      title={record === undefined ? 'Run' : `${record.presetTitle}, ${exactMoment(record.startedAtMs)} · ${causeWords[record.cause]}`}
      lead={data === null ? undefined : <span className={`big-value ${data.delta?.total.verdict === 'gain' ? 'gain' : ''}`}>{titleOf(data)}</span>}
      actions={
        <>
          <a className="button button-quiet button-m" href="#/history">
            <ArrowLeft aria-hidden="true" />
            All runs
          </a>
          {canUndo && (
            <Button icon={<Undo2 aria-hidden="true" />} busy={pending === 'undo'} disabled={open} onClick={() => void undo(runId)}>
              Undo
            </Button>
          )}
          {data !== null && <ReportMenu subject={{ of: 'run', runId }} />}
        </>
      }
    >
      {runError !== null && progress?.runId !== runId && <FailureNotice failure={runError} onRetry={() => void undo(runId)} />}
      <FailureNotice failure={error} onRetry={reload} />
      {data === null ? error === null && <Skeleton height="24rem" /> : <Body detail={data} />}
    </PageFrame>
  )
}
