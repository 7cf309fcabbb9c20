import { useId, useState } from 'react'
import type { UnitSettings, UnitsView } from '../../../electron/contract/units.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { call } from '../../api.ts'
import { bytes, duration } from '../../format/format.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Select, SettingRow, SwitchRow } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Panel } from '../../ui/page.tsx'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const GB = 1e9

interface Choice { value: number; label: string }
const warmChoices: Choice[] = [1, 2, 5, 10, 30].map((minutes) => ({ value: minutes * MINUTE, label: minutes === 1 ? '1 minute' : `${minutes} minutes` }))
const coldChoices: Choice[] = [60 * MINUTE, 12 * 60 * MINUTE, DAY, 2 * DAY, 7 * DAY].map((value) => ({ value, label: value < DAY ? (value === 60 * MINUTE ? '1 hour' : '12 hours') : value === DAY ? '1 day' : `${value / DAY} days` }))
const memoryChoices: Choice[] = [0, 1, 2, 4, 8].map((gigabytes) => ({ value: gigabytes * GB, label: gigabytes === 0 ? 'No limit' : `${gigabytes} GB` }))
const diskChoices: Choice[] = [0, 5, 20, 50, 100].map((gigabytes) => ({ value: gigabytes * GB, label: gigabytes === 0 ? 'No limit' : `${gigabytes} GB` }))

/** The choices, and what is set where it is none of them. */
const withValue = (choices: readonly Choice[], value: number, label: string): { value: string; label: string }[] =>
  (choices.some((choice) => choice.value === value) ? choices : [...choices, { value, label }].toSorted((a, b) => a.value - b.value)).map((choice) => ({ ...choice, value: String(choice.value) }))

const Pick = ({ label, hint, value, choices, words, disabled, onChange }: { label: string; hint: string; value: number; choices: readonly Choice[]; words: (value: number) => string; disabled: boolean; onChange: (value: number) => void }) => {
  const id = useId()
  return (
    <SettingRow id={id} label={label} hint={hint}>
      <Select id={id} value={String(value)} disabled={disabled} onChange={(next) => onChange(Number(next))} options={withValue(choices, value, words(value))} />
    </SettingRow>
  )
}

/** What the broker does by itself; written into a file of the user's own, and taken back with one click. */
export const UnitsSettings = ({ view, onSaved }: { view: UnitsView; onSaved: () => void }) => {
  const [failure, setFailure] = useState<Failure | null>(null)
  const [before, setBefore] = useState<UnitSettings | null>(null)
  const { settings } = view
  const save = async (next: UnitSettings, old: UnitSettings | null): Promise<void> => {
    const answer = await call('units.set', { settings: next })
    setFailure(answer.ok ? null : answer.error)
    if (answer.ok) setBefore(old)
    onSaved()
  }
  const change = (part: Partial<UnitSettings>): void => void save({ ...settings, ...part }, settings)
  const off = !settings.enabled
  return (
    <Panel className="units-settings" title="By itself" aside={<span className="path">{view.settingsPath}</span>}>
      <FailureNotice failure={failure} />
      {before !== null && (
        <Notice
          tone="info"
          title="Saved"
          actions={
            <Button size="s" onClick={() => void save(before, null)}>
              Undo
            </Button>
          }
        >
          It holds for programs that run now, too.
        </Notice>
      )}
      <SwitchRow label="Share memory between agents" hint="For programs that use libagentmem or run under the shim. Off: each keeps its memory to itself; those that run now keep what they hold." checked={settings.enabled} onChange={(enabled) => change({ enabled })} />
      <SwitchRow label="Put old units on disk" hint={`In ${view.storePath}, readable by you alone. Off: nothing more goes there; what is there can be read.`} checked={settings.cold} disabled={off} onChange={(cold) => change({ cold })} />
      <Pick label="Compress after" hint="Not read for so long." value={settings.warmAfterMs} choices={warmChoices} words={duration} disabled={off} onChange={(warmAfterMs) => change({ warmAfterMs })} />
      <Pick label="To disk after" hint="Sooner when memory is short." value={settings.coldAfterMs} choices={coldChoices} words={duration} disabled={off || !settings.cold} onChange={(coldAfterMs) => change({ coldAfterMs })} />
      <Pick label="Compressed, at most" hint="Beyond it the oldest go to disk." value={settings.warmMostBytes} choices={memoryChoices} words={bytes} disabled={off} onChange={(warmMostBytes) => change({ warmMostBytes })} />
      <Pick label="On disk, at most" hint="Beyond it they stay compressed in memory." value={settings.coldMostBytes} choices={diskChoices} words={bytes} disabled={off || !settings.cold} onChange={(coldMostBytes) => change({ coldMostBytes })} />
    </Panel>
  )
}
