import { CirclePause, Play } from 'lucide-react'
import { isListed } from '../../../electron/contract/views.ts'
import { PAGE_OUT_PRESET_ID } from '../../../helper/contract/presets.ts'
import { plural } from '../../format/format.ts'
import { pin, resume, useWorking } from '../../stores/acts.ts'
import { actsOnAgents, openAsking, openPreset } from '../../stores/flow.ts'
import { useLifecycle } from '../../stores/lifecycle.ts'
import { isOpenState, useRun } from '../../stores/run.ts'
import { Button } from '../../ui/button.tsx'
import { Menu } from '../../ui/menu.tsx'
import { usePresets } from '../presets/use-presets.ts'

/** What can be done with the selected agents; it lies over the end of the table, so the rows keep their place. */
export const Selection = ({ ids, onClear }: { ids: readonly string[]; onClear: () => void }) => {
  const presets = usePresets()
  const byId = useLifecycle((state) => state.byId)
  const working = useWorking()
  const runOpen = useRun((state) => state.progress !== null && isOpenState(state.progress.state))
  const usable = (presets.data?.presets ?? []).filter((entry) => isListed(entry) && actsOnAgents(entry.preset.settings))
  const away = ids.filter((id) => byId.get(id)?.state === 'suspended')
  const here = ids.filter((id) => byId.get(id)?.state !== 'suspended')
  const pinned = ids.every((id) => byId.get(id)?.pinned === true)
  return (
    <div className="selection" role="group" aria-label="Selected agents">
      <strong>{plural(ids.length, 'agent')} selected</strong>
      {here.length > 0 && (
        <Button kind="primary" size="s" disabled={working} icon={<CirclePause aria-hidden="true" />} onClick={() => openAsking({ of: 'suspend', ids: here })}>
          Suspend…
        </Button>
      )}
      {away.length > 0 && (
        <Button kind={here.length === 0 ? 'primary' : 'plain'} size="s" disabled={working} icon={<Play aria-hidden="true" />} onClick={() => resume(away)}>
          Resume
        </Button>
      )}
      <Button size="s" onClick={() => void pin(ids, !pinned)}>
        {pinned ? 'Unpin' : 'Pin'}
      </Button>
      {runOpen ? (
        <span className="muted">A run is open; decide on it first.</span>
      ) : (
        here.length > 0 && (
          <>
            <Button size="s" onClick={() => openPreset(PAGE_OUT_PRESET_ID, here)}>
              Page out
            </Button>
            <Menu
              label="Apply a preset"
              size="s"
              items={usable.map(({ preset }) => ({ id: preset.id, label: preset.title, hint: preset.description, onSelect: () => openPreset(preset.id, here) }))}
            />
          </>
        )
      )}
      <Button size="s" kind="quiet" onClick={onClear}>
        Clear
      </Button>
    </div>
  )
}
