import { Check, CircleDashed, CircleDot, CircleSlash, X } from 'lucide-react'
import { useState } from 'react'
import type { MachineView, PresetView } from '../../../electron/contract/views.ts'
import type { LayerStatus } from '../../../helper/contract/layers.ts'
import { layerPresetId, type Preset } from '../../../helper/contract/presets.ts'
import { bytes, missingWords } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { openPreset } from '../../stores/flow.ts'
import { go } from '../../stores/route.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Choice } from '../../ui/field.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { BigBytes, Gap } from '../../ui/figure.tsx'
import { PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Why } from '../../ui/why.tsx'
import { usePresets } from '../presets/use-presets.ts'
import { Actions } from './actions.tsx'
import './layers.css'

const stateWords: Record<LayerStatus['state'], string> = { on: 'On', off: 'Off', partial: 'Partly on', unavailable: 'Not available' }
const stateIcons = { on: CircleDot, off: CircleDashed, partial: CircleDashed, unavailable: CircleSlash } as const

/** What turns a layer on and off; a layer is only ever changed through a plan. Layers of later versions have neither. */
const switchesOf = (layer: LayerStatus, presets: readonly PresetView[]): { on: Preset | undefined; off: Preset | undefined } => {
  const of = (turn: 'on' | 'off'): Preset | undefined => presets.find(({ preset }) => preset.id === layerPresetId(layer.id, turn))?.preset
  return layer.state === 'unavailable' ? { on: undefined, off: undefined } : { on: layer.state === 'on' ? undefined : of('on'), off: layer.state === 'off' ? undefined : of('off') }
}

const Effect = ({ layer, privileged }: { layer: LayerStatus; privileged: boolean }) => {
  if (layer.savesBytes.value === null) return <Gap reason={missingWords(layer.savesBytes.reason, layer.savesBytes.detail)} />
  return (
    <Why what={`What ${layer.title} saves now`} how={layer.summary} sources={layer.sources} reader={privileged ? 'the helper, as root' : 'the app, as you'}>
      {layer.savesBytes.value === 0 ? <span className="muted">nothing</span> : <strong className="gain">{bytes(layer.savesBytes.value)}</strong>}
    </Why>
  )
}

/** What can be switched comes first, what is not available last; within that the order of the layers. */
const usableFirst = (layers: readonly LayerStatus[], presets: readonly PresetView[]): LayerStatus[] => {
  const rank = (layer: LayerStatus): number => {
    const { on, off } = switchesOf(layer, presets)
    return layer.state === 'unavailable' ? 2 : on !== undefined || off !== undefined ? 0 : 1
  }
  return layers.toSorted((a, b) => rank(a) - rank(b))
}

const LayerRow = ({ layer, presets, privileged, busy }: { layer: LayerStatus; presets: readonly PresetView[]; privileged: boolean; busy: boolean }) => {
  const Icon = stateIcons[layer.state]
  const { on, off } = switchesOf(layer, presets)
  return (
    <li className={`layer layer-${layer.state}`}>
      <div className="layer-main">
        <h2 className="layer-title">{layer.title}</h2>
        <p className="layer-state">
          <Icon aria-hidden="true" /> {stateWords[layer.state]}
        </p>
        <p className="layer-summary">{layer.summary}</p>
      </div>
      <dl className="layer-facts">
        {layer.state !== 'unavailable' && (
          <>
            <dt>Saves now</dt>
            <dd>
              <Effect layer={layer} privileged={privileged} />
            </dd>
            <dt>Costs</dt>
            <dd>{layer.cost}</dd>
          </>
        )}
        <dt>Needs</dt>
        <dd>{layer.requirement}</dd>
      </dl>
      <div className="layer-act">
        {layer.id === 'kernel-module' && layer.state === 'on' && (
          <Button size="s" onClick={() => go('units')}>
            Open Units
            <span className="sr-only"> of {layer.title}</span>
          </Button>
        )}
        {/* What it lacks stands beside it, with the command. */}
        {layer.id === 'kernel-module' && layer.state === 'unavailable' && (
          <Button size="s" disabled title={layer.summary}>
            Turn on
            <span className="sr-only"> {layer.title}</span>
          </Button>
        )}
        {/* The user's own: switched where their effect is seen, without the helper. */}
        {(layer.id === 'shared-memory' || layer.id === 'mapped-store') && layer.state !== 'unavailable' && (
          <Button size="s" onClick={() => go('units')}>
            Open Units
            <span className="sr-only"> to switch {layer.title}</span>
          </Button>
        )}
        {[{ preset: on, words: 'Turn on' }, { preset: off, words: 'Turn off' }].map(
          ({ preset, words }) =>
            preset !== undefined && (
              <Button key={preset.id} size="s" disabled={busy} title={busy ? 'A run is open; decide on it first.' : preset.description} onClick={() => openPreset(preset.id)}>
                {words}
                <span className="sr-only"> {layer.title}</span>
              </Button>
            ),
        )}
      </div>
    </li>
  )
}

const groups: Record<string, string> = {
  ksm: 'Merging',
  'compressed-swap': 'Compressed swap',
  reclaim: 'Paging out',
  'prune-cache': 'Cache',
  measuring: 'Measuring',
  'shared-memory': 'Shared memory',
  'mapped-store': 'Mapped store',
  'kernel-module': 'Kernel module',
}

const Capabilities = ({ view }: { view: MachineView }) => {
  const [show, setShow] = useState<'all' | 'missing'>('all')
  const missing = view.capabilities.filter((row) => !row.available)
  const rows = show === 'all' ? view.capabilities : missing
  return (
    <Panel
      title="What this machine has"
      aside={
        <Choice
          label="Which features to show"
          value={show}
          onChange={setShow}
          options={[
            { value: 'all', label: `All ${view.capabilities.length}` },
            { value: 'missing', label: `Missing ${missing.length}` },
          ]}
        />
      }
    >
      {rows.length === 0 ? (
        <p className="muted">Nothing is missing: this kernel has all that the layers can use.</p>
      ) : (
        <Table label="Features of this machine" columns={['Feature', 'For', 'Needs', 'Here', 'What to do']} className="capabilities">
          {rows.map((row) => (
            <tr key={row.id}>
              <th scope="row">
                <span className={row.available ? 'has' : 'has-not'}>
                  {row.available ? <Check aria-label="There:" /> : <X aria-label="Missing:" />}
                  {row.title}
                </span>
              </th>
              <td className="muted">{groups[row.layer] ?? row.layer}</td>
              <td>{row.needs}</td>
              <td>{row.has}</td>
              <td>{row.advice}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  )
}

const Layers = () => {
  const { data, error, reload } = useCall('machine.get', {}, ['units', 'machine', 'helper'])
  const presets = usePresets()
  const busy = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  if (data === null)
    return (
      <PageFrame title="Layers">
        {error === null ? (
          <>
            <Skeleton height="20rem" />
            <Skeleton height="16rem" />
          </>
        ) : (
          <FailureNotice failure={error} onRetry={reload} />
        )}
      </PageFrame>
    )
  const saved = data.layers.reduce((sum, layer) => sum + Math.max(0, layer.savesBytes.value ?? 0), 0)
  const on = data.layers.filter((layer) => layer.state === 'on' || layer.state === 'partial').length
  return (
    <PageFrame
      title="Layers save now"
      lead={
        <>
          <span>
            <BigBytes bytes={saved} />
          </span>
          <span>
            {on === 0 ? 'all of them are off' : `${on} of ${data.layers.length} on`} · Linux {data.kernelRelease}
          </span>
        </>
      }
    >
      <FailureNotice failure={error} onRetry={reload} />
      <ul className="layers panel">
        {usableFirst(data.layers, presets.data?.presets ?? []).map((layer) => (
          <LayerRow key={layer.id} layer={layer} presets={presets.data?.presets ?? []} privileged={data.privileged} busy={busy} />
        ))}
      </ul>
      <Actions presets={presets.data?.presets ?? []} layers={data.layers} busy={busy} />
      <Capabilities view={data} />
    </PageFrame>
  )
}

export default Layers
