import type { PresetView } from '../../../electron/contract/views.ts'
import { useCall, type Loaded } from '../../stores/data.ts'

/** All presets, read again when one is saved, imported or removed. */
export const usePresets = (): Loaded<{ presets: PresetView[]; problems: string[] }> => useCall('presets.list', {}, ['presets'])
