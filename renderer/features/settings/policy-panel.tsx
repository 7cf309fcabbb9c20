import { useId, useState } from 'react'
import type { Failure } from '../../../helper/contract/errors.ts'
import { LEAST_BUDGET_BYTES, type Policy } from '../../../helper/contract/lifecycle.ts'
import { duration } from '../../format/format.ts'
import { useLive } from '../../stores/live.ts'
import { setPolicy, useLifecycle } from '../../stores/lifecycle.ts'
import { Button } from '../../ui/button.tsx'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Select, SettingRow, SwitchRow } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Panel, Skeleton } from '../../ui/page.tsx'
import { AbilityNotice } from '../lifecycle/ability.tsx'
import { LimitState } from '../lifecycle/limit-form.tsx'
import { choicesWith } from './choices.ts'

const GB = 1024 ** 3
const LEAST_GB = LEAST_BUDGET_BYTES / GB

const minuteChoices = [1, 2, 5, 10, 15, 30, 60].map((minutes) => ({ value: minutes * 60_000, label: minutes === 1 ? '1 minute' : minutes === 60 ? '1 hour' : `${minutes} minutes` }))

const After = ({ id, label, hint, value, onChange, disabled }: { id: string; label: string; hint: string; value: number; onChange: (ms: number) => void; disabled: boolean }) => (
  <SettingRow id={id} label={label} hint={hint}>
    <Select id={id} disabled={disabled} value={String(value)} onChange={(next) => onChange(Number(next))} options={choicesWith(minuteChoices, value, duration(value))} />
  </SettingRow>
)

const Budget = ({ policy, blocked, onSave }: { policy: Policy; blocked: boolean; onSave: (budgetBytes: number | null) => void }) => {
  const id = useId()
  const [text, setText] = useState(policy.budgetBytes === null ? '' : String(Math.round((policy.budgetBytes / GB) * 10) / 10))
  const total = useLive((state) => state.live?.machine.memory.totalBytes ?? null)
  const amount = Number(text.trim().replace(',', '.'))
  const isNone = text.trim() === ''
  const isBad = !isNone && (!Number.isFinite(amount) || amount < LEAST_GB || (total !== null && amount * GB > total))
  const next = isNone ? null : Math.round(amount * GB)
  return (
    <SettingRow
      id={id}
      label="Budget of all agents"
      hint={isBad ? `Between ${LEAST_GB} GB and what the machine has${total === null ? '' : `, ${Math.round(total / GB)} GB`}; empty for none.` : 'Together they are slowed down above this, never ended. Empty: none.'}
    >
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault()
          if (!isBad && !blocked) onSave(next)
        }}
      >
        <span className="number">
          <input id={id} className="input budget-input" inputMode="decimal" placeholder="none" value={text} disabled={blocked} aria-invalid={isBad} aria-describedby={`${id}-hint`} onChange={(event) => setText(event.target.value)} />
          <span className="muted">GB</span>
        </span>
        <Button type="submit" size="s" disabled={blocked || isBad || next === policy.budgetBytes}>
          Set
        </Button>
      </form>
    </SettingRow>
  )
}

/** What happens to agents by itself, and what each of it needs on this machine. */
export const PolicyPanel = () => {
  const after = useId()
  const trimAfter = useId()
  const { registry, error } = useLifecycle()
  const [failure, setFailure] = useState<Failure | null>(null)
  if (registry === null) return <Panel title="By itself">{error === null ? <Skeleton lines={6} /> : <FailureNotice failure={error} />}</Panel>
  const { policy } = registry
  const save = (change: Partial<Policy>): void => {
    setFailure(null)
    void setPolicy({ ...policy, ...change }).then(setFailure)
  }
  const canSuspend = registry.suspend.how !== null
  const canTrim = registry.trim.how !== null
  const canLimit = registry.limit.how !== null
  return (
    <Panel title="By itself" aside="Without a window, only while there are agents">
      {registry.policyProblem !== null && (
        <Notice tone="problem" title="The policy file was not used">
          {registry.policyProblem}
        </Notice>
      )}
      <FailureNotice failure={failure} />
      <AbilityNotice ability={registry.suspend} title="Suspending needs something first" />
      {registry.suspend.text !== registry.trim.text && <AbilityNotice ability={registry.trim} title="Trimming needs something first" />}
      <AbilityNotice ability={registry.limit} title="Limits need something first" />
      <SwitchRow
        label="Suspend idle agents"
        hint={`Frozen, and their memory moved into compressed swap. The first key typed wakes one.${canSuspend ? ` ${registry.suspend.text}` : ''}`}
        checked={policy.suspend.auto}
        disabled={!canSuspend && !policy.suspend.auto}
        onChange={(auto) => save({ suspend: { ...policy.suspend, auto } })}
      />
      <After id={after} label="After" hint="Busy ones, pinned ones and those that run a tool are never suspended." value={policy.suspend.afterIdleMs} disabled={!policy.suspend.auto} onChange={(afterIdleMs) => save({ suspend: { ...policy.suspend, afterIdleMs } })} />
      <SwitchRow
        label="Trim idle agents that run"
        hint="Cold memory moves out little by little; it stops as soon as the agent needs it back."
        checked={policy.trim.auto}
        disabled={!canTrim && !policy.trim.auto}
        onChange={(auto) => save({ trim: { ...policy.trim, auto } })}
      />
      <After id={trimAfter} label="Trim after" hint="Idle for this long." value={policy.trim.afterIdleMs} disabled={!policy.trim.auto} onChange={(afterIdleMs) => save({ trim: { ...policy.trim, afterIdleMs } })} />
      <SwitchRow
        label="A cgroup of its own for each agent"
        hint="So that it can be limited and measured whole. New agents are moved into theirs as they appear."
        checked={policy.ownCgroups}
        disabled={!canLimit && !policy.ownCgroups}
        onChange={(ownCgroups) => save({ ownCgroups })}
      />
      <Budget key={policy.budgetBytes ?? 'none'} policy={policy} blocked={!canLimit} onSave={(budgetBytes) => save({ budgetBytes })} />
      {registry.budget !== null && registry.budget.state !== 'holds' && <LimitState limit={registry.budget} />}
    </Panel>
  )
}
