import { lazy, Suspense, useMemo, useState } from 'react'
import type { AgentDelta, SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { duration, figure, megabytes, noiseMegabytes, percent, plural, signedMegabytes } from '../../format/format.ts'
import { Figure } from '../../ui/figure.tsx'
import { Choice } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Panel, Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import './compare.css'

const Bars = lazy(() => import('./bars.tsx'))

const groupWords: Record<AgentDelta['group'], string> = { treated: 'treated', control: 'left alone', other: '' }

/** A change in MB, told apart by sign, arrow of words and colour; within the noise it stays plain. */
const Change = ({ bytes: amount, noise, better }: { bytes: number; noise: number | null; better: 'less' | 'more' | 'neither' }) => {
  const real = noise !== null ? Math.abs(amount) > noise : amount !== 0
  const good = (better === 'less' && amount < 0) || (better === 'more' && amount > 0)
  return <span className={real && better !== 'neither' ? (good ? 'gain' : 'problem') : 'muted'}>{signedMegabytes(amount)}</span>
}

const MachineTable = ({ delta }: { delta: SnapshotDelta }) => (
  <Table label="The machine before and after" columns={['Figure', { head: 'Before, MB', num: true }, { head: 'After, MB', num: true }, { head: 'Change, MB', num: true }, { head: 'Noise, MB', num: true }]}>
    {delta.machine.map((row) => (
      <tr key={row.id}>
        <th scope="row">{row.label}</th>
        <td className="num"><Figure reading={row.beforeBytes} format={megabytes} /></td>
        <td className="num"><Figure reading={row.afterBytes} format={megabytes} /></td>
        <td className="num">{row.changeBytes.value === null ? <Figure reading={row.changeBytes} format={signedMegabytes} /> : <Change bytes={row.changeBytes.value} noise={row.noiseBytes.value} better={row.better} />}</td>
        <td className="num muted"><Figure reading={row.noiseBytes} format={(value) => `± ${noiseMegabytes(value)}`} /></td>
      </tr>
    ))}
  </Table>
)

const rateVerdicts = { better: 'It helped.', worse: 'It was worse afterwards.', 'no-difference': 'No difference that can be told from chance.' } as const

/** How often programs had to wait, in two times of about the same length. */
const RateTable = ({ rates }: { rates: NonNullable<SnapshotDelta['rates']> }) => {
  const format = (unit: 'per-minute' | 'percent') => (value: number): string => (unit === 'percent' ? percent(value) : figure(value))
  return (
    <>
      <Table label="Waiting for memory before and after" columns={['Figure', { head: 'Before', num: true }, { head: 'After', num: true }]}>
        {rates.rows.map((row) => (
          <tr key={row.id}>
            <th scope="row">{row.label}{row.unit === 'per-minute' ? ', a minute' : ''}</th>
            <td className="num"><Figure reading={row.before} format={format(row.unit)} /></td>
            <td className="num"><Figure reading={row.after} format={format(row.unit)} /></td>
          </tr>
        ))}
      </Table>
      <p className="muted">Watched for {duration(rates.beforeMs)} before and {duration(rates.afterMs)} after the change. {rates.verdict === null ? 'Hardly anything had to wait.' : rateVerdicts[rates.verdict]}</p>
    </>
  )
}

const KindTable = ({ delta }: { delta: SnapshotDelta }) => (
  <Table label="Gain by kind of agent" columns={['Kind', { head: 'Agents', num: true }, { head: 'Before', num: true }, { head: 'Expected', num: true, title: 'What these agents would use now had they changed as the ones left alone did' }, { head: 'After', num: true }, { head: 'Gain', num: true, title: 'Expected less after' }, { head: 'Noise', num: true }]}>
    {delta.kinds.map((kind) => (
      <tr key={kind.kind}>
        <th scope="row" className="no-wrap">{kind.title}</th>
        <td className="num">
          {kind.treated.count}
          <span className="muted">{kind.control === null ? '' : ` + ${kind.control.count} left alone`}</span>
        </td>
        <td className="num">{megabytes(kind.treated.beforeBytes)}</td>
        <td className="num">{megabytes(kind.expectedAfterBytes)}</td>
        <td className="num">{megabytes(kind.treated.afterBytes)}</td>
        <td className="num"><Change bytes={kind.gainBytes} noise={kind.noiseBytes.value} better="more" /></td>
        <td className="num muted"><Figure reading={kind.noiseBytes} format={(value) => `± ${noiseMegabytes(value)}`} /></td>
      </tr>
    ))}
  </Table>
)

const SHOWN = 12

const AgentTable = ({ rows }: { rows: readonly AgentDelta[] }) => {
  const [all, setAll] = useState(false)
  const shown = all ? rows : rows.slice(0, SHOWN)
  return (
    <>
      <Table label="Agents before and after" columns={['Agent', { head: 'Before, MB', num: true }, { head: 'After, MB', num: true }, { head: 'Change, MB', num: true }, { head: '%', num: true }, { head: 'Noise, MB', num: true }, { head: 'Compressed after, MB', num: true }]}>
        {shown.map((row) => (
          <tr key={row.id}>
            <th scope="row">
              {row.title} <span className="muted">{row.name === row.title ? '' : row.name}</span> {groupWords[row.group] !== '' && row.group === 'control' && <span className="tag">left alone</span>}
            </th>
            <td className="num"><Figure reading={row.beforeBytes} format={megabytes} /></td>
            <td className="num"><Figure reading={row.afterBytes} format={megabytes} /></td>
            <td className="num">{row.changeBytes.value === null ? <Figure reading={row.changeBytes} format={signedMegabytes} /> : <Change bytes={row.changeBytes.value} noise={row.noiseBytes.value} better="less" />}</td>
            <td className="num"><Figure reading={row.changePercent} format={percent} /></td>
            <td className="num muted"><Figure reading={row.noiseBytes} format={megabytes} /></td>
            <td className="num muted"><Figure reading={row.afterCompressedBytes} format={megabytes} /></td>
          </tr>
        ))}
      </Table>
      {rows.length > SHOWN && (
        <button type="button" className="link more-rows" onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${rows.length}`}
        </button>
      )}
    </>
  )
}

/** Two moments side by side: bars, what changed of the machine, by kind and by agent, noise throughout. */
export const DeltaView = ({ delta }: { delta: SnapshotDelta }) => {
  const [view, setView] = useState<'agents' | 'machine'>('agents')
  const rows = useMemo(() => delta.agents.toSorted((a, b) => Math.abs(b.changeBytes.value ?? 0) - Math.abs(a.changeBytes.value ?? 0)), [delta])
  const controlled = delta.total.controlled !== 'none'
  return (
    <>
      {!delta.comparable && (
        <Notice tone="problem" title="These two cannot be compared fairly">
          {delta.incomparableReason}
        </Notice>
      )}
      {(delta.arrived > 0 || delta.left > 0) && (
        <p className="muted">
          In between {plural(delta.arrived, 'agent')} came and {plural(delta.left, 'agent')} went; they are shown, and left out of the totals.
        </p>
      )}
      <Panel
        title={view === 'agents' ? 'Agents, before and after' : 'The machine, before and after'}
        aside={
          <Choice
            label="What the bars show"
            value={view}
            onChange={setView}
            options={[
              { value: 'agents', label: 'Agents' },
              { value: 'machine', label: 'Machine' },
            ]}
          />
        }
      >
        <Suspense fallback={<Skeleton height="20rem" />}>
          <Bars delta={delta} view={view} rows={rows} />
        </Suspense>
      </Panel>
      {controlled && (
        <Panel title="By kind" aside="MB">
          <KindTable delta={delta} />
        </Panel>
      )}
      {delta.rates !== undefined && (
        <Panel title="Waiting for memory">
          <RateTable rates={delta.rates} />
        </Panel>
      )}
      <Panel title="Machine">
        <MachineTable delta={delta} />
      </Panel>
      {rows.length > 0 && (
        <Panel title="Each agent">
          <AgentTable rows={rows} />
        </Panel>
      )}
    </>
  )
}
