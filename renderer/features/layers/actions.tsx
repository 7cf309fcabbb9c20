import type { PresetView } from '../../../electron/contract/views.ts'
import type { LayerStatus } from '../../../helper/contract/layers.ts'
import { PAGE_OUT_PRESET_ID, PRUNE_LEVELS, pruneCachePresetId } from '../../../helper/contract/presets.ts'
import { plural } from '../../format/format.ts'
import { openPreset } from '../../stores/flow.ts'
import { useLive } from '../../stores/live.ts'
import { Button } from '../../ui/button.tsx'
import { Panel } from '../../ui/page.tsx'

interface RowProps {
  title: string
  text: string
  /** What to know before pressing: what it needs, whom it reaches. */
  note?: string
  label: string
  disabled: boolean
  onPress: () => void
}

const Row = ({ title, text, note, label, disabled, onPress }: RowProps) => (
  <li className="action">
    <div>
      <h3 className="action-title">{title}</h3>
      <p className="action-text">{text}</p>
      {note !== undefined && <p className="action-text muted">{note}</p>}
    </div>
    <Button size="s" disabled={disabled} aria-label={`${label}: ${title}`} onClick={onPress}>
      {label}
    </Button>
  </li>
)

const pageOutNote = (idle: number | null, swap: LayerStatus | undefined): string => {
  if (swap !== undefined && swap.state !== 'on') return 'Needs compressed swap, which is not on.'
  if (idle === null) return ''
  return idle === 0 ? 'No agent is idle right now.' : `${plural(idle, 'agent')} idle right now; some may be left alone, to compare with.`
}

/** What is done once and leaves nothing on; each through its plan. */
export const Actions = ({ presets, layers, busy }: { presets: readonly PresetView[]; layers: readonly LayerStatus[]; busy: boolean }) => {
  const idle = useLive((state) => state.live?.totals.idleCount ?? null)
  const find = (id: string) => presets.find(({ preset }) => preset.id === id)?.preset
  const pageOut = find(PAGE_OUT_PRESET_ID)
  const swap = layers.find((layer) => layer.id === 'compressed-swap')
  const note = pageOutNote(idle, swap)
  if (pageOut === undefined) return null
  return (
    <Panel title="Actions" aside={busy ? 'Decide on the run below first.' : 'Done once. What will happen is shown first.'}>
      <ul className="actions">
        <Row title="Page out idle agents" text={pageOut.description} label="Page out" disabled={busy} onPress={() => openPreset(pageOut.id)} {...(note === '' ? {} : { note })} />
        {PRUNE_LEVELS.map((level) => {
          const prune = find(pruneCachePresetId(level))
          return prune === undefined ? null : <Row key={level} title={`${prune.title} (level ${level})`} text={prune.description} label="Drop" disabled={busy} onPress={() => openPreset(prune.id)} />
        })}
      </ul>
    </Panel>
  )
}
