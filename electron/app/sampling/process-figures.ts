import type { Agent } from '../../../helper/contract/agents.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import type { ProcessEvidence } from '../../../helper/contract/evidence.ts'
import { missing } from '../../../helper/contract/known.ts'
import { ok } from '../../../helper/contract/result.ts'
import { readNuma } from '../../../helper/observe/evidence/numa.ts'
import { readProcesses } from '../../../helper/observe/evidence/processes.ts'
import { readRollup } from '../../../helper/observe/evidence/rollup.ts'
import type { Request, Response } from '../../contract/channels.ts'
import type { ProcessFigure } from '../../contract/process-figures.ts'
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

const NOT_WALKED = missing('not-measured', 'Read of one agent at a time: it is a walk over page tables.')
const UNWALKED = { fileHugeBytes: NOT_WALKED, privateDirtyBytes: NOT_WALKED, sharedDirtyBytes: NOT_WALKED, copyOnWriteBytes: NOT_WALKED }

/** Its page tables walked; Pss stays that of the agent's snapshot, which is shown beside it. */
const walked = async (root: string, one: ProcessEvidence, nodes: number): Promise<ProcessFigure> => {
  const { pssBytes, ...rest } = await readRollup(root, one.ref.pid, nodes)
  return { ...one, ...rest, pssBytes: one.pssBytes.value === null ? pssBytes : one.pssBytes }
}

/** What the kernel counts of each process of this user: sizes, shares, faults; read now. Of one agent's also what a walk over page tables tells. */
export const processFigures = async (deps: ProcessFiguresDeps, { agentId }: Request<'processes.get'>, uid = process.getuid?.() ?? null): Promise<Result<Response<'processes.get'>>> => {
  const answer = await deps.sampler.agents(AGENTS_MS)
  // Without the session role processes are known all the same, by their own names.
  const agents: readonly Agent[] = answer.ok ? answer.value : []
  const labels = new Map(agents.flatMap((agent) => agent.processes.map((process): [string, string] => [`${process.pid}:${process.startTimeTicks}`, process.label])))
  const nodes = readNuma(deps.root).map(({ node }) => node)
  const places = Math.max(1, ...nodes.map((node) => node + 1))
  const { processes } = await readProcesses(deps.root, { uid, agents, rollups: 0, memoryFiles: false, nodes: places, captured: null })
  const wanted = agentId === null ? processes : processes.filter((one) => one.agentId === agentId)
  const largest = wanted.toSorted((a, b) => (b.rssBytes.value ?? 0) - (a.rssBytes.value ?? 0) || a.ref.pid - b.ref.pid).slice(0, MOST).map((one) => named(one, labels))
  const figures = agentId === null ? largest.map((one) => ({ ...one, anonHugeBytes: NOT_WALKED, ...UNWALKED })) : await Promise.all(largest.map((one) => walked(deps.root, one, places)))
  return ok({ takenAtMs: deps.now(), nodes: nodes.length === 0 ? [0] : nodes, processes: figures })
}
