import { EXIT } from '../exit-codes.ts'
import { applyShown, printPlan, type ApplyOptions } from '../change.ts'
import { withApp } from '../open-app.ts'
import { duration, note, outJson, printFailure } from '../print.ts'

/** Tries one solution of something that is found now or was a moment ago, as a run: measured, then kept or undone. */
export const tryOut = (rule: string, solution: string, options: ApplyOptions & { subject: string; simulation: boolean }): Promise<number> =>
  withApp(async (app) => {
    const view = await app.call('diagnosis.try', { rule, subject: options.subject, solution })
    if (!view.ok) return printFailure(view.error, options.json)
    if (view.value.lastFoundAtMs !== undefined && !options.json) note(`It was found ${duration(Date.now() - view.value.lastFoundAtMs)} ago, and is not at this moment: such things come and go.`)
    if (!options.simulation) return applyShown(app, view.value, { ...options, rule })
    if (options.json) outJson('plan', view.value)
    else printPlan(view.value)
    return EXIT.ok
  })
