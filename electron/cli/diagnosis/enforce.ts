import type { Result } from '../../../helper/contract/errors.ts'
import { ok } from '../../../helper/contract/result.ts'
import { layerPresetId, presetSchema, type Preset } from '../../../helper/contract/presets.ts'
import type { App } from '../../app/app.ts'
import { apply, plan, type ApplyOptions } from '../change.ts'
import { withApp } from '../open-app.ts'
import { printFailure } from '../print.ts'

export interface EnforceOptions extends ApplyOptions {
  simulation: boolean
  dropCaches: boolean
  enableKsm: boolean
  aggressive: boolean
  preset?: string
}

const GENTLE = 'balanced'
const AGGRESSIVE = 'more-agents'
/** File contents, names and attributes: what "drop caches" is known as. */
const PRUNE_ALL = { level: 3 } as const

/** One preset of what was asked for: the base, and the wishes on top. */
export const enforcePreset = (app: Pick<App, 'inner'>, options: Pick<EnforceOptions, 'dropCaches' | 'enableKsm' | 'aggressive' | 'preset'>): Result<Preset> => {
  const base = app.inner.presets.get(options.preset ?? (options.aggressive ? AGGRESSIVE : GENTLE))
  if (!base.ok) return base
  const { preset } = base.value
  const ksm = app.inner.presets.get(layerPresetId('ksm', 'on'))
  if (options.enableKsm && !ksm.ok) return ksm
  const settings = {
    ...preset.settings,
    ...(options.enableKsm && ksm.ok ? { ksm: ksm.value.preset.settings.ksm } : {}),
    ...(options.dropCaches ? { pruneCache: PRUNE_ALL } : {}),
  }
  const isSame = !options.enableKsm && !options.dropCaches
  return ok(isSame ? preset : presetSchema.parse({ ...preset, id: `${preset.id.slice(0, 39)}-enforce`, title: `${preset.title} and more`.slice(0, 60), settings }))
}

/** Applies a preset with what is wished on top, in one run; or shows what that would do. */
export const enforce = async (options: EnforceOptions): Promise<number> => {
  let preset: Result<Preset> | null = null
  await withApp(async (app) => {
    preset = enforcePreset(app, options)
    return 0
  })
  const made = preset as Result<Preset> | null
  if (made === null) return 1
  if (!made.ok) return printFailure(made.error, options.json)
  return options.simulation ? plan(made.value.id, { ...options, made: made.value }) : apply(made.value.id, { ...options, made: made.value })
}
