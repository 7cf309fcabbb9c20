import type { AgentId } from '../../helper/contract/agents.ts'
import type { Failure, Result } from '../../helper/contract/errors.ts'
import { ok } from '../../helper/contract/result.ts'
import { amount } from '../app/amounts.ts'
import type { App } from '../app/app.ts'
import type { Response } from '../contract/channels.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { duration, note, out, outJson, printFailure, wrapped } from './print.ts'
import { labelFor, present, whichAgents, type Named, type Present } from './which.ts'

type Left = Response<'agents.suspend'>['left']

/** What was left alone, and why; the exit code of the first. */
export const printLeft = (left: Left, agents: readonly Named[]): number => {
  for (const { agentId, error } of left) {
    note(wrapped(`${labelFor(agents, agentId)}: ${error.message}${error.got === undefined ? '' : ` (${error.got})`}${error.advice === undefined ? '' : ` ${error.advice}`}`, 2))
  }
  const [first] = left
  return first === undefined ? EXIT.ok : exitCodeOf(first.error.code)
}

/** What it freezes is thawed when the session role ends: one that ends with this command would undo at once what was asked. */
export const staysHere = (app: App): Failure | null =>
  app.inner.session.isOwn()
    ? {
        code: 'helper-missing',
        message: 'The part that watches over agents was started by this command and ends with it, and what it had changed would be taken back then.',
        advice: 'Start the app first (npm start), or install the helper and log in again.',
      }
    : null

export interface SuspendOptions {
  json: boolean
  idle: boolean
  for?: number
}

const idsToSuspend = async (app: App, words: readonly string[], options: SuspendOptions, { agents, registry }: Present): Promise<Result<AgentId[]>> => {
  if (!options.idle) {
    const named = whichAgents(words, agents)
    return named.ok ? ok(named.value.map((agent) => agent.id)) : named
  }
  const settings = options.for === undefined ? await app.call('settings.get', {}) : null
  if (settings !== null && !settings.ok) return settings
  const leastMs = options.for ?? settings?.value.settings.idleAfterMs ?? 0
  return ok(registry.entries.filter(({ state, activity }) => state !== 'suspended' && state !== 'gone' && activity.idle && activity.idleMs.value !== null && activity.idleMs.value >= leastMs).map((entry) => entry.id))
}

export const suspend = (words: readonly string[], options: SuspendOptions): Promise<number> =>
  withApp(async (app) => {
    if ((words.length > 0) === options.idle) {
      const failure = { code: 'bad-request' as const, message: 'It is not clear which agents to suspend.', expected: 'names of agents, or --idle for all that are idle', got: options.idle ? 'both' : 'neither', advice: 'Look at them: agentmemctl agents' }
      return printFailure(failure, options.json)
    }
    if (options.for !== undefined && !options.idle) return printFailure({ code: 'bad-request', message: '--for goes with --idle.', advice: 'Agents that are named are suspended now.' }, options.json)
    const here = await present(app)
    if (!here.ok) return printFailure(here.error, options.json)
    const cannot = staysHere(app)
    if (cannot !== null) return printFailure(cannot, options.json)
    const ids = await idsToSuspend(app, words, options, here.value)
    if (!ids.ok) return printFailure(ids.error, options.json)
    const answer = ids.value.length === 0 ? ok({ suspended: [], left: [] }) : await app.call('agents.suspend', { ids: ids.value, cause: 'command-line' })
    if (!answer.ok) return printFailure(answer.error, options.json)
    const { suspended, left } = answer.value
    const [first] = left
    if (options.json) {
      outJson('suspended', answer.value)
      return first === undefined ? EXIT.ok : exitCodeOf(first.error.code)
    }
    if (ids.value.length === 0) out('No agent is idle for that long.')
    for (const one of suspended) {
      const stopped = one.stoppedBy === null ? '' : ` ${one.stoppedBy}`
      out(wrapped(`${labelFor(here.value.agents, one.agentId)}: suspended, won ${amount(one.wonBytes)} (${amount(one.before.costBytes)} -> ${amount(one.after.costBytes)}) in ${duration(one.freezeMs + one.reclaimMs)}.${stopped}`, 2))
    }
    return printLeft(left, here.value.agents)
  })

export const resume = (words: readonly string[], options: { json: boolean; all: boolean }): Promise<number> =>
  withApp(async (app) => {
    if ((words.length > 0) === options.all) {
      return printFailure({ code: 'bad-request', message: 'It is not clear which agents to resume.', expected: 'names of agents, or --all', got: options.all ? 'both' : 'neither', advice: 'Look at them: agentmemctl agents' }, options.json)
    }
    const here = await present(app)
    // Waking must not depend on knowing who is there.
    if (!here.ok && !options.all) return printFailure(here.error, options.json)
    const agents = here.ok ? here.value.agents : []
    const named = options.all ? ok(null) : whichAgents(words, agents)
    if (!named.ok) return printFailure(named.error, options.json)
    const answer = await app.inner.lifecycle.change('Resume', { ids: named.value?.map((agent) => agent.id) ?? null, cause: 'command-line' })
    if (!answer.ok) return printFailure(answer.error, options.json)
    const { resumed, left } = answer.value
    if (options.json) {
      outJson('resumed', answer.value)
      return left[0] === undefined ? EXIT.ok : exitCodeOf(left[0].error.code)
    }
    if (resumed.length === 0 && left.length === 0) out(options.all ? 'No agent is suspended.' : 'None of these is suspended.')
    for (const one of resumed) out(`${labelFor(agents, one.agentId)}: runs again after ${duration(one.suspendedForMs)}; ${amount(one.prefaultedBytes)} brought back in ${Math.round(one.tookMs)} ms.`)
    return printLeft(left, agents)
  })
