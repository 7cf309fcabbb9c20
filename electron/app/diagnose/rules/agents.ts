import type { Agent } from '../../../../helper/contract/agents.ts'
import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, listed, percent } from '../../amounts.ts'
import { durationText, plural } from '../../report/format.ts'
import { above, figure, historyOf } from '../figures.ts'
import { needsMeminfo, type Need } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { define } from './define.ts'
import { costOf, hasCompressedSwap, idleAgents, MB, percentOf, totalOf } from './kit.ts'
import { advice, command, compressedSwapOn, endLeftovers, endUnneeded, leaveIt, limitAgents, MACHINE, pageOutIdle, suspendIdle } from './offers.ts'

/** What agents and their servers hold, and what they left behind. */

/** Where nobody could tell, the rule is asked all the same, and says what it lacks. */
const mayHaveAgents = (looks: Looks): boolean => lastOf(looks).agents.length > 0 || !lastOf(looks).agentsKnown
const needsAgents: Need = (looks) => (lastOf(looks).agentsKnown ? null : 'agents: the part that finds them was not asked')
const alive = (look: Evidence): readonly Agent[] => look.agents.filter((agent) => agent.state !== 'gone')

interface Servers { readonly count: number; readonly bytes: number; readonly labels: readonly string[] }
const mcpServers = (look: Evidence): Servers => {
  const servers = alive(look).flatMap((agent) => agent.processes.filter((process) => process.role === 'mcp-server'))
  const byLabel = new Map<string, number>()
  for (const server of servers) byLabel.set(server.label, (byLabel.get(server.label) ?? 0) + 1)
  return {
    count: servers.length,
    bytes: servers.reduce((sum, server) => sum + (server.memory.value?.pssBytes ?? 0), 0),
    labels: [...byLabel].toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 3).map(([label, count]) => `${label} (${counted(count)})`),
  }
}

const tooManyServers = define({
  id: 'agents.many-mcp-servers',
  topic: 'agents',
  title: 'Agents run very many MCP servers',
  appliesTo: mayHaveAgents,
  needs: [needsAgents, needsMeminfo('MemTotal')],
  thresholds: { perAgent: 4, servers: 8, bytes: 256 * MB },
  because: 'Measured: an MCP server on Node takes 40 to 60 MB, and every session starts its own set. Above four for each agent they rival the agents themselves.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const { count, bytes, labels } = mcpServers(look)
    const each = count / Math.max(1, alive(look).length)
    if (count <= limit.servers || each <= limit.perAgent || bytes <= limit.bytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${plural(alive(look).length, 'agent')} ${alive(look).length === 1 ? 'runs' : 'run'} ${counted(count)} MCP servers (helper programs that give an agent its tools), which hold ${amount(bytes)}. Most frequent: ${listed(labels)}. Every session starts all servers of its settings, used or not.`,
      figures: [
        figure({ what: 'MCP servers for each agent', value: each, unit: 'ratio', source: 'processes of agents', threshold: above(limit.perAgent) }),
        figure({ what: 'They hold', value: bytes, unit: 'bytes', source: 'smaps_rollup of these processes', threshold: above(limit.bytes), history: historyOf(looks, (other) => mcpServers(other).bytes) }),
        figure({ what: 'MCP servers', value: count, unit: 'count', source: 'processes of agents', threshold: above(limit.servers) }),
      ],
      solutions: [
        advice({ id: 'fewer-servers', title: 'Start only those a project needs', what: 'Take servers out of the agent\'s global settings (claude mcp list, ~/.gemini/settings.json, ~/.codex/config.toml) and add them to the projects that use them.', tradeOff: 'A tool that is missing must be added to that project.', sideEffects: 'Takes effect for new sessions.', scope: 'New sessions of your agents' }),
        { ...advice({ id: 'shared-server', title: 'Let sessions share one server', what: 'A server that speaks HTTP can serve all sessions: start it once and give its address in the settings. The Leftovers page says which of yours can.', tradeOff: 'All sessions see the same server, with the same rights.', sideEffects: 'When it ends, all of them lose it.', scope: 'Your agents' }), act: { how: 'page', page: 'leftovers', rest: [] } },
        suspendIdle(),
      ],
    }]
  },
  lookDeeper: [],
})

const duplicates = define({
  id: 'agents.duplicate-servers',
  topic: 'agents',
  title: 'The same server runs many times',
  needs: [needsAgents],
  thresholds: { couldSaveBytes: 256 * MB },
  because: 'The same program with the same settings, several times; what one for all would save is the sum less the largest.',
  find: (looks, limit) => lastOf(looks).duplicates.filter((duplicate) => (duplicate.couldSaveBytes.value ?? 0) > limit.couldSaveBytes).map((duplicate) => ({
    subject: duplicate.label,
    severity: 'advice',
    title: `${duplicate.label} runs ${counted(duplicate.processes.length)} times`,
    explanation: `${duplicate.label} runs ${counted(duplicate.processes.length)} times and holds ${amount(duplicate.costBytes.value ?? 0)} in all; one for all would save about ${amount(duplicate.couldSaveBytes.value ?? 0)}. ${duplicate.share.text}`,
    figures: [
      figure({ what: 'One for all would save', value: duplicate.couldSaveBytes.value ?? 0, unit: 'bytes', source: 'smaps_rollup of these processes', threshold: above(limit.couldSaveBytes) }),
      figure({ what: 'Running', value: duplicate.processes.length, unit: 'count', source: 'processes' }),
    ],
    solutions: [
      { ...endLeftovers(), id: 'see-duplicates', title: 'See all of them and what can be shared', what: 'Lists each with its session, and says whether one could serve all and how.' },
      { ...suspendIdle(), title: 'Suspend the sessions you do not need now', what: 'Their servers are suspended and paged out with them.' },
      endUnneeded(),
    ],
  })),
  lookDeeper: [],
})

const orphans = define({
  id: 'agents.orphans',
  topic: 'agents',
  title: 'Servers of ended sessions are still running',
  needs: [needsAgents],
  thresholds: { bytes: 32 * MB },
  because: 'A server whose session is gone serves nobody. Below 32 MB it is not worth a word: that is one small idle process.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const bytes = look.orphans.reduce((sum, orphan) => sum + (orphan.costBytes.value ?? 0), 0)
    if (bytes <= limit.bytes) return []
    const top = look.orphans.toSorted((a, b) => (b.costBytes.value ?? 0) - (a.costBytes.value ?? 0)).slice(0, 3)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${plural(look.orphans.length, 'process', 'processes')} that agents had started ${look.orphans.length === 1 ? 'goes on although its session has ended, and holds' : 'go on although their session has ended, and hold'} ${amount(bytes)}: ${listed(top.map((orphan) => `${orphan.label} (${amount(orphan.costBytes.value ?? 0)}, for ${durationText(orphan.ageMs)}: ${orphan.why})`))}.`,
      figures: [figure({ what: 'Held by what was left behind', value: bytes, unit: 'bytes', source: 'smaps_rollup of these processes', threshold: above(limit.bytes), history: historyOf(looks, (each) => each.orphans.reduce((sum, orphan) => sum + (orphan.costBytes.value ?? 0), 0)) })],
      solutions: [endLeftovers(), leaveIt('Leave them', 'One you started on purpose, such as a development server, may be meant to stay.', 'They hold their memory until you log out.')],
    }]
  },
  lookDeeper: [],
})

const idle = define({
  id: 'agents.idle',
  topic: 'agents',
  title: 'Idle agents hold much memory',
  appliesTo: mayHaveAgents,
  needs: [needsAgents, needsMeminfo('MemTotal')],
  thresholds: { idleMs: 10 * 60_000, percentOfMemory: 15 },
  because: 'Measured: an idle agent needs 5 to 10 % of its memory to wait for a key; 6.8 GB of 25 idle agents took 2.05 GB when compressed. Ten minutes without work, and 15 % of memory, are worth a click.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const agents = idleAgents(look, limit.idleMs)
    const bytes = costOf(agents)
    if (percentOf(bytes, totalOf(look)) <= limit.percentOfMemory) return []
    const top = agents.toSorted((a, b) => b.cost.costBytes - a.cost.costBytes).slice(0, 3)
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${plural(agents.length, 'agent')} ${agents.length === 1 ? 'has' : 'have'} done nothing for at least ${durationText(limit.idleMs)} and hold ${amount(bytes)} (${percent(percentOf(bytes, totalOf(look)))} of memory); the dearest: ${listed(top.map((agent) => `${agent.name} (${amount(agent.cost.costBytes)})`))}. They wait for you, and need nearly none of that to wait.`,
      figures: [
        figure({ what: 'Held by idle agents', value: bytes, unit: 'bytes', source: 'smaps_rollup of their processes', threshold: above(Math.round((totalOf(look) * limit.percentOfMemory) / 100)), history: historyOf(looks, (each) => costOf(idleAgents(each, limit.idleMs))) }),
        figure({ what: 'Idle agents', value: agents.length, unit: 'count', source: 'CPU time, terminal, network of their processes' }),
      ],
      solutions: hasCompressedSwap(look) ? [pageOutIdle(), suspendIdle(), endUnneeded()] : [compressedSwapOn(), suspendIdle(), endUnneeded()],
    }]
  },
  lookDeeper: [],
})

const oneLarge = define({
  id: 'agents.one-large',
  topic: 'agents',
  title: 'One agent holds a large part of memory',
  appliesTo: mayHaveAgents,
  needs: [needsAgents, needsMeminfo('MemTotal')],
  thresholds: { percentOfMemory: 25 },
  because: 'Measured: agents at their prompt cost 0.14 to 0.63 GB. A quarter of memory in one is a build, a test run or a leak in it.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return alive(look).filter((agent) => percentOf(agent.cost.costBytes, totalOf(look)) > limit.percentOfMemory).map((agent) => {
      const top = agent.processes.toSorted((a, b) => (b.memory.value?.pssBytes ?? 0) - (a.memory.value?.pssBytes ?? 0)).slice(0, 3)
      return {
        subject: agent.id,
        severity: 'advice' as const,
        title: `${agent.name} holds ${percent(percentOf(agent.cost.costBytes, totalOf(look)))} of memory`,
        explanation: `${agent.title} in ${agent.name} with all it started costs ${amount(agent.cost.costBytes)}. Most of it: ${listed(top.map((process) => `${process.label} (${amount(process.memory.value?.pssBytes ?? 0)})`))}.`,
        figures: [
          figure({ what: 'Cost of this agent, of memory', value: percentOf(agent.cost.costBytes, totalOf(look)), unit: 'percent', source: 'smaps_rollup of its processes', threshold: above(limit.percentOfMemory) }),
          figure({ what: 'Cost of this agent', value: agent.cost.costBytes, unit: 'bytes', source: 'smaps_rollup of its processes', history: historyOf(looks, (each) => each.agents.find((other) => other.id === agent.id)?.cost.costBytes) }),
        ],
        solutions: [limitAgents(), { ...endUnneeded(), id: 'see-agent', title: 'See what in it is large', what: 'Shows all its processes with what each holds.', act: { how: 'page' as const, page: 'agents' as const, rest: [] } }, suspendIdle()],
      }
    })
  },
  lookDeeper: ['perf.page-faults'],
})

const zombies = define({
  id: 'agents.zombies',
  topic: 'agents',
  title: 'Ended processes are not cleared away (zombies)',
  needs: [],
  thresholds: { zombies: 50 },
  because: 'proc(5), wait(2): a process that ended keeps its number and a few kB of the kernel until its parent asks how it ended. They hold no memory of their own, but numbers run out (kernel.pid_max, or a container\'s limit), and many mean that a parent is stuck.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    if (look.zombieProcesses <= limit.zombies) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${counted(look.zombieProcesses)} processes have ended, but the programs that started them never asked how ("zombies"). Each keeps its number and some 10 kB of the kernel, not its memory. So many of them mean that a program, often an agent's tool runner or a container without an init, is stuck or has a fault.`,
      figures: [figure({ what: 'Ended and not cleared away', value: look.zombieProcesses, unit: 'count', source: '/proc/PID/stat state Z', threshold: above(limit.zombies), history: historyOf(looks, (each) => each.zombieProcesses) })],
      solutions: [
        command({ id: 'whose', title: 'See whose they are', what: 'Lists the parents with the number of their zombies.', tradeOff: 'Takes a look at a terminal.', sideEffects: 'Only reads.', scope: MACHINE }, 'ps -eo ppid,stat --no-headers | awk \'$2 ~ /^Z/ { n[$1]++ } END { for (p in n) print n[p], p }\' | sort -rn | head', false, 'There is nothing to undo.', 'nothing-to-undo'),
        advice({ id: 'end-parent', title: 'End or restart the parent', what: 'When the parent ends, all of its zombies go at once. In a container, start it with an init: docker run --init.', tradeOff: 'The parent\'s work is interrupted.', sideEffects: 'None for others.', scope: 'That program' }, 'Start it again.'),
      ],
    }]
  },
  lookDeeper: [],
})

export const agents: readonly Rule[] = [tooManyServers, duplicates, orphans, idle, oneLarge, zombies]
