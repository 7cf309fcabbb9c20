import { startDiagnosis } from './diagnosis.ts'
import { startLifecycle } from './lifecycle.ts'
import { startLive } from './live.ts'
import { startRoute } from './route.ts'
import { startRun } from './run.ts'
import { startSettings } from './settings.ts'

/** Wires the stores to the app, once, before the first paint. */
export const startStores = (): void => {
  startSettings()
  startRoute()
  startRun()
  startLive()
  startLifecycle()
  startDiagnosis()
}
