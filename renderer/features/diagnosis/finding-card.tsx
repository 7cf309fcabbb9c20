import { ChevronRight } from 'lucide-react'
import type { Finding } from '../../../electron/contract/diagnosis.ts'
import { figureWords } from '../../format/evidence.ts'
import { unbroken } from '../../format/format.ts'
import { useNames } from '../lifecycle/act-result.tsx'
import { Figures } from './figures.tsx'
import { LookDeeper } from './look-deeper.tsx'
import { Solutions } from './solutions.tsx'
import { severities, subjectWords, topicWords } from './words.ts'

export const findingKey = ({ rule, subject }: Pick<Finding, 'rule' | 'subject'>): string => `${rule}|${subject}`

interface Props {
  finding: Finding
  open: boolean
  onToggle: () => void
}

/** One finding: closed a line, open its evidence, why, and what to do about it. */
export const FindingCard = ({ finding, open, onToggle }: Props) => {
  const { word, icon: Icon } = severities[finding.severity]
  const [first] = finding.figures
  const nameOf = useNames()
  const about = subjectWords(finding.subject, nameOf)
  const id = `finding-${findingKey(finding).replaceAll(/\W/gu, '-')}`
  return (
    <li className={`panel finding finding-${finding.severity}`}>
      <h3 className="finding-head">
        <button type="button" className="finding-toggle" aria-expanded={open} aria-controls={id} onClick={onToggle}>
          <Icon aria-hidden="true" className="finding-icon" />
          <span className="finding-words">
            <span className="finding-title">
              <span className="sr-only">{word}: </span>
              {finding.title}
            </span>
            <span className="finding-sub">
              {topicWords[finding.topic]}
              {about !== '' && <> · <span className={about === finding.subject ? 'path' : ''}>{about}</span></>}
            </span>
          </span>
          {first !== undefined && !open && typeof first.value === 'number' && (
            <span className="finding-figure num" title={first.what}>
              {figureWords(first.value, first.unit)}
            </span>
          )}
          <ChevronRight aria-hidden="true" className="finding-chevron" />
        </button>
      </h3>
      {open && (
        <div className="finding-body" id={id}>
          <p className="finding-why">{unbroken(finding.explanation)}</p>
          <Figures figures={finding.figures} />
          <h4 className="finding-heading">What you can do</h4>
          <Solutions finding={finding} />
          <LookDeeper finding={finding} />
        </div>
      )}
    </li>
  )
}
