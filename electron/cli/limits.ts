import { setTimeout as pause } from 'node:timers/promises'
import type { Result } from '../../helper/contract/errors.ts'
import { ok } from '../../helper/contract/result.ts'
import { LEAST_BUDGET_BYTES } from '../../helper/contract/lifecycle.ts'
import { LEAST_LIMIT_BYTES, limitsSchema, type Limits, type LimitView } from '../../helper/contract/limits.ts'
import { amount } from '../app/amounts.ts'
import type { App } from '../app/app.ts'
import { NO_AGENT_LIMITS, NO_LIMITS } from '../app/lifecycle/take-back.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { note, out, outJson, printFailure, say } from './print.ts'
import { sizeBytes, type Size } from './parse.ts'
import { labelFor, labelOf, present, whichAgent, type Named } from './which.ts'
import { staysHere } from './suspend.ts'

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const bytesOrMax = (bytes: number | null): string => (bytes === null ? 'max' : amount(bytes))

const printLimit = (label: string, view: LimitView): void => {
  out(`${label}: ${view.state === 'watching' ? `being watched until ${clock.format(view.watchUntilMs)}` : view.state === 'holds' ? 'the limit holds' : 'the limit was taken back'}`)
  for (const file of view.files) out(`  ${file.file.slice(file.file.lastIndexOf('/') + 1).padEnd(18)} ${bytesOrMax(file.oldBytes)} -> ${bytesOrMax(file.nowBytes)}`)
  if (view.text !== '') say(`  ${view.text}`, 2)
}

export interface LimitOptions {
  json: boolean
  none: boolean
  /** Wait until it is known whether the limit holds. */
  wait: boolean
  high?: Size
  max?: Size
  low?: Size
  swapMax?: Size
  zswapMax?: Size
  toolsHigh?: Size
}

const OPTION_OF: Record<string, string> = { lowBytes: '--low', highBytes: '--high', maxBytes: '--max', swapMaxBytes: '--swap-max', zswapMaxBytes: '--zswap-max', toolsHighBytes: '--tools-high' }

const limitsOf = (options: LimitOptions): Limits | null => {
  const { high, max, low, swapMax, zswapMax, toolsHigh } = options
  const limits: Limits = {
    ...(low === undefined ? {} : { lowBytes: sizeBytes(low) }),
    ...(high === undefined ? {} : { highBytes: sizeBytes(high) }),
    ...(max === undefined ? {} : { maxBytes: sizeBytes(max) }),
    ...(swapMax === undefined ? {} : { swapMaxBytes: sizeBytes(swapMax) }),
    ...(zswapMax === undefined ? {} : { zswapMaxBytes: sizeBytes(zswapMax) }),
    ...(toolsHigh === undefined ? {} : { toolsHighBytes: sizeBytes(toolsHigh) }),
  }
  return Object.keys(limits).length === 0 ? null : limits
}

const WAIT_LOOK_MS = 1_000

/** Sets, and where asked for watches until it is known how it works out. */
const setLimit = async (app: App, id: string | null, limits: Limits, wait: boolean): Promise<Result<LimitView>> => {
  const answer = await app.call('agents.limit', { id, limits })
  if (!answer.ok || !wait) return answer
  let view: LimitView = answer.value
  while (view.state === 'watching') {
    await pause(WAIT_LOOK_MS)
    const registry = await app.call('lifecycle.get', {})
    if (!registry.ok) return registry
    const now = id === null ? registry.value.budget : (registry.value.entries.find((entry) => entry.id === id)?.limit ?? null)
    if (now === null) break
    view = now
  }
  return ok(view)
}

const codeOf = (view: LimitView): number => (view.state === 'undone' ? EXIT.failed : EXIT.ok)

const showLimit = async (app: App, agent: Named, view: LimitView | null, json: boolean): Promise<number> => {
  if (json) outJson('limit', { limit: view })
  else if (view !== null) printLimit(labelOf(agent), view)
  else {
    out(`${labelOf(agent)} has no limit.`)
    const seen = await app.inner.sampler.agents(0)
    const costBytes = seen.ok ? seen.value.find((one) => one.id === agent.id)?.cost.costBytes : undefined
    if (costBytes !== undefined && costBytes > 0) note(`It costs ${amount(costBytes)} now. A careful beginning would be half of it: --high ${Math.max(LEAST_LIMIT_BYTES, Math.round(costBytes / 2 / 1024 ** 2) * 1024 ** 2) / 1024 ** 2}M`)
  }
  return EXIT.ok
}

export const limit = (word: string, options: LimitOptions): Promise<number> =>
  withApp(async (app) => {
    const limits = limitsOf(options)
    if (options.none && limits !== null) return printFailure({ code: 'bad-request', message: '--none takes every limit away and goes with no other.', advice: 'Give either sizes or --none.' }, options.json)
    const sound = limitsSchema.safeParse(limits ?? {})
    if (!sound.success) {
      const [issue] = sound.error.issues
      const option = OPTION_OF[String(issue?.path[0])] ?? ''
      return printFailure({ code: 'bad-request', message: `The limit given with ${option} cannot be set.`, expected: issue?.message ?? '', about: option, advice: 'Look at: agentmemctl limit --help' }, options.json)
    }
    const here = await present(app)
    if (!here.ok) return printFailure(here.error, options.json)
    const agent = whichAgent(word, here.value.agents)
    if (!agent.ok) return printFailure(agent.error, options.json)
    const { id } = agent.value
    const entry = here.value.registry.entries.find((one) => one.id === id)
    if (limits === null && !options.none) return showLimit(app, agent.value, entry?.limit ?? null, options.json)
    const cannot = staysHere(app)
    if (cannot !== null) return printFailure(cannot, options.json)
    const answer = await setLimit(app, id, limits ?? NO_AGENT_LIMITS, options.wait)
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('limit', { limit: answer.value })
    else printLimit(labelFor(here.value.agents, id), answer.value)
    return codeOf(answer.value)
  })

/** memory.high of all agents together; kept in the policy, so that it is set again after a restart. */
export const budget = (given: Size | undefined, options: { json: boolean; wait: boolean }): Promise<number> =>
  withApp(async (app) => {
    const registry = await app.call('lifecycle.get', {})
    if (!registry.ok) return printFailure(registry.error, options.json)
    if (given === undefined) {
      const { budget: view, policy } = registry.value
      if (options.json) outJson('limit', { limit: view })
      else if (view !== null) printLimit('All agents together', view)
      else out(policy.budgetBytes === null ? 'There is no budget for all agents together.' : `The budget of ${amount(policy.budgetBytes)} is not in force. ${registry.value.limit.text}`)
      return EXIT.ok
    }
    const cannot = staysHere(app)
    if (cannot !== null) return printFailure(cannot, options.json)
    const bytes = sizeBytes(given)
    if (bytes !== null && bytes < LEAST_BUDGET_BYTES) {
      return printFailure({ code: 'bad-request', message: 'This budget is too small for a single agent.', expected: `at least ${amount(LEAST_BUDGET_BYTES)}`, got: amount(bytes), advice: 'Give a larger one, or "none".' }, options.json)
    }
    const answer = await setLimit(app, null, bytes === null ? NO_LIMITS : { highBytes: bytes }, options.wait)
    if (!answer.ok) return printFailure(answer.error, options.json)
    const now = await app.call('lifecycle.get', {})
    if (!now.ok) return printFailure(now.error, options.json)
    if (now.value.policy.budgetBytes !== bytes) {
      const kept = await app.call('policy.set', { policy: { ...now.value.policy, budgetBytes: bytes } })
      if (!kept.ok) return printFailure(kept.error, options.json)
    }
    if (options.json) outJson('limit', { limit: answer.value })
    else printLimit('All agents together', answer.value)
    return codeOf(answer.value)
  })
