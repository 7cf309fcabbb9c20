import { useId } from 'react'
import type { Settings as SettingsValue } from '../../../electron/contract/settings.ts'
import { host } from '../../api.ts'
import { saveSettings, useSettings } from '../../stores/settings.ts'
import { FailureNotice } from '../../ui/failure-notice.tsx'
import { Choice, Select, SettingRow, SwitchRow } from '../../ui/field.tsx'
import { Notice } from '../../ui/notice.tsx'
import { PageFrame, Panel, Skeleton } from '../../ui/page.tsx'
import { choicesWith } from './choices.ts'
import { GuardPanel } from './guard-panel.tsx'
import { HelperPanel } from './helper-panel.tsx'
import { PolicyPanel } from './policy-panel.tsx'
import { PresetsPanel } from './presets-panel.tsx'
import './settings.css'

const idleChoices = [
  { value: 30_000, label: '30 seconds' },
  { value: 60_000, label: '1 minute' },
  { value: 120_000, label: '2 minutes' },
  { value: 300_000, label: '5 minutes' },
  { value: 900_000, label: '15 minutes' },
  { value: 3_600_000, label: '1 hour' },
]
const dayChoices = [7, 30, 90, 180, 365].map((days) => ({ value: days, label: `${days} days` }))

const General = ({ settings }: { settings: SettingsValue }) => {
  const idle = useId()
  const days = useId()
  const save = (change: Partial<SettingsValue>): void => void saveSettings(change)
  return (
    <>
      <Panel title="Appearance">
        <SettingRow label="Theme">
          <Choice
            label="Theme"
            value={settings.theme}
            onChange={(theme) => save({ theme })}
            options={[
              { value: 'system', label: 'As the system' },
              { value: 'light', label: 'Light' },
              { value: 'dark', label: 'Dark' },
            ]}
          />
        </SettingRow>
        {host === 'electron' && (
          <>
            <SwitchRow label="Stay in the tray" hint="Closing the window leaves the app running." checked={settings.tray} onChange={(tray) => save({ tray })} />
            <SwitchRow label="Start at login" hint="Hidden, in the tray." checked={settings.startAtLogin} onChange={(startAtLogin) => save({ startAtLogin })} />
          </>
        )}
      </Panel>
      <Panel title="Measuring">
        <SettingRow id={idle} label="Idle after" hint="An agent that has used no noteworthy processor time for this long counts as idle.">
          <Select id={idle} value={String(settings.idleAfterMs)} onChange={(value) => save({ idleAfterMs: Number(value) })} options={choicesWith(idleChoices, settings.idleAfterMs, `${Math.round(settings.idleAfterMs / 1000)} seconds`)} />
        </SettingRow>
        <SwitchRow
          label="Leave some agents alone to compare with"
          hint="One idle agent of each kind is not touched when a preset is applied. Agents shrink by themselves; without a comparison that would be counted as a gain."
          checked={settings.keepControl}
          onChange={(keepControl) => save({ keepControl })}
        />
        <SettingRow id={days} label="Keep history for" hint="Older figures are removed; a week of 30 agents takes less than 50 MB.">
          <Select id={days} value={String(settings.historyDays)} onChange={(value) => save({ historyDays: Number(value) })} options={choicesWith(dayChoices, settings.historyDays, `${settings.historyDays} days`)} />
        </SettingRow>
        <SwitchRow label="Private data in reports" hint="Folders and command lines. They can hold names and secrets; each report can still choose." checked={settings.privateReports} onChange={(privateReports) => save({ privateReports })} />
      </Panel>
    </>
  )
}

const Settings = () => {
  const { settings, problem, error } = useSettings()
  return (
    <PageFrame title="Settings">
      <FailureNotice failure={error} />
      {problem !== null && (
        <Notice tone="problem" title="The settings file was not used">
          {problem}
        </Notice>
      )}
      <div className="settings">
        <div className="settings-column">
          <PolicyPanel />
          {settings === null ? error === null && <Skeleton height="24rem" /> : <General settings={settings} />}
        </div>
        <div className="settings-column">
          <HelperPanel />
          <GuardPanel />
          <PresetsPanel />
        </div>
      </div>
    </PageFrame>
  )
}

export default Settings
