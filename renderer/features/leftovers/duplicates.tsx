import type { Duplicate } from '../../../helper/contract/lifecycle.ts'
import { megabytes, plural } from '../../format/format.ts'
import { Figure } from '../../ui/figure.tsx'
import { Panel } from '../../ui/page.tsx'
import { roleWords } from '../agents/rows.ts'
import { useNames } from '../lifecycle/act-result.tsx'

const Row = ({ duplicate }: { duplicate: Duplicate }) => {
  const name = useNames()
  const { label, role, processes, costBytes, couldSaveBytes, share } = duplicate
  return (
    <li className="duplicate">
      <div className="duplicate-head">
        <p className="duplicate-name">
          {label} <span className="muted">{label === roleWords[role] ? '' : roleWords[role]}, running {processes.length} times</span>
        </p>
        <p className="num duplicate-cost">
          <Figure reading={costBytes} format={megabytes} />
          &nbsp;MB
        </p>
      </div>
      <p className="muted duplicate-advice">
        {share.possible && couldSaveBytes.value !== null && <strong className="gain">One for all would save {megabytes(couldSaveBytes.value)}&nbsp;MB. </strong>}
        {share.text}
      </p>
      <details>
        <summary>Who runs it</summary>
        <ul className="names">
          {processes.map((process) => (
            <li key={process.pid}>
              {process.agentId === null ? 'no agent' : name(process.agentId)}{' '}
              <span className="muted">
                process {process.pid}, <Figure reading={process.costBytes} format={megabytes} />&nbsp;MB
              </span>
            </li>
          ))}
        </ul>
      </details>
    </li>
  )
}

/** The same server running many times, and whether one could do for all. */
export const Duplicates = ({ duplicates }: { duplicates: readonly Duplicate[] }) => {
  const save = duplicates.reduce((sum, { couldSaveBytes }) => sum + (couldSaveBytes.value ?? 0), 0)
  return (
    <Panel title="The same server many times" aside={save > 0 ? `Up to ${megabytes(save)} MB by sharing` : plural(duplicates.length, 'server')}>
      {duplicates.length === 0 ? (
        <p className="muted prose">Every server runs once. Where each session starts its own copy of the same one, it is listed here with what one for all would save; only servers that speak HTTP can serve several sessions.</p>
      ) : (
        <ul className="duplicates">
          {duplicates.map((duplicate) => (
            <Row key={duplicate.label} duplicate={duplicate} />
          ))}
        </ul>
      )}
    </Panel>
  )
}
