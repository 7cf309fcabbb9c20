import { layerIdSchema, type LayerId } from '../../helper/contract/layers.ts'
import { changesNothing, nothingToUndo } from '../../helper/contract/plan.ts'
import { layerPresetId, PAGE_OUT_PRESET_ID, type Preset } from '../../helper/contract/presets.ts'
import { isOpen, type RunId } from '../../helper/contract/runs.ts'
import { amount } from '../app/amounts.ts'
import type { App } from '../app/app.ts'
import { askApp } from '../app/app-socket.ts'
import { rateWords } from '../app/report/words.ts'
import { agentsBack } from '../app/lifecycle/take-back.ts'
import type { PlanView, RunDetail } from '../contract/views.ts'
import { question } from './ask.ts'
import { causesOf, printCauses } from './diagnosis/why-not.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, note, out, outJson, printFailure, say, table } from './print.ts'
import { printLeft } from './suspend.ts'
import { printUnchanged } from './unchanged.ts'

export interface PlanOptions {
  json: boolean
  agents?: string[]
  control?: string[]
  /** First watch the agents for as long as the preset wants them idle. */
  observe: boolean
  /** A preset made for this command, which nobody has under this id. */
  made?: Preset
}
export interface ApplyOptions extends PlanOptions {
  yes: boolean
  keep: boolean
  wait: boolean
  /** The rule whose solution is tried; without it nobody came from a finding. */
  rule?: string
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

export const printPlan = (view: PlanView): void => {
  const { plan } = view
  if (view.simulation) note('Without the helper this is a simulation: it shows what would be done.')
  if (changesNothing(plan)) out('Nothing to do.')
  for (const step of plan.steps) {
    say(`${String(step.number).padStart(3)}. ${step.target}: ${step.old === null && step.source === 'reclaim' ? '' : `${step.old ?? '?'} -> `}${step.new}`, 5)
    say(`     ${step.why}`, 5)
    say(`     Undo: ${step.undo}`, 5)
  }
  for (const skipped of plan.skipped) say(`  -  ${skipped.what}: ${skipped.reason}`, 5)
  for (const text of plan.notes) say(`  !  ${text}`, 5)
  const treats = plan.steps.some((step) => step.source === 'reclaim')
  out(`Agents: ${view.treated.length} ${treats ? 'treated' : 'measured'}, ${view.control.length} left alone as a control.`)
  out(`Digest: ${plan.digest}`)
}

/** Agents are named by their id, or by the number of their top process; what is neither is passed on, and found not to run. */
const idsOf = async (app: App, words: readonly string[] | undefined): Promise<string[] | null> => {
  if (words === undefined) return null
  const seen = words.some((word) => /^\d+$/u.test(word)) ? await app.inner.sampler.agents(0) : null
  const agents = seen?.ok === true ? seen.value : []
  return words.map((word) => agents.find((agent) => String(agent.pid) === word)?.id ?? word)
}

/** Idle time counts only while somebody watches; a fresh session role has seen nothing yet. */
const observe = async (app: App, presetId: string, quiet: boolean): Promise<void> => {
  const preset = app.inner.presets.get(presetId)
  const settings = await app.call('settings.get', {})
  // An action asks for what the settings call idle.
  const leastMs = preset.ok && preset.value.preset.scope === 'action' && settings.ok ? settings.value.settings.idleAfterMs : 0
  const idleMs = preset.ok && preset.value.preset.settings.reclaim !== undefined ? Math.max(preset.value.preset.settings.reclaim.minIdleMs, leastMs) : 0
  const untilMs = Date.now() + idleMs + 8_000
  if (!quiet) note(`Watching the agents for ${Math.round((idleMs + 8_000) / 1000)} s to see which are idle...`)
  while (Date.now() < untilMs) {
    await app.inner.session.call('Agents', {})
    await pause(2_000)
  }
}

const makePlan = async (app: App, presetId: string, options: PlanOptions) => {
  if (options.observe) await observe(app, presetId, options.json)
  return app.inner.planner.plan({ presetId, agentIds: await idsOf(app, options.agents), controlIds: await idsOf(app, options.control), ...(options.made === undefined ? {} : { preset: options.made }) })
}

export const plan = (presetId: string, options: PlanOptions): Promise<number> =>
  withApp(async (app) => {
    const view = await makePlan(app, presetId, options)
    if (!view.ok) return printFailure(view.error, options.json)
    if (options.json) outJson('plan', view.value)
    else printPlan(view.value)
    return EXIT.ok
  })

const printDetail = (detail: RunDetail): void => {
  const { record, delta } = detail
  for (const step of record.steps) {
    if (step.outcome === 'failed') note(`Step ${step.number} failed: ${step.target}: ${step.error?.message ?? 'unknown'}`)
  }
  if (record.error !== null) note(record.error.message)
  if (delta !== null) {
    const { total } = delta
    out(table(
      ['KIND', 'AGENTS', 'BEFORE', 'AFTER', 'EXPECTED', 'GAIN', 'NOISE', 'CONTROL'],
      delta.kinds.map((kind) => [kind.title, String(kind.treated.count), amount(kind.treated.beforeBytes), amount(kind.treated.afterBytes), amount(kind.expectedAfterBytes), amount(kind.gainBytes), bytesOr(kind.noiseBytes), kind.control === null ? '-' : `${amount(kind.control.beforeBytes)} -> ${amount(kind.control.afterBytes)}`]),
      [1, 2, 3, 4, 5, 6],
    ))
    const percent = total.gainPercent.value === null ? '' : ` (${total.gainPercent.value} %)`
    out(`Before ${amount(total.beforeBytes)}, after ${amount(total.afterBytes)}, gain ${amount(total.gainBytes)}${percent} +- ${bytesOr(total.noiseBytes)}${total.controlled === 'none' ? ', without a control group' : ''}: ${total.verdict}`)
  }
  const rates = rateWords(delta)
  if (rates !== '') say(rates, 0)
  for (const line of record.undo) out(`${line.outcome.padEnd(18)} ${line.target}${line.old === null ? '' : ` = ${line.old}`}${line.outcome === 'restored' || line.outcome === 'already-so' ? '' : `: ${line.reason}`}`)
  out(`Run ${record.id}: ${record.state}`)
}

/** Resolves once `good` holds for the run as stored; the app follows the run by itself. */
const untilRun = (app: App, runId: RunId, good: (detail: RunDetail) => boolean): Promise<RunDetail> =>
  new Promise((resolve) => {
    const look = (): void => {
      const detail = app.inner.runs.detail(runId)
      if (detail === null || !good(detail)) return
      stop()
      resolve(detail)
    }
    const stop = app.on('changed', look)
    look()
  })

const tellApp = async (app: App, runId: RunId): Promise<void> => { await askApp(app.paths.runtimeDir, { do: 'run-changed', runId }) }

const decide = async (app: App, detail: RunDetail, options: ApplyOptions): Promise<'keep' | 'undo' | 'wait'> => {
  if (options.keep) return 'keep'
  if (options.wait) return 'wait'
  if (options.json || !process.stdin.isTTY) return 'undo'
  const seconds = Math.max(0, Math.round(((detail.record.confirmUntilMs ?? 0) - Date.now()) / 1000))
  const answer = await Promise.race([
    question(`Keep this? [k]eep or [u]ndo; without an answer it is undone in ${seconds} s: `),
    untilRun(app, detail.record.id, ({ record }) => !isOpen(record.state)).then(() => 'over'),
  ])
  if (answer === 'over') return 'wait'
  return answer.startsWith('k') || answer === 'y' || answer === 'yes' ? 'keep' : 'undo'
}

export const apply = (presetId: string, options: ApplyOptions): Promise<number> =>
  withApp(async (app) => {
    const view = await makePlan(app, presetId, options)
    return view.ok ? applyShown(app, view.value, options) : printFailure(view.error, options.json)
  })

/** Applies a plan that was just made: asks, measures, asks again. One that changes nothing is said to, and is no run. */
export const applyShown = async (app: App, view: PlanView, options: ApplyOptions): Promise<number> => {
  if (!options.json) printPlan(view)
  if (view.simulation) {
    return printFailure({ code: 'helper-missing', message: 'The helper cannot be reached, so nothing was changed.', advice: 'Install it in Settings of the window (npm start), then try again.' }, options.json)
  }
  if (changesNothing(view.plan)) return printUnchanged(view, options)
  if (!options.yes) {
    if (options.json || !process.stdin.isTTY) return printFailure({ code: 'bad-request', message: 'Nobody can be asked here whether to apply this plan.', advice: 'Add --yes to apply it without a question.' }, options.json)
    if (!(await question('Apply this plan? [y/N] ')).startsWith('y')) return EXIT.ok
  }

  const started = await app.inner.runs.apply({ presetId: view.presetId, digest: view.plan.digest, cause: 'command-line' })
  if (!started.ok) return printFailure(started.error, options.json)
  const { runId } = started.value
  await tellApp(app, runId)

  let interrupted = false
  const interrupt = (): void => {
    interrupted = true
    note('Taking back what was changed...')
    const detail = app.inner.runs.detail(runId)
    const undone = detail?.record.state === 'waiting' ? app.inner.runs.undo(runId) : app.inner.runs.cancel(runId)
    undone.catch((error: unknown) => { note(String(error)) })
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)

  let last = ''
  app.on('progress', (progress) => {
    if (options.json || progress.runId !== runId || progress.text === last) return
    last = progress.text
    note(`${String(Math.round(progress.fraction * 100)).padStart(3)} %  ${progress.text}`)
  })

  let detail = await untilRun(app, runId, ({ record }) => record.state === 'waiting' || !isOpen(record.state))
  if (detail.record.state === 'waiting' && !interrupted) {
    if (!options.json) {
      printDetail(detail)
      printCauses(await causesOf(app, runId))
    }
    const choice = await decide(app, detail, options)
    if (choice === 'keep') {
      const kept = await app.inner.runs.keep(runId)
      if (!kept.ok) return printFailure(kept.error, options.json)
    } else if (choice === 'undo') {
      const undone = await app.inner.runs.undo(runId)
      if (!undone.ok) return printFailure(undone.error, options.json)
    } else if (!options.json) note(`Waiting for "agentmemctl keep ${runId}" or "agentmemctl undo"...`)
  }
  detail = await untilRun(app, runId, ({ record }) => !isOpen(record.state))
  await tellApp(app, runId)
  if (options.json) outJson('run', { ...detail, didNotFall: await causesOf(app, runId) })
  // Over without a question: what it did has not been said yet.
  else if (detail.record.state === 'kept' && nothingToUndo(detail.record.plan)) {
    printDetail(detail)
    printCauses(await causesOf(app, runId))
  }
  else out(`Run ${runId}: ${detail.record.state}`)
  if (interrupted) return EXIT.interrupted
  // Taken back by whomever: who asked to keep it must not believe that it was.
  if (detail.record.state !== 'failed') return options.keep && detail.record.state !== 'kept' ? EXIT.failed : EXIT.ok
  return detail.record.error === null ? EXIT.failed : exitCodeOf(detail.record.error.code)
}

const GB = 1024 ** 3

/** The module's layer with a backing file of at most so many GB, or with none (0). */
const moduleWithBacking = (sizeGb: number, options: ApplyOptions): Promise<number> =>
  withApp(async (app) => {
    const found = app.inner.presets.get(layerPresetId('kernel-module', 'on'))
    if (!found.ok) return printFailure(found.error, options.json)
    const { preset } = found.value
    const made: Preset = { ...preset, settings: { ...preset.settings, kernelModule: { mode: 'load', ...preset.settings.kernelModule, backingBytes: sizeGb * GB } } }
    const view = await makePlan(app, made.id, { ...options, made })
    return view.ok ? applyShown(app, view.value, options) : printFailure(view.error, options.json)
  })

/** Turns one layer on or off, through the same plan, measuring and question as a preset; `backing` in GB is the kernel module's alone. */
export const layer = async (turn: 'on' | 'off', name: string, { backing, ...options }: ApplyOptions & { backing?: number }): Promise<number> => {
  const switchable = (id: LayerId): Promise<boolean> => withApp(async (app) => (app.inner.presets.get(layerPresetId(id, turn)).ok ? EXIT.ok : EXIT.failed)).then((code) => code === EXIT.ok)
  const id = layerIdSchema.safeParse(name)
  if (!id.success) return printFailure({ code: 'bad-request', message: `There is no layer "${name}".`, expected: layerIdSchema.options.join(', '), got: name, advice: 'Look at them: agentmemctl layers' }, options.json)
  if (!(await switchable(id.data))) return printFailure({ code: 'not-supported', message: `The layer "${name}" cannot be switched in this version.`, about: name, advice: 'Look at them: agentmemctl layers' }, options.json)
  if (backing === undefined) return apply(layerPresetId(id.data, turn), options)
  if (id.data !== 'kernel-module' || turn === 'off') return printFailure({ code: 'bad-request', message: 'Only the kernel module that is turned on has a backing file.', expected: 'layer on kernel-module --backing GB', got: `layer ${turn} ${id.data} --backing ${backing}` }, options.json)
  return moduleWithBacking(backing, options)
}

/** Pages out the agents named, or all that are idle; nothing else. */
export const pageOut = (agents: readonly string[], options: ApplyOptions): Promise<number> =>
  apply(PAGE_OUT_PRESET_ID, agents.length === 0 ? options : { ...options, agents: [...agents] })

export const keep = (runId: RunId, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const kept = await app.inner.runs.keep(runId)
    if (!kept.ok) return printFailure(kept.error, options.json)
    await tellApp(app, runId)
    if (options.json) outJson('kept', { runId, state: 'kept' })
    else out(`Run ${runId} is kept until undo or restart.`)
    return EXIT.ok
  })

export const undo = (runId: RunId | null, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const undone = await app.inner.runs.undo(runId)
    if (!undone.ok) return printFailure(undone.error, options.json)
    await tellApp(app, undone.value.record.id)
    if (options.json) outJson('undone', undone.value)
    else printDetail(undone.value)
    return EXIT.ok
  })

/** A run that is being applied is not waited for: its helper takes back what it has done so far. */
const endOpen = async (app: App): Promise<void> => {
  const open = await app.inner.system.call('Runs', {})
  for (const { id, state } of open.ok ? open.value : []) if (isOpen(state) && state !== 'waiting') await app.inner.runs.cancel(id)
}

/**
 * Everything back: agents run again, limits are gone, runs are undone, newest
 * first. Each part is tried whatever became of the others; the first failure
 * decides the exit code.
 */
export const rollback = (options: { json: boolean; force: boolean }): Promise<number> =>
  withApp(async (app) => {
    if (options.force) await endOpen(app)
    const back = await agentsBack(app.inner.lifecycle, 'command-line')
    const undone = await app.inner.runs.rollback()
    const runs = undone.ok ? undone.value : []
    for (const detail of runs) await tellApp(app, detail.record.id)
    const failures = [...(undone.ok ? [] : [undone.error]), ...back.problems]
    const [failure = back.left[0]?.error] = failures
    const code = failure === undefined ? EXIT.ok : exitCodeOf(failure.code)
    if (options.json) {
      outJson('rolled-back', { runs, resumed: back.resumed, left: back.left, limits: back.limits, ...(failure === undefined ? {} : { error: failure }) })
      return code
    }
    if (back.resumed.length > 0) out(`${back.resumed.length} suspended ${back.resumed.length === 1 ? 'agent runs' : 'agents run'} again.`)
    if (back.limits.length > 0) out(`${back.limits.length} ${back.limits.length === 1 ? 'limit was' : 'limits were'} taken back.`)
    for (const detail of runs) printDetail(detail)
    if (failure === undefined && runs.length + back.resumed.length + back.limits.length === 0) out('There was nothing to undo.')
    for (const error of failures) printFailure(error, false)
    printLeft(back.left, [])
    return code
  })
