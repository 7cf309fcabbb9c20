import type { Agent, AgentProcess } from '../../contract/agents.ts'
import type { Evidence } from '../../contract/evidence.ts'

export interface ScrubWords {
  /** The boot that stands in every id. */
  readonly bootId: string
  readonly uid: (uid: number) => number
  readonly cgroup: (path: string) => string
}

/** The same number for the same text, in the order they are met. */
const numbered = (word: string): ((text: string) => string) => {
  const seen = new Map<string, number>()
  return (text) => {
    const number = seen.get(text) ?? seen.size + 1
    seen.set(text, number)
    return `${word}-${number}`
  }
}

/** Of a cgroup's path the units stay; who made other groups, and how he names them, is not for others. */
const units = (path: string): string => path.split('/').map((part) => (part === '' || /\.(?:slice|scope|service)$/u.test(part) ? part : 'x')).join('/')

const withoutCommandLine = (process: AgentProcess): AgentProcess => {
  const left = { ...process }
  delete left.commandLine
  return left
}

/**
 * Agents and what they left behind, as they can be shared: kind, state, tree
 * and figures stay; user, folder and project's name go, and so do command
 * lines. Labels are those of programs and scripts, as titles of processes are.
 */
export const scrubAgents = ({ agents, duplicates, orphans }: Pick<Evidence, 'agents' | 'duplicates' | 'orphans'>, { bootId, uid, cgroup }: ScrubWords): Pick<Evidence, 'agents' | 'duplicates' | 'orphans'> => {
  const project = numbered('project')
  const idOf = (id: string): string => id.replace(/^[^:]*/u, bootId)
  const one = (agent: Agent): Agent => {
    const name = project(`${agent.projectFolder.value ?? ''}\0${agent.name}`)
    return {
      ...agent,
      id: idOf(agent.id),
      name,
      projectFolder: agent.projectFolder.value === null ? agent.projectFolder : { value: `/home/user/${name}` },
      uid: uid(agent.uid),
      cgroup: agent.cgroup.value === null ? agent.cgroup : { value: units(cgroup(agent.cgroup.value)) },
      processes: agent.processes.map(withoutCommandLine),
    }
  }
  return {
    agents: agents.map(one),
    orphans,
    duplicates: duplicates.map((duplicate) => ({ ...duplicate, processes: duplicate.processes.map((process) => ({ ...process, agentId: process.agentId === null ? null : idOf(process.agentId) })) })),
  }
}
