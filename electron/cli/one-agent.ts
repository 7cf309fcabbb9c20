import { agentIdSchema } from '../../helper/contract/agents.ts'
import { ok } from '../../helper/contract/result.ts'
import type { RegistryEntry } from '../../helper/contract/lifecycle.ts'
import { amount } from '../app/amounts.ts'
import { CAUSES } from '../app/history/lifecycle-words.ts'
import type { Request, Response } from '../contract/channels.ts'
import { EXIT } from './exit-codes.ts'
import { withApp } from './open-app.ts'
import { bytesOr, duration, out, outJson, printFailure, table } from './print.ts'
import { labelFor, labelOf, present, whichAgent, whichAgents } from './which.ts'

type Change = Omit<Request<'agents.set'>, 'id'>

const setWords = ({ pinned, importance, trustDomain }: RegistryEntry): string => `${pinned ? 'pinned, never suspended by itself' : 'not pinned'}; importance ${importance}; trust domain ${trustDomain}`

/** Pins, unpins, or gives an importance; the same for each agent named. */
export const setAgents = (words: readonly string[], change: Change, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const here = await present(app)
    if (!here.ok) return printFailure(here.error, options.json)
    const agents = whichAgents(words, here.value.agents)
    if (!agents.ok) return printFailure(agents.error, options.json)
    const entries: RegistryEntry[] = []
    for (const agent of agents.value) {
      const answer = await app.call('agents.set', { id: agent.id, ...change })
      if (!answer.ok) return printFailure(answer.error, options.json)
      entries.push(answer.value)
      if (!options.json) out(`${labelOf(agent)}: ${setWords(answer.value)}.`)
    }
    if (options.json) outJson('agents-set', { entries })
    return EXIT.ok
  })

/** Asks an agent to give memory back by itself. */
export const free = (word: string, options: { json: boolean }): Promise<number> =>
  withApp(async (app) => {
    const here = await present(app)
    if (!here.ok) return printFailure(here.error, options.json)
    const agent = whichAgent(word, here.value.agents)
    if (!agent.ok) return printFailure(agent.error, options.json)
    const answer = await app.call('agents.ask-to-free', { id: agent.value.id })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('freed', answer.value)
    else if (answer.value.asked.length === 0) out(`No process of ${labelOf(agent.value)} can be asked.`)
    else out(table(['PID', 'HOW', 'BEFORE', 'AFTER', ''], answer.value.asked.map((one) => [String(one.pid), one.how, bytesOr(one.beforeBytes), bytesOr(one.afterBytes), one.text]), [0, 2, 3]))
    return EXIT.ok
  })

const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })

const printTimeline = ({ transitions, suspensions }: Response<'agents.timeline'>, nowMs: number): void => {
  if (transitions.length === 0) out('Nothing is known of it in this time.')
  else {
    const rows = transitions.map((one, i) => {
      const next = transitions[i + 1]
      return [moment.format(one.atMs), one.to, one.to === 'gone' ? '-' : duration((next?.atMs ?? nowMs) - one.atMs), one.cause, one.text]
    })
    out(table(['SINCE', 'STATE', 'FOR', 'CAUSE', ''], rows, [2]))
  }
  if (suspensions.length === 0) return
  out('')
  const rows = suspensions.map(({ suspension, resumed }) => [
    moment.format(suspension.sinceMs),
    resumed === null ? '-' : duration(resumed.suspendedForMs),
    amount(suspension.wonBytes),
    amount(suspension.after.costBytes),
    resumed === null ? '-' : `${Math.round(resumed.tookMs)} ms`,
    resumed === null ? '-' : CAUSES[resumed.cause],
  ])
  out(table(['SUSPENDED', 'FOR', 'WON', 'LEFT', 'WOKE IN', 'WOKEN'], rows, [1, 2, 3, 4]))
}

/** States of one agent; an ended one is named by its id. */
export const timeline = (word: string, options: { json: boolean; since: number }): Promise<number> =>
  withApp(async (app) => {
    const here = await present(app)
    const byId = agentIdSchema.safeParse(word)
    if (!here.ok && !byId.success) return printFailure(here.error, options.json)
    const agent = byId.success ? ok({ id: byId.data }) : whichAgent(word, here.ok ? here.value.agents : [])
    if (!agent.ok) return printFailure(agent.error, options.json)
    const nowMs = Date.now()
    const answer = await app.call('agents.timeline', { id: agent.value.id, fromMs: nowMs - options.since, toMs: nowMs })
    if (!answer.ok) return printFailure(answer.error, options.json)
    if (options.json) outJson('timeline', answer.value)
    else {
      if (here.ok) out(labelFor(here.value.agents, agent.value.id))
      printTimeline(answer.value, nowMs)
    }
    return EXIT.ok
  })
