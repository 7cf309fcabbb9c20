import { create } from 'zustand'
import type { PresetSettings } from '../../helper/contract/presets.ts'

/** The dialog that shows what a preset will do. */
interface Flow {
  /** The preset being looked at; null while the dialog is closed. */
  presetId: string | null
  /** Narrowed to these agents; null for all that the preset's idle time allows. */
  agentIds: readonly string[] | null
  /** The solution being looked at: planned and applied as a preset is; null while the dialog is closed. */
  trying: Trying | null
  help: boolean
  /** What is asked about agents in a dialog of its own. */
  asking: Asking | null
}

/** Before suspending, how that goes and went, a limit, how much an agent is worth keeping, asking it to free memory. */
export type Asking = { of: 'suspend'; ids: readonly string[] } | { of: 'act' } | { of: 'limit' | 'protect' | 'free'; id: string }

/** One way to act on a finding, tried as a run. */
export interface Trying {
  rule: string
  subject: string
  solution: string
  title: string
  /** What it does and what it costs. */
  lead: string
}

export const useFlow = create<Flow>()(() => ({ presetId: null, agentIds: null, trying: null, help: false, asking: null }))

export const openPreset = (presetId: string, agentIds: readonly string[] | null = null): void => useFlow.setState({ presetId, agentIds, trying: null })
export const closePreset = (): void => useFlow.setState({ presetId: null, agentIds: null, trying: null })
export const openTrying = (trying: Trying): void => useFlow.setState({ trying, presetId: null, agentIds: null })
export const openAsking = (asking: Asking): void => useFlow.setState({ asking })
export const closeAsking = (): void => useFlow.setState({ asking: null })
export const setHelp = (help: boolean): void => useFlow.setState({ help })

/** The part of a preset's settings that acts on idle agents. */
export const actsOnAgents = (settings: PresetSettings): boolean => settings.reclaim !== undefined
