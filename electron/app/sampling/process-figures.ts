import type { Agent } from '../../../helper/contract/agents.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import type { ProcessEvidence } from '../../../helper/contract/evidence.ts'
import { ok } from '../../../helper/contract/result.ts'
import { readProcesses } from '../../../helper/observe/evidence/processes.ts'
import type { Request, Response } from '../../contract/channels.ts'
import type { Sampler } from './sampler.ts'

export interface ProcessFiguresDeps {
  readonly root: string
  readonly sampler: Pick<Sampler, 'agents'>
  readonly now: () => number
}

/** Agents measured this long ago still name their processes rightly. */
const AGENTS_MS = 15_000
/** A page of a table; what is smaller says nothing. */
const MOST = 100

const named = (process: ProcessEvidence, labels: ReadonlyMap<string, string>): ProcessEvidence => ({ ...process, title: labels.get(`${process.ref.pid}:${process.ref.startTimeTicks}`) ?? process.title })

/** What the kernel counts of each process of this user: sizes, shares, faults; read now. */
export const processFigures = async (deps: ProcessFiguresDeps, { agentId }: Request<'processes.get'>): Promise<Result<Response<'processes.get'>>> => {
  const answer = await deps.sampler.agents(AGENTS_MS)
  // Without the session role processes are known all the same, by their own names.
  const agents: readonly Agent[] = answer.ok ? answer.value : []
  const labels = new Map(agents.flatMap((agent) => agent.processes.map((process): [string, string] => [`${process.pid}:${process.startTimeTicks}`, process.label])))
  const { processes } = await readProcesses(deps.root, { uid: process.getuid?.() ?? null, agents, rollups: 0, memoryFiles: false, nodes: 1, captured: null })
  const wanted = agentId === null ? processes : processes.filter((one) => one.agentId === agentId)
  const sorted = wanted.toSorted((a, b) => (b.rssBytes.value ?? 0) - (a.rssBytes.value ?? 0) || a.ref.pid - b.ref.pid)
  return ok({ takenAtMs: deps.now(), processes: sorted.slice(0, MOST).map((one) => named(one, labels)) })
}
