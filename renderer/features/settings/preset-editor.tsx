import { useId, useState } from 'react'
import type { Preset, PresetSettings } from '../../../helper/contract/presets.ts'
import { call } from '../../api.ts'
import { useSend } from '../../stores/data.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { SettingRow, SwitchRow } from '../../ui/field.tsx'
import { ModuleFields } from './module-fields.tsx'
import { type FieldsProps, NumberRow, SelectRow, without } from './preset-rows.tsx'

const idOf = (title: string): string =>
  title
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-+|-+$/gu, '')
    .slice(0, 48)

const swapModes = [
  { value: 'none', label: 'Leave as it is' },
  { value: 'auto', label: 'On, whichever fits' },
  { value: 'zram', label: 'On, zram' },
  { value: 'zswap', label: 'On, zswap with a swap file' },
  { value: 'off', label: 'Remove what we added' },
] as const

const ksmModes = [
  { value: 'none', label: 'Leave as it is' },
  { value: 'merge', label: 'Merge' },
  { value: 'keep', label: 'Stop scanning, keep merged' },
  { value: 'unmerge', label: 'Take apart' },
] as const

const SwapFields = ({ settings, onChange }: FieldsProps) => {
  const swap = settings.compressedSwap
  const on = swap !== undefined && swap.mode !== 'off'
  return (
    <>
      <SelectRow
        label="Compressed swap"
        hint="A compressed place in memory for pages nobody touches (zram or zswap)."
        value={swap?.mode ?? 'none'}
        options={swapModes}
        onChange={(value) => {
          const mode = swapModes.find((entry) => entry.value === value)?.value ?? 'none'
          onChange(mode === 'none' ? without(settings, 'compressedSwap') : { ...settings, compressedSwap: { ...swap, mode } })
        }}
      />
      {on && <NumberRow label="Size" hint="As a share of memory." unit="%" min={10} max={200} value={swap.sizePercentOfMemory ?? 50} onChange={(value) => onChange({ ...settings, compressedSwap: { ...swap, sizePercentOfMemory: value } })} />}
      {on && swap.mode !== 'zram' && (
        <SwitchRow
          label="Let cold pages leave for the disk"
          hint="zswap on Linux 6.8 and later. Agents’ memory can hold secrets: leave it off unless the disk is encrypted."
          checked={swap.shrinker ?? false}
          onChange={(shrinker) => onChange({ ...settings, compressedSwap: { ...swap, shrinker } })}
        />
      )}
    </>
  )
}

const KsmFields = ({ settings, onChange }: FieldsProps) => {
  const { ksm } = settings
  return (
    <>
      <SelectRow
        label="Merging of equal pages (KSM)"
        hint="Saves memory between agents of the same kind; costs processor time while it scans."
        value={ksm?.mode ?? 'none'}
        options={ksmModes}
        onChange={(value) => {
          const mode = ksmModes.find((entry) => entry.value === value)?.value ?? 'none'
          onChange(mode === 'none' ? without(settings, 'ksm') : { ...settings, ksm: { ...ksm, mode } })
        }}
      />
      {ksm?.mode === 'merge' && (
        <>
          <NumberRow label="Pages a round" unit="pages" min={1} max={20_000} value={ksm.pagesToScan ?? 1000} onChange={(value) => onChange({ ...settings, ksm: { ...ksm, pagesToScan: value } })} />
          <NumberRow label="Pause between rounds" unit="ms" min={1} max={10_000} value={ksm.sleepMs ?? 20} onChange={(value) => onChange({ ...settings, ksm: { ...ksm, sleepMs: value } })} />
          <SwitchRow label="Slow down once nothing more is won" checked={ksm.lowerWhenFlat ?? true} onChange={(lowerWhenFlat) => onChange({ ...settings, ksm: { ...ksm, lowerWhenFlat } })} />
        </>
      )}
    </>
  )
}

/** Own presets: bounded values only, checked again by the app and by the helper. */
export const PresetEditor = ({ preset, isNew, taken, onClose }: { preset: Preset; isNew: boolean; taken: readonly string[]; onClose: () => void }) => {
  const [draft, setDraft] = useState(preset)
  const { busy, error, send } = useSend()
  const titleId = useId()
  const textId = useId()
  const settings = (next: PresetSettings): void => setDraft({ ...draft, settings: next })
  const { reclaim, pruneCache } = draft.settings
  const id = isNew ? idOf(draft.title) : draft.id
  const clash = isNew && taken.includes(id)
  const save = async (): Promise<void> => {
    const answer = await send(call('presets.save', { preset: { ...draft, id } }))
    if (answer.ok) onClose()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={isNew ? 'New preset' : 'Edit preset'}
      lead="Its plan is shown before anything is applied."
      foot={
        <>
          <span className="grow">{clash ? 'There is a preset of this name already.' : id === '' ? 'It needs a name with a letter or a digit.' : ''}</span>
          <Button onClick={onClose}>Not now</Button>
          <Button kind="primary" busy={busy} disabled={clash || id === ''} onClick={() => void save()}>
            Save
          </Button>
        </>
      }
    >
      <FailureNotice failure={error} />
      <div>
        <SettingRow id={titleId} label="Name">
          <input id={titleId} className="input wide" maxLength={60} value={draft.title} onChange={(event) => setDraft({ ...draft, title: event.target.value })} />
        </SettingRow>
        <SettingRow id={textId} label="What it is for">
          <input id={textId} className="input wide" maxLength={400} value={draft.description} onChange={(event) => setDraft({ ...draft, description: event.target.value })} />
        </SettingRow>
        <SwapFields settings={draft.settings} onChange={settings} />
        <KsmFields settings={draft.settings} onChange={settings} />
        <ModuleFields settings={draft.settings} onChange={settings} />
        <SwitchRow label="Page out idle agents" hint="Their pages move into compressed swap and come back when used." checked={reclaim !== undefined} onChange={(on) => settings(on ? { ...draft.settings, reclaim: { minIdleMs: 300_000 } } : without(draft.settings, 'reclaim'))} />
        {reclaim !== undefined && <NumberRow label="Idle for at least" unit="minutes" min={0} max={10_080} value={Math.round(reclaim.minIdleMs / 60_000)} onChange={(value) => settings({ ...draft.settings, reclaim: { minIdleMs: value * 60_000 } })} />}
        <SwitchRow
          label="Drop the file cache"
          hint="Frees memory at once, makes files slow for a moment. Rarely useful: the kernel gives the cache up by itself."
          checked={pruneCache !== undefined}
          onChange={(on) => settings(on ? { ...draft.settings, pruneCache: { level: 1 } } : without(draft.settings, 'pruneCache'))}
        />
        <NumberRow label="Settle before measuring" unit="seconds" min={0} max={600} value={Math.round(draft.settleMs / 1000)} onChange={(value) => setDraft({ ...draft, settleMs: value * 1000 })} />
        <NumberRow label="Time to press Keep" hint="Silence undoes." unit="seconds" min={5} max={3600} value={Math.round(draft.confirmMs / 1000)} onChange={(value) => setDraft({ ...draft, confirmMs: value * 1000 })} />
      </div>
    </Dialog>
  )
}
