import { create } from 'zustand'
import type { PresetSettings } from '../../helper/contract/presets.ts'

/** The dialog that shows what a preset will do. */
interface Flow {
  /** The preset being looked at; null while the dialog is closed. */
  presetId: string | null
  /** Narrowed to these agents; null for all that the preset's idle time allows. */
  agentIds: readonly string[] | null
  help: boolean
  /** What is asked about agents in a dialog of its own. */
  asking: Asking | null
}

/** Before suspending, how that goes and went, a limit, how much an agent is worth keeping, asking it to free memory. */
export type Asking = { of: 'suspend'; ids: readonly string[] } | { of: 'act' } | { of: 'limit' | 'protect' | 'free'; id: string }

export const useFlow = create<Flow>()(() => ({ presetId: null, agentIds: null, help: false, asking: null }))

export const openPreset = (presetId: string, agentIds: readonly string[] | null = null): void => useFlow.setState({ presetId, agentIds })
export const closePreset = (): void => useFlow.setState({ presetId: null, agentIds: null })
export const openAsking = (asking: Asking): void => useFlow.setState({ asking })
export const closeAsking = (): void => useFlow.setState({ asking: null })
export const setHelp = (help: boolean): void => useFlow.setState({ help })

/** The part of a preset's settings that acts on idle agents. */
export const actsOnAgents = (settings: PresetSettings): boolean => settings.reclaim !== undefined
