import type { Agent, AgentProcess, ProcessRole } from '../../../helper/contract/agents.ts'
import type { Reading } from '../../../helper/contract/reading.ts'
import { valueOfReading } from '../../format/reading.ts'

/** A line of the table: an agent, or a process in its tree. */
export type AgentRow =
  | { id: string; kind: 'agent'; agent: Agent; children: AgentRow[] }
  | { id: string; kind: 'process'; agent: Agent; process: AgentProcess; children: AgentRow[] }

export const roleWords: Record<ProcessRole, string> = {
  main: 'agent',
  'mcp-server': 'MCP server',
  'language-server': 'language server',
  shell: 'shell',
  'test-run': 'test run',
  build: 'build',
  tool: 'tool',
}

const roleOrder: readonly ProcessRole[] = ['main', 'mcp-server', 'language-server', 'shell', 'test-run', 'build', 'tool']

const processRows = (agent: Agent): AgentRow[] =>
  agent.processes
    .toSorted((a, b) => roleOrder.indexOf(a.role) - roleOrder.indexOf(b.role) || a.pid - b.pid)
    .map((process) => ({ id: `${agent.id}/${process.pid}:${process.startTimeTicks}`, kind: 'process', agent, process, children: [] }))

export const rowsOf = (agents: readonly Agent[]): AgentRow[] => agents.map((agent) => ({ id: agent.id, kind: 'agent', agent, children: processRows(agent) }))

/** No process of the agent was measured: it has no cost yet, which is not a cost of nothing. */
export const isUnmeasured = (agent: Agent): boolean => agent.cost.unmeasured === agent.processes.length

export type Column = 'name' | 'state' | 'cost' | 'pss' | 'swap' | 'uss' | 'idle' | 'age'

const memoryReading = (process: AgentProcess, of: 'pssBytes' | 'swapPssBytes' | 'ussBytes'): Reading =>
  process.memory.value === null ? process.memory : { value: process.memory.value[of] }

/** The figure of a cell, for showing; null where the column has no figure for this row. */
export const figureOf = (row: AgentRow, column: Column): Reading | null => {
  if (row.kind === 'process') {
    if (column === 'pss') return memoryReading(row.process, 'pssBytes')
    if (column === 'swap') return memoryReading(row.process, 'swapPssBytes')
    if (column === 'uss') return memoryReading(row.process, 'ussBytes')
    return null
  }
  const { agent } = row
  const isMemory = column === 'cost' || column === 'pss' || column === 'swap' || column === 'uss'
  // A sum over nothing is no zero.
  if (isMemory && isUnmeasured(agent)) return { value: null, reason: 'not-measured', detail: 'None of its processes has been measured yet.' }
  switch (column) {
    case 'cost':
      return { value: agent.cost.costBytes }
    case 'pss':
      return { value: agent.cost.pssBytes }
    case 'swap':
      return { value: agent.cost.swapPssBytes }
    case 'uss':
      return { value: agent.cost.ussBytes }
    case 'idle':
      return agent.idleMs
    case 'age':
      return { value: agent.ageMs }
    case 'name':
    case 'state':
      return null
  }
}

const stateOrder = { active: 0, idle: 1, suspended: 2, gone: 3 } as const

/** What a row is sorted by. Missing figures sort as the smallest. */
export const sortKey = (row: AgentRow, column: Column): string | number => {
  if (column === 'name') return row.kind === 'agent' ? `${row.agent.title} ${row.agent.name}`.toLowerCase() : String(roleOrder.indexOf(row.process.role))
  if (column === 'state') return row.kind === 'agent' ? stateOrder[row.agent.state] : 0
  const figure = figureOf(row, column)
  return figure === null ? -1 : valueOfReading(figure, -1)
}

/** Words a filter looks through: every word typed must be somewhere in them. */
export const matches = (agent: Agent, filter: string): boolean => {
  const words = filter.toLowerCase().split(/\s+/u).filter((word) => word !== '')
  if (words.length === 0) return true
  const text = [agent.title, agent.name, agent.kind, agent.state, String(agent.pid), agent.projectFolder.value ?? '', ...agent.processes.map((process) => `${process.label} ${roleWords[process.role]}`)].join(' ').toLowerCase()
  return words.every((word) => text.includes(word))
}
