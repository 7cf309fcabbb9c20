import type { PresetSettings } from '../contract/presets.ts'
import { valueOr } from '../contract/known.ts'
import { readMachine } from '../observe/machine.ts'
import { ksmPath } from '../plan/paths.ts'
import { change, type StepContext } from './context.ts'
import type { Engine } from './open-run.ts'

/** Scan rate once everything there is to merge is merged: about 2 % of a core. */
const QUIET_PAGES = 100
const QUIET_SLEEP_MS = 100
/** Flat: over this many looks the profit has grown by less than 1 % and 4 MiB. */
const FLAT_LOOKS = 3
const FLAT_BYTES = 4 * 1024 ** 2

/** Whether the last looks say that merging has found what there is; too few looks say no. */
export const isFlat = (profitBytes: readonly number[]): boolean => {
  const last = profitBytes.slice(-FLAT_LOOKS - 1)
  if (last.length <= FLAT_LOOKS) return false
  const growth = (last.at(-1) ?? 0) - (last[0] ?? 0)
  return growth < Math.max(FLAT_BYTES, Math.abs(last.at(-1) ?? 0) / 100)
}

const profitNow = (root: string): number | null => {
  const ksm = readMachine(root).ksm
  return ksm.value === null ? null : valueOr(ksm.value.generalProfitBytes, ksm.value.pagesSharing * 4096)
}

/** True where this preset asked for it and a fixed scan rate is in force. */
export const lowersRate = (settings: PresetSettings, context: StepContext): boolean =>
  settings.ksm?.mode === 'merge' && settings.ksm.lowerWhenFlat === true && context.kernel.read(ksmPath('run')).value === '1' && context.kernel.read(ksmPath('advisor_mode')).value !== 'scan-time'

/** Journaled as any change: undoing goes back over this value to the one from before the run. */
export const lowerRate = async (context: StepContext): Promise<void> => {
  const pages = Number(context.kernel.read(ksmPath('pages_to_scan')).value ?? '0')
  const sleepMs = Number(context.kernel.read(ksmPath('sleep_millisecs')).value ?? String(QUIET_SLEEP_MS))
  if (pages > QUIET_PAGES) await change(context, ksmPath('pages_to_scan'), String(QUIET_PAGES))
  if (sleepMs < QUIET_SLEEP_MS) await change(context, ksmPath('sleep_millisecs'), String(QUIET_SLEEP_MS))
}

/**
 * Lowers the scan rate as soon as the profit is flat, or when `until` is
 * aborted with the run kept before that. Ends without a change when the run
 * goes back.
 */
export const lowerWhenFlat = async (engine: Engine, context: StepContext, until: AbortSignal): Promise<void> => {
  const looks: number[] = []
  while (!until.aborted && !context.signal.aborted) {
    const profit = profitNow(engine.root)
    if (profit === null) return
    looks.push(profit)
    if (isFlat(looks)) break
    await engine.sleep(engine.pace.flatPollMs, AbortSignal.any([until, context.signal]))
  }
  if (!context.signal.aborted) await lowerRate(context)
}
