import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../../helper/contract/agents.ts'
import type { Machine } from '../../../helper/contract/snapshot.ts'
import { compressedSwap, readMachine } from '../../../helper/observe/machine.ts'
import { amount, percent } from '../../app/amounts.ts'
import type { App } from '../../app/app.ts'
import { EXIT } from '../exit-codes.ts'
import { withApp } from '../open-app.ts'
import { paint } from '../paint.ts'
import { duration, out, outJsonLine, table } from '../print.ts'
import { again, largestPrograms, type Program } from './largest.ts'

export interface WatchOptions {
  json: boolean
  showProcesses: boolean
  interval: number
  clear: boolean
  /** Ends after so many looks; until interrupted where left out. */
  count?: number
}

/** Agents and the list of the largest programs cost a walk over /proc, the machine a few files: at least so long between two of the former. */
const AGENTS_MS = 15_000
const CLEAR = '\u001b[H\u001b[J'
const PROCESSES = 12

const rate = (now: number, before: number | undefined, ms: number): string => (before === undefined || ms <= 0 ? '-' : `${Math.round(((now - before) * 1000) / ms)}/s`)

const lines = (machine: Machine, before: Machine | null, ms: number): string[] => {
  const { memory, memoryPressure, vm } = machine
  const pool = compressedSwap(machine)
  const some = memoryPressure.value?.some.avg10Percent
  const calm = some === undefined ? '-' : some < 1 ? paint('green', 'calm') : some < 10 ? paint('yellow', percent(some)) : paint(['bold', 'red'], percent(some))
  return [
    `Memory      ${amount(memory.availableBytes)} available of ${amount(memory.totalBytes)}, ${amount(memory.freeBytes)} of it free`,
    `Programs    ${amount(memory.anonBytes)}, shared ${amount(memory.shmemBytes)}, file cache ${amount(memory.cachedBytes + memory.buffersBytes)}`,
    `Swap        ${amount(memory.swapTotalBytes - memory.swapFreeBytes)} of ${amount(memory.swapTotalBytes)}${pool.storedBytes > 0 ? `; ${amount(pool.storedBytes)} compressed to ${amount(pool.poolBytes)}` : ''}`,
    `Pressure    ${calm}   in ${rate(vm.swapInPages, before?.vm.swapInPages, ms)}  out ${rate(vm.swapOutPages, before?.vm.swapOutPages, ms)}  major faults ${rate(vm.majorFaults, before?.vm.majorFaults, ms)}`,
  ]
}

const agentRows = (agents: readonly Agent[], showProcesses: boolean): string => {
  const sorted = agents.toSorted((a, b) => b.cost.costBytes - a.cost.costBytes)
  if (!showProcesses) return table(['AGENT', 'PROJECT', 'STATE', 'IDLE', 'COST'], sorted.map((agent) => [agent.title, agent.name, agent.state, duration(agent.idleMs.value), amount(agent.cost.costBytes)]), [3, 4])
  const processes = sorted
    .flatMap((agent) => agent.processes.map((process) => ({ agent, process, bytes: process.memory.value === null ? null : process.memory.value.pssBytes + process.memory.value.swapPssBytes })))
    .toSorted((a, b) => (b.bytes ?? -1) - (a.bytes ?? -1))
    .slice(0, PROCESSES)
  return table(['PID', 'PROCESS', 'ROLE', 'AGENT', 'PSS + SWAP'], processes.map(({ agent, process, bytes }) => [String(process.pid), process.label, process.role, agent.name, bytes === null ? '-' : amount(bytes)]), [0, 4])
}

/** Whose they are, as far as agents are known. */
const programRows = (programs: readonly Program[], agents: readonly Agent[]): string => {
  const owners = new Map(agents.flatMap((agent) => agent.processes.map((process): [string, string] => [`${process.pid} ${process.startTimeTicks}`, agent.name])))
  return table(['PID', 'LARGEST PROGRAMS', 'AGENT', 'RSS, SHARED IN FULL'], programs.map(({ pid, startTimeTicks, title, rssBytes }) => [String(pid), title.slice(0, 40), owners.get(`${pid} ${startTimeTicks}`) ?? '-', amount(rssBytes)]), [0, 3])
}

const lookAtAgents = async (app: App, showProcesses: boolean): Promise<readonly Agent[]> => {
  const answer = showProcesses ? await app.inner.sampler.agents(AGENTS_MS / 2) : await app.inner.sampler.agents(AGENTS_MS)
  return answer.ok ? answer.value : []
}

/** The machine and its agents, again and again; cheap enough to leave running. */
export const watch = (options: WatchOptions): Promise<number> =>
  withApp(async (app) => {
    const ended = new AbortController()
    const end = (): void => { ended.abort() }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
    let before: Machine | null = null
    let beforeMs = 0
    let agents: readonly Agent[] = []
    let programs: readonly Program[] = []
    let agentsAtMs = -Infinity
    for (let look = 0; options.count === undefined || look < options.count; look += 1) {
      if (look > 0) await sleep(options.interval, undefined, { signal: ended.signal }).catch(() => null)
      if (ended.signal.aborted) break
      const nowMs = performance.now()
      if (nowMs - agentsAtMs >= AGENTS_MS) {
        agents = await lookAtAgents(app, options.showProcesses)
        if (options.showProcesses) programs = largestPrograms('/', PROCESSES)
        agentsAtMs = nowMs
      } else programs = again('/', programs)
      const machine = readMachine('/')
      if (options.json) {
        // A line each, for programs that read along.
        outJsonLine('watch', { atMs: Date.now(), machine, agents: agents.map(({ id, title, name, state, cost }) => ({ id, title, name, state, costBytes: cost.costBytes })), ...(options.showProcesses ? { programs } : {}) })
      } else {
        const text = [
          ...lines(machine, before, nowMs - beforeMs), '',
          agents.length === 0 ? 'No agents are running.' : agentRows(agents, options.showProcesses),
          ...(options.showProcesses ? ['', programRows(programs, agents)] : []),
        ].join('\n')
        out(options.clear && process.stdout.isTTY ? `${CLEAR}${text}` : `${look > 0 ? '\n' : ''}${text}`)
      }
      before = machine
      beforeMs = nowMs
    }
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
    return EXIT.ok
  })
