import { Check, ChevronDown } from 'lucide-react'
import { Checkbox as RadixCheckbox, Switch as RadixSwitch, ToggleGroup } from 'radix-ui'
import { useId, type ReactNode } from 'react'

export const Checkbox = ({ checked, onChange, label, hidden = false, disabled = false }: { checked: boolean | 'indeterminate'; onChange: (checked: boolean) => void; label: string; hidden?: boolean; disabled?: boolean }) => {
  const id = useId()
  return (
    <span className="check">
      <RadixCheckbox.Root className="checkbox" id={id} checked={checked} disabled={disabled} onCheckedChange={(next) => onChange(next === true)} {...(hidden ? { 'aria-label': label } : {})}>
        <RadixCheckbox.Indicator>{checked === 'indeterminate' ? <span className="checkbox-some" /> : <Check aria-hidden="true" />}</RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      {!hidden && <label htmlFor={id}>{label}</label>}
    </span>
  )
}

/** A row of the settings: what it is, what it means, its control on the right. */
export const SettingRow = ({ label, hint, id, children }: { label: string; hint?: ReactNode; id?: string; children: ReactNode }) => (
  <div className="setting">
    <div className="setting-text">
      <label className="setting-label" {...(id === undefined ? {} : { htmlFor: id })}>
        {label}
      </label>
      {hint !== undefined && <p className="setting-hint" {...(id === undefined ? {} : { id: `${id}-hint` })}>{hint}</p>}
    </div>
    <div className="setting-control">{children}</div>
  </div>
)

export const SwitchRow = ({ label, hint, checked, onChange, disabled = false }: { label: string; hint?: ReactNode; checked: boolean; onChange: (on: boolean) => void; disabled?: boolean }) => {
  const id = useId()
  return (
    <SettingRow label={label} hint={hint} id={id}>
      <RadixSwitch.Root className="switch" id={id} checked={checked} onCheckedChange={onChange} disabled={disabled}>
        <RadixSwitch.Thumb className="switch-thumb" />
      </RadixSwitch.Root>
    </SettingRow>
  )
}

/** The platform's own list: it works everywhere, with every keyboard and reader. */
export const Select = ({ value, onChange, options, label, id, className = '', disabled = false }: { value: string; onChange: (value: string) => void; options: readonly { value: string; label: string }[]; label?: string; id?: string; className?: string; disabled?: boolean }) => (
  <span className={`select ${className}`}>
    <select value={value} disabled={disabled} onChange={(event) => onChange(event.target.value)} {...(label === undefined ? {} : { 'aria-label': label })} {...(id === undefined ? {} : { id })}>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
    <ChevronDown aria-hidden="true" />
  </span>
)

/** One of a few, all visible. */
export const Choice = <T extends string>({ value, onChange, options, label }: { value: T; onChange: (value: T) => void; options: readonly { value: T; label: string }[]; label: string }) => (
  <ToggleGroup.Root
    type="single"
    className="choice"
    value={value}
    aria-label={label}
    onValueChange={(next) => {
      const found = options.find((option) => option.value === next)
      if (found !== undefined) onChange(found.value)
    }}
  >
    {options.map((option) => (
      <ToggleGroup.Item key={option.value} value={option.value} className="choice-item">
        {option.label}
      </ToggleGroup.Item>
    ))}
  </ToggleGroup.Root>
)
