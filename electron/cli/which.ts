import type { Agent } from '../../helper/contract/agents.ts'
import { agentIdSchema } from '../../helper/contract/agents.ts'
import type { Result } from '../../helper/contract/errors.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Registry } from '../../helper/contract/requests.ts'
import type { App } from '../app/app.ts'

/** As much of an agent as is needed to name it. */
export type Named = Pick<Agent, 'id' | 'pid' | 'name' | 'title'> & { readonly processes: readonly { readonly pid: number }[] }

export const labelOf = ({ name, title }: Pick<Named, 'name' | 'title'>): string => (name === title || name === '' ? title : `${name} (${title})`)

const candidate = (agent: Named): string => `${labelOf(agent)}, process ${agent.pid}`
const LIST = 'Look at them: agentmemctl agents'

/** One agent by its id, by a process of its tree, or by the name of its project where only one has it. */
export const whichAgent = (word: string, agents: readonly Named[]): Result<Named> => {
  if (agentIdSchema.safeParse(word).success) {
    const found = agents.find((agent) => agent.id === word)
    return found === undefined ? fail('process-gone', 'This agent is no longer running.', { about: word, advice: LIST }) : ok(found)
  }
  if (/^\d+$/u.test(word)) {
    const pid = Number(word)
    const found = agents.find((agent) => agent.pid === pid) ?? agents.find((agent) => agent.processes.some((one) => one.pid === pid))
    return found === undefined ? fail('process-gone', `No agent runs as process ${word}.`, { about: word, advice: LIST }) : ok(found)
  }
  const exact = agents.filter((agent) => agent.name === word)
  const named = exact.length > 0 ? exact : agents.filter((agent) => agent.name.toLowerCase() === word.toLowerCase())
  const [one, ...more] = named
  if (one === undefined) return fail('process-gone', `No agent is called "${word}".`, { expected: 'an id, a process number, or the name of a project', got: word, advice: LIST })
  if (more.length > 0) return fail('bad-request', `"${word}" is the name of ${named.length} agents.`, { expected: 'a name that only one has', got: named.map(candidate).join('; '), advice: 'Name it by its process number.' })
  return ok(one)
}

/** Those named, each once, in the order given; the first that cannot be told ends it. */
export const whichAgents = (words: readonly string[], agents: readonly Named[]): Result<Named[]> => {
  const found: Named[] = []
  for (const word of words) {
    const one = whichAgent(word, agents)
    if (!one.ok) return one
    if (!found.some((agent) => agent.id === one.value.id)) found.push(one.value)
  }
  return ok(found)
}

export interface Present {
  readonly agents: readonly Named[]
  readonly registry: Registry
}

/** A cheap look at who is there: names and states, no memory is read. */
export const present = async (app: App): Promise<Result<Present>> => {
  const seen = await app.inner.session.call('Agents', {})
  if (!seen.ok) return seen
  const registry = await app.call('lifecycle.get', {})
  return registry.ok ? ok({ agents: seen.value.agents.filter((agent) => agent.state !== 'gone'), registry: registry.value }) : registry
}

/** How an answer about an id is said to a person. */
export const labelFor = (agents: readonly Named[], id: string): string => {
  const agent = agents.find((one) => one.id === id)
  return agent === undefined ? id : labelOf(agent)
}
