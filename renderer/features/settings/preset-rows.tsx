import { useId, useState } from 'react'
import type { PresetSettings } from '../../../helper/contract/presets.ts'
import { Select, SettingRow } from '../../ui/field.tsx'

/** What a group of a preset's fields is given. */
export interface FieldsProps { settings: PresetSettings; onChange: (settings: PresetSettings) => void }

export const without = (settings: PresetSettings, key: keyof PresetSettings): PresetSettings => {
  const rest = { ...settings }
  delete rest[key]
  return rest
}

export const NumberRow = ({ label, hint, value, min, max, unit, onChange }: { label: string; hint?: string; value: number; min: number; max: number; unit: string; onChange: (value: number) => void }) => {
  const id = useId()
  // While typing a number it may be out of bounds for a moment: "1" on the way to "120".
  const [text, setText] = useState(String(value))
  const take = (typed: string): void => {
    setText(typed)
    const amount = Math.round(Number(typed))
    if (typed.trim() !== '' && amount >= min && amount <= max) onChange(amount)
  }
  return (
    <SettingRow id={id} label={label} hint={hint}>
      <span className="number">
        <input id={id} className="input" type="number" min={min} max={max} value={text} onChange={(event) => take(event.target.value)} onBlur={() => setText(String(value))} />
        <span className="muted">{unit}</span>
      </span>
    </SettingRow>
  )
}

export const SelectRow = ({ label, hint, value, options, onChange }: { label: string; hint?: string; value: string; options: readonly { value: string; label: string }[]; onChange: (value: string) => void }) => {
  const id = useId()
  return (
    <SettingRow id={id} label={label} hint={hint}>
      <Select id={id} value={value} options={options} onChange={onChange} />
    </SettingRow>
  )
}
