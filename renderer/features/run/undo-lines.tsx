import { Check, CircleMinus, Clock3, TriangleAlert } from 'lucide-react'
import type { UndoLine } from '../../../helper/contract/runs.ts'
import { Table } from '../../ui/table.tsx'

const words: Record<UndoLine['outcome'], string> = {
  restored: 'Back at the old value',
  'already-so': 'Was already at the old value',
  'left-alone': 'Left alone',
  'waiting-for-memory': 'Waits for memory',
  failed: 'Could not be put back',
}
const icons = { restored: Check, 'already-so': Check, 'left-alone': CircleMinus, 'waiting-for-memory': Clock3, failed: TriangleAlert } as const

/** What undoing did, line by line: nothing is forced and nothing is hidden. */
export const UndoLines = ({ lines }: { lines: readonly UndoLine[] }) => (
  <Table label="What undoing did" columns={['Setting', 'Found', 'Old value', 'Outcome']}>
    {lines.map((line, i) => {
      const Icon = icons[line.outcome]
      const bad = line.outcome !== 'restored' && line.outcome !== 'already-so'
      return (
        <tr key={`${line.target} ${i}`}>
          <th scope="row">
            <code className="path">{line.target}</code>
          </th>
          <td>
            <code>{line.found ?? 'nothing'}</code>
          </td>
          <td>
            <code>{line.old ?? 'nothing'}</code>
          </td>
          <td>
            <span className={bad ? 'outcome problem' : 'outcome'}>
              <Icon aria-hidden="true" /> {!bad && line.reason !== '' ? line.reason : words[line.outcome]}
            </span>
            {bad && line.reason !== '' && <span className="outcome-reason">{line.reason}</span>}
          </td>
        </tr>
      )
    })}
  </Table>
)
