import { useState } from 'react'
import type { KernelFeature } from '../../../electron/contract/diagnosis.ts'
import { Choice } from '../../ui/field.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { featureStates } from './words.ts'

type Shown = 'all' | 'missing'

/** What each feature is on this machine, since when it exists, and what to do instead. */
export const KernelTable = ({ features, release }: { features: readonly KernelFeature[]; release: string }) => {
  const missing = features.filter(({ state }) => state !== 'here')
  const [shown, setShown] = useState<Shown>('missing')
  const list = shown === 'missing' && missing.length > 0 ? missing : features
  if (features.length === 0) return null
  return (
    <Panel
      title={`What this kernel can do (Linux ${release})`}
      aside={
        missing.length > 0 && (
          <Choice
            label="Features shown"
            value={shown}
            onChange={setShown}
            options={[
              { value: 'missing', label: `Not here ${missing.length}` },
              { value: 'all', label: `All ${features.length}` },
            ]}
          />
        )
      }
    >
      <Table label="Features of this kernel" columns={['Feature, and since when', 'Here', 'What was read', 'Instead']} className="kernel-features">
        {list.map((feature) => (
          <tr key={feature.id}>
            <th scope="row">
              {feature.title}
              <span className="step-sub">
                <code>{feature.id}</code>, Linux {feature.since}
              </span>
              {feature.changes.map(({ version, what }) => (
                <span key={version + what} className="step-sub">
                  {version}: {what}
                </span>
              ))}
            </th>
            <td>
              <span className={`tag ${featureStates[feature.state].tone}`}>{featureStates[feature.state].word}</span>
            </td>
            <td className="kernel-read">
              {feature.evidence}
              {feature.option !== null && (
                <span className="step-sub">
                  <code>{feature.option}</code>
                </span>
              )}
            </td>
            <td>{feature.state === 'here' ? <span className="muted">not needed</span> : feature.instead === '' ? <span className="muted">nothing does the same</span> : feature.instead}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
}
