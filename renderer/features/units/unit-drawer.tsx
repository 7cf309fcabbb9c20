import { useState } from 'react'
import type { UnitAgent, UnitKind, UnitTier } from '../../../electron/contract/units.ts'
import { bytes, duration, plural } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Choice } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'

const kindWords: Record<UnitKind, string> = { conversation: 'Conversation', 'system-prompt': 'System prompt', 'tool-definition': 'Tool definitions', 'tool-result': 'Tool result', other: 'Other' }
const tierWords: Record<UnitTier, string> = { hot: 'In memory', warm: 'Compressed', cold: 'On disk' }
const SHOWN = 200

/** The units of one agent, largest first. */
export const UnitDrawer = ({ agent, onClose }: { agent: UnitAgent; onClose: () => void }) => {
  const loaded = useCall('units.list', { agent: agent.number, backend: agent.backend }, ['units'])
  const [tier, setTier] = useState<UnitTier | 'all'>('all')
  const units = (loaded.data?.units ?? []).filter((unit) => tier === 'all' || unit.tier === tier).toSorted((a, b) => b.bytes - a.bytes)
  return (
    <Dialog side open onClose={onClose} title={agent.name} lead={`${plural(agent.units, 'unit')}, ${bytes(agent.bytes)} held, ${bytes(agent.sharedBytes)} of it held by others too${agent.domain === '' ? '' : `; domain ${agent.domain}`}`}>
      <FailureNotice failure={loaded.error} onRetry={loaded.reload} />
      <Choice
        label="Which units to show"
        value={tier}
        onChange={setTier}
        options={[{ value: 'all', label: 'All' }, ...(['hot', 'warm', 'cold'] as const).map((value) => ({ value, label: tierWords[value] }))]}
      />
      {loaded.data === null && loaded.error === null ? (
        <Skeleton lines={6} />
      ) : units.length === 0 ? (
        <p className="muted">None here.</p>
      ) : (
        <Table label={`Units of ${agent.name}`} columns={['Unit', 'Where', { head: 'Size', num: true }, { head: 'Stored', num: true }, { head: 'Held by', num: true }, { head: 'Used', num: true }]} className="units">
          {units.slice(0, SHOWN).map((unit) => (
            <tr key={unit.number}>
              <th scope="row">
                {kindWords[unit.kind]}
                <span className="step-sub">{unit.digest}</span>
              </th>
              <td>{tierWords[unit.tier]}</td>
              <td className="num">{bytes(unit.bytes)}</td>
              <td className="num">{bytes(unit.storedBytes)}</td>
              <td className="num">{unit.sharers}</td>
              <td className="num">{duration(unit.idleMs)}</td>
            </tr>
          ))}
        </Table>
      )}
      {(units.length > SHOWN || loaded.data?.more === true) && <p className="muted">The largest {Math.min(units.length, SHOWN)} are shown.</p>}
    </Dialog>
  )
}
