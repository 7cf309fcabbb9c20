import type { Protection } from '../../../electron/contract/diagnosis.ts'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'

const states: Readonly<Record<Protection['state'], { word: string; tone: string }>> = {
  on: { word: 'On', tone: 'tag-gain' },
  partial: { word: 'In part', tone: 'tag-idle' },
  off: { word: 'Off', tone: 'tag-idle' },
  unknown: { word: 'Not known', tone: '' },
}

/** What keeps programs and secrets in memory apart, and whether it does here. */
export const Protections = ({ protections }: { protections: readonly Protection[] }) =>
  protections.length === 0 ? null : (
    <Panel title="What protects memory here">
      <Table label="What protects memory" columns={['Protection', 'Here', 'What was read']} className="protections">
        {protections.map(({ id, title, state, says, source }) => (
          <tr key={id}>
            <th scope="row">{title}</th>
            <td>
              <span className={`tag ${states[state].tone}`}>{states[state].word}</span>
            </td>
            <td>
              {says}
              <span className="step-sub">
                <code>{source}</code>
              </span>
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
