import { create } from 'zustand'
import type { PresetSettings } from '../../helper/contract/presets.ts'

/** The dialog that shows what a preset will do. */
interface Flow {
  /** The preset being looked at; null while the dialog is closed. */
  presetId: string | null
  /** Narrowed to these agents; null for all that the preset's idle time allows. */
  agentIds: readonly string[] | null
  help: boolean
}

export const useFlow = create<Flow>()(() => ({ presetId: null, agentIds: null, help: false }))

export const openPreset = (presetId: string, agentIds: readonly string[] | null = null): void => useFlow.setState({ presetId, agentIds })
export const closePreset = (): void => useFlow.setState({ presetId: null, agentIds: null })
export const setHelp = (help: boolean): void => useFlow.setState({ help })

/** The part of a preset's settings that acts on idle agents. */
export const actsOnAgents = (settings: PresetSettings): boolean => settings.reclaim !== undefined
