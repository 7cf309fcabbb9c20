import { RefreshCw, ShieldCheck } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { Diagnosis as Found, Finding } from '../../../electron/contract/diagnosis.ts'
import { ago, duration, plural, took } from '../../format/format.ts'
import { useNow } from '../../stores/data.ts'
import { look, problemsOf, useDiagnosis } from '../../stores/diagnosis.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Empty, PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { FindingCard, findingKey } from './finding-card.tsx'
import { KernelTable } from './kernel-table.tsx'
import { Protections } from './protections.tsx'
import { severities, severityOrder, topicWords } from './words.ts'
import './diagnosis.css'

/** Two looks give rates; the second is worth waiting for. */
const SECOND_MS = 3_000
const AGAIN_MS = 10_000
/** So many are found at a glance; more want a filter. */
const FILTER_FROM = 8

const Lead = ({ data }: { data: Found }) => {
  const problems = problemsOf(data)
  if (data.findings.length === 0) return <span className="big-value">Nothing found</span>
  if (problems === 0) return <span className="big-value">All is well</span>
  return (
    <>
      <span className="big-value">{problems}</span>
      <span>{problems === 1 ? 'thing keeps' : 'things keep'} memory from being used well</span>
    </>
  )
}

const Looked = ({ data, looking }: { data: Found; looking: boolean }) => {
  const now = useNow(1000)
  return (
    <>
      <span className="looked muted" title={`The rules took ${took(data.tookMs)}`}>
        {data.looks === 1 ? 'One look' : `${data.looks} looks over ${duration(data.spanMs)}`}, the last {ago(data.takenAtMs, now)}
      </span>
      <Button size="s" busy={looking} icon={<RefreshCw aria-hidden="true" />} onClick={() => void look()}>
        Look again
      </Button>
    </>
  )
}

const matches = (finding: Finding, words: readonly string[]): boolean => {
  const text = `${finding.title} ${finding.subject} ${finding.rule} ${topicWords[finding.topic]} ${severities[finding.severity].word} ${finding.explanation}`.toLowerCase()
  return words.every((word) => text.includes(word))
}

const Findings = ({ findings, opened }: { findings: readonly Finding[]; opened: string | null }) => {
  const [filter, setFilter] = useState('')
  /** The severest stands open until the user opens or closes one. */
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map())
  const words = filter.toLowerCase().split(/\s+/u).filter((word) => word !== '')
  const shown = findings.filter((finding) => matches(finding, words))
  const firstKey = findings[0] === undefined ? null : findingKey(findings[0])
  const isOpen = (key: string): boolean => toggled.get(key) ?? (opened === null ? key === firstKey : key === opened)
  return (
    <>
      {findings.length >= FILTER_FROM && (
        <input className="input finding-filter" data-filter="" type="search" placeholder="Filter findings" aria-label="Filter findings" value={filter} onChange={(event) => setFilter(event.target.value)} />
      )}
      {shown.length === 0 && <p className="muted">None of the {findings.length} findings has all of these words.</p>}
      {severityOrder.map((severity) => {
        const list = shown.filter((finding) => finding.severity === severity)
        return list.length === 0 ? null : (
          <section key={severity} className="finding-group" aria-labelledby={`severity-${severity}`}>
            <h2 className="finding-group-title" id={`severity-${severity}`}>
              {severities[severity].heading} {list.length > 1 && <span className="muted">{list.length}</span>}
            </h2>
            <ul className="findings">
              {list.map((finding) => {
                const key = findingKey(finding)
                return <FindingCard key={key} finding={finding} open={isOpen(key)} onToggle={() => setToggled(new Map([...toggled, [key, !isOpen(key)]]))} />
              })}
            </ul>
          </section>
        )
      })}
    </>
  )
}

/** Rules by what they lacked: many lack the same. */
const lackOf = (couldNotLook: Found['couldNotLook']): { needs: string; rules: readonly string[] }[] => {
  const groups = new Map<string, string[]>()
  for (const { rule, needs } of couldNotLook) for (const need of needs.split('; ')) groups.set(need, [...(groups.get(need) ?? []), rule])
  return [...groups].map(([needs, rules]) => ({ needs, rules })).toSorted((a, b) => b.rules.length - a.rules.length)
}

const Rules = ({ rules }: { rules: readonly string[] }) => (
  <ul className="rule-list">
    {rules.map((rule) => (
      <li key={rule}>
        <code>{rule}</code>
      </li>
    ))}
  </ul>
)

const Unseen = ({ data }: { data: Found }) => {
  const lacks = lackOf(data.couldNotLook)
  const spoke = new Set(data.findings.map(({ rule }) => rule)).size
  return (
    <Panel title="What was looked at" aside={`${plural(spoke + data.silent.length, 'rule')} looked, ${data.couldNotLook.length} could not`}>
      <div className="looked-at">
        <details>
          <summary>{plural(data.silent.length, 'rule')} looked and found nothing wrong</summary>
          <Rules rules={data.silent} />
        </details>
        {lacks.length > 0 && (
          <details>
            <summary>
              {plural(data.couldNotLook.length, 'rule')} could not look, for want of {lacks.length === 1 ? 'one thing' : `${lacks.length} things`}
            </summary>
            <dl className="lacks">
              {lacks.map(({ needs, rules }) => (
                <div key={needs}>
                  <dt>{needs}</dt>
                  <dd>
                    <Rules rules={rules} />
                  </dd>
                </div>
              ))}
            </dl>
          </details>
        )}
      </div>
    </Panel>
  )
}

/** Why memory is full, with what says so, and what would help. */
const Diagnosis = ({ rest }: { rest: readonly string[] }) => {
  const { data, error, looking } = useDiagnosis()
  useEffect(() => {
    void look()
    const second = setTimeout(() => void look(), SECOND_MS)
    const timer = setInterval(() => void look(), AGAIN_MS)
    return () => {
      clearTimeout(second)
      clearInterval(timer)
    }
  }, [])
  if (data === null)
    return (
      <PageFrame title="Diagnosis" lead={<span className="big-value muted">{error === null ? 'Looking…' : 'Not available'}</span>}>
        {error === null ? <Skeleton height="24rem" /> : <FailureNotice failure={error} onRetry={() => void look()} />}
      </PageFrame>
    )
  const [rule = null, subject = ''] = rest
  return (
    <PageFrame title="Diagnosis" lead={<Lead data={data} />} actions={<Looked data={data} looking={looking} />}>
      <FailureNotice failure={error} onRetry={() => void look()} />
      {data.findings.length === 0 ? (
        <Panel>
          <Empty icon={<ShieldCheck />} title="Nothing keeps memory from being used well" actions={<Button onClick={() => go('overview')}>What could be got back</Button>}>
            {plural(data.silent.length, 'rule')} looked at pressure, swap, caches, limits and agents and had nothing to say. Looks go on in the background; what is found later is counted beside the name of this page and kept in the journal.
          </Empty>
        </Panel>
      ) : (
        <Findings findings={data.findings} opened={rule === null ? null : findingKey({ rule, subject })} />
      )}
      <Unseen data={data} />
      <Protections protections={data.protections} />
      <KernelTable features={data.features} release={data.kernelRelease} />
    </PageFrame>
  )
}

export default Diagnosis
