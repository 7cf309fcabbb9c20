import { ArrowRight } from 'lucide-react'
import type { PlanView as Plan } from '../../../electron/contract/views.ts'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { SourceId } from '../../../helper/contract/layers.ts'
import type { Step } from '../../../helper/contract/plan.ts'
import { plural } from '../../format/format.ts'
import { Gap } from '../../ui/figure.tsx'
import { useLive } from '../../stores/live.ts'

export const sourceTitles: Record<SourceId, string> = {
  'shared-memory': 'Shared memory',
  'mapped-store': 'Mapped store',
  'compressed-swap': 'Compressed swap',
  ksm: 'Merging of equal pages (KSM)',
  'kernel-module': 'Kernel module',
  'prune-cache': 'Cache pruning',
  reclaim: 'Paging out agents',
  tunables: 'Memory settings of the kernel',
}

const NO_OLD = 'There is none yet, or it may not be read without root.'

const kindWords = { 'already-so': 'Already so', impossible: 'Not possible here', 'not-needed': 'Not needed' } as const

/** The way back as a sentence; some steps have nothing to take back. */
const undoWords = ({ undo, undoClass, source }: Step): string =>
  undo.startsWith('nothing to undo') ? `N${undo.slice(1)}.` : `${undoClass === 'when-it-fits' && source !== 'kernel-module' ? 'Undo, once there is memory for it' : 'Undo'}: ${undo}`

/** One step: the file, the value before and after, why, and the way back. */
export const StepCard = ({ step, outcome }: { step: Step; outcome?: React.ReactNode }) => (
  <li className="step">
    <p className="step-why">{step.why}</p>
    <p className="step-change">
      <code className="path">{step.target}</code>
      <span className="step-values">
        {step.old === null ? <Gap reason={NO_OLD} /> : <code>{step.old === '' ? 'empty' : step.old}</code>}
        <ArrowRight aria-label="becomes" />
        <code className="step-new">{step.new}</code>
      </span>
    </p>
    <p className="step-undo">{undoWords(step)}</p>
    {outcome}
  </li>
)

const SHOWN_AGENTS = 4

/** Where an agent works, from the live state: a plan names it by its kind alone. */
const projectOf = (step: Step, agents: readonly Agent[]): string => {
  const { operation } = step
  const agent = operation.op === 'reclaim' ? agents.find(({ id }) => id === operation.agentId) : undefined
  return agent === undefined || agent.name === agent.title ? '' : agent.name
}

const NO_AGENTS: readonly Agent[] = []

const AgentLines = ({ steps }: { steps: readonly Step[] }) => {
  const agents = useLive((state) => state.live?.agents ?? NO_AGENTS)
  return (
    <ul className="agent-lines">
      {steps.map((step) => (
        <li key={step.number} title={step.why}>
          <span>
            {step.target} <span className="muted">{projectOf(step, agents)}</span>
          </span>
          <span className="step-values">
            {step.old !== null && (
              <>
                <code>{step.old}</code>
                <ArrowRight aria-label="becomes" />
              </>
            )}
            <code className="step-new">{step.new}</code>
          </span>
        </li>
      ))}
    </ul>
  )
}

/** Paging out is the same step for each agent: one line each, the reason and the way back said once. */
const ReclaimSteps = ({ steps }: { steps: readonly Step[] }) => {
  const first = steps.slice(0, SHOWN_AGENTS)
  const rest = steps.slice(SHOWN_AGENTS)
  const undos = [...new Set(steps.map(undoWords))]
  return (
    <div className="steps">
      <div className="step">
        <AgentLines steps={first} />
        {rest.length > 0 && (
          <details>
            <summary className="step-more">and {plural(rest.length, 'more agent')}</summary>
            <AgentLines steps={rest} />
          </details>
        )}
        <p className="step-undo">{undos.join(' ')}</p>
      </div>
    </div>
  )
}

const AgentNames = ({ ids }: { ids: readonly string[] }) => {
  const agents = useLive((state) => state.live?.agents)
  const byId = new Map((agents ?? []).map((agent) => [agent.id, agent]))
  const names = ids.map((id) => {
    const agent = byId.get(id)
    return agent === undefined ? 'an agent that has ended' : `${agent.title} ${agent.name === agent.title ? '' : agent.name}`.trim()
  })
  return (
    <ul className="names">
      {names.map((name, i) => (
        <li key={ids[i]}>{name}</li>
      ))}
    </ul>
  )
}

/** The whole plan as it will be done, in order, with what is left out and what to know before. */
export const PlanBody = ({ view }: { view: Plan }) => {
  const { plan } = view
  const sources = [...new Set(plan.steps.map((step) => step.source))]
  const agents = view.treated.length > 0 || view.control.length > 0
  // Layers and the cache act on the whole machine: agents are only looked at.
  const treats = plan.steps.some((step) => step.source === 'reclaim')
  return (
    <>
      {plan.notes.length > 0 && (
        <section>
          <h3 className="plan-heading">Know before</h3>
          <ul className="plan-notes">
            {plan.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </section>
      )}
      {agents && plan.steps.length > 0 && (
        <section>
          <h3 className="plan-heading">Agents</h3>
          <div className="plan-agents">
            <details>
              <summary>
                <strong>{plural(view.treated.length, 'agent')}</strong> {treats ? 'will be treated' : 'measured before and after'}
              </summary>
              <AgentNames ids={view.treated} />
            </details>
            {view.control.length > 0 && (
              <details>
                <summary>
                  <strong>{plural(view.control.length, 'agent')}</strong> left alone, to compare with
                </summary>
                <AgentNames ids={view.control} />
              </details>
            )}
          </div>
        </section>
      )}
      {sources.map((source) => (
        <section key={source}>
          <h3 className="plan-heading">{sourceTitles[source]}</h3>
          {source === 'reclaim' ? (
            <ReclaimSteps steps={plan.steps.filter((step) => step.source === source)} />
          ) : (
            <ol className="steps">
              {plan.steps.filter((step) => step.source === source).map((step) => (
                <StepCard key={step.number} step={step} />
              ))}
            </ol>
          )}
        </section>
      ))}
      {plan.skipped.length > 0 && (
        <section>
          <h3 className="plan-heading">Left out</h3>
          <ul className="skipped">
            {plan.skipped.map((skip) => (
              <li key={`${skip.source} ${skip.what}`}>
                <span className="tag">{kindWords[skip.kind]}</span> <strong>{skip.what}</strong> <span className="muted">{skip.reason}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}
