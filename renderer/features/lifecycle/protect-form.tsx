import { useId, useState } from 'react'
import type { Failure } from '../../../helper/contract/errors.ts'
import { trustDomainSchema, type RegistryEntry } from '../../../helper/contract/lifecycle.ts'
import { setAgent } from '../../stores/lifecycle.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Choice, SettingRow, SwitchRow } from '../../ui/field.tsx'
import { importanceWord } from './words.ts'

const levels = [
  { value: '20', label: 'Low' },
  { value: '50', label: 'Normal' },
  { value: '80', label: 'High' },
] as const
type Level = (typeof levels)[number]['value']

const levelOf = (importance: number): Level => (importance >= 67 ? '80' : importance >= 34 ? '50' : '20')

/** How much an agent is worth keeping, whether it may be suspended, and with whom it may share. */
export const ProtectForm = ({ entry, name }: { entry: RegistryEntry; name: string }) => {
  const id = useId()
  const [domain, setDomain] = useState(entry.trustDomain)
  const [error, setError] = useState<Failure | null>(null)
  const save = (change: { importance?: number; pinned?: boolean; trustDomain?: string }): void => {
    setError(null)
    void setAgent({ id: entry.id, ...change }).then(setError)
  }
  const checked = trustDomainSchema.safeParse(domain)
  return (
    <div>
      <FailureNotice failure={error} />
      <SettingRow label="Importance" hint={`${entry.importance} of 100, ${importanceWord(entry.importance)}. When memory is short, agents of low importance are suspended first and wake last.`}>
        <Choice label={`Importance of ${name}`} value={levelOf(entry.importance)} options={levels} onChange={(value) => save({ importance: Number(value) })} />
      </SettingRow>
      <SwitchRow label="Pinned" hint="Never suspended, neither by itself nor with others." checked={entry.pinned} onChange={(pinned) => save({ pinned })} />
      <SettingRow id={id} label="Trust domain" hint={checked.success ? 'Only agents of the same domain may ever share memory or a server.' : (checked.error.issues[0]?.message ?? '')}>
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault()
            if (checked.success && domain !== entry.trustDomain) save({ trustDomain: domain })
          }}
        >
          <input id={id} className="input trust-domain" value={domain} aria-invalid={!checked.success} aria-describedby={`${id}-hint`} onChange={(event) => setDomain(event.target.value)} />
          <Button type="submit" size="s" disabled={!checked.success || domain === entry.trustDomain}>
            Save
          </Button>
        </form>
      </SettingRow>
    </div>
  )
}
