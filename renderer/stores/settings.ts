import { create } from 'zustand'
import type { Settings } from '../../electron/contract/settings.ts'
import type { Failure } from '../../helper/contract/errors.ts'
import { call, on, onPrefersDark, prefersDark } from '../api.ts'

interface SettingsStore {
  settings: Settings | null
  /** What is wrong with the settings file, in a sentence; null when nothing is. */
  problem: string | null
  error: Failure | null
  /** The theme that is on screen. */
  dark: boolean
}

export const useSettings = create<SettingsStore>()(() => ({ settings: null, problem: null, error: null, dark: prefersDark() }))

const showTheme = (): void => {
  const theme = useSettings.getState().settings?.theme ?? 'system'
  const dark = theme === 'dark' || (theme === 'system' && prefersDark())
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light'
  if (useSettings.getState().dark !== dark) useSettings.setState({ dark })
}

const read = async (): Promise<void> => {
  const answer = await call('settings.get', {})
  if (answer.ok) useSettings.setState({ settings: answer.value.settings, problem: answer.value.problem, error: null })
  else useSettings.setState({ error: answer.error })
  showTheme()
}

/** Saves one changed value; the old one comes back when it cannot be saved. */
export const saveSettings = async (change: Partial<Settings>): Promise<void> => {
  const { settings } = useSettings.getState()
  if (settings === null) return
  const next = { ...settings, ...change }
  useSettings.setState({ settings: next, error: null })
  showTheme()
  const answer = await call('settings.set', { settings: next })
  if (answer.ok) useSettings.setState({ settings: answer.value, problem: null })
  else useSettings.setState({ settings, error: answer.error })
  showTheme()
}

export const startSettings = (): void => {
  showTheme()
  onPrefersDark(showTheme)
  on('changed', ({ what }) => {
    if (what === 'settings') void read()
  })
  void read()
}
