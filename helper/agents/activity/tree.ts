import type { ProcessRole } from '../../contract/agents.ts'
import { TICK_MS } from '../../observe/kernel.ts'
import { forbids, works, type Evidence, type Finding } from './finding.ts'
import type { Sample, SampleProcess } from './sample.ts'

const TOOLS = new Set<ProcessRole>(['tool', 'test-run', 'build'])

/** At the prompt too, agents look after the state of the repository now and then. */
const LASTING_MS = 2_000

/** A server that no rule knows by name is started while its agent starts, and is still there after this. */
const STARTED_WITH_MS = 60_000
const STAYED_MS = 120_000

/** How long after its agent a process was started. */
const startedAfterMs = (sample: Sample, process: SampleProcess): number => (process.startTimeTicks - (sample.processes[0]?.startTimeTicks ?? 0)) * TICK_MS

const onPipes = (process: SampleProcess): boolean => process.stdio !== null && [process.stdio[0], process.stdio[1]].every((kind) => kind === 'pipe' || kind === 'socket')

/**
 * Children that no rule knows and that behave as stdio servers do: started by
 * the agent itself within its first minute, on pipes, no shell, and still
 * there. Commands an agent runs go through a shell.
 */
const unknownServers = (sample: Sample): ReadonlySet<number> => {
  const mains = new Set(sample.processes.filter(({ role }) => role === 'main').map(({ pid }) => pid))
  const servers = new Set<number>()
  // Parents come before their children.
  for (const process of sample.processes) {
    const startedMs = startedAfterMs(sample, process)
    const own = process.role === 'tool' && mains.has(process.parentPid) && onPipes(process) && startedMs < STARTED_WITH_MS && sample.ageMs - startedMs > STAYED_MS
    if (own || servers.has(process.parentPid)) servers.add(process.pid)
  }
  return servers
}

const toolsOf = (sample: Sample): readonly Finding[] => {
  const servers = unknownServers(sample)
  const tools = sample.processes.filter((process) => process.kernelState !== 'Z' && !servers.has(process.pid) && (TOOLS.has(process.role) || process.command))
  const lasting = tools.find((process) => sample.ageMs - startedAfterMs(sample, process) >= LASTING_MS)
  const [tool] = tools
  return lasting !== undefined ? [works('tool', `runs ${lasting.label}`)] : tool === undefined ? [] : [forbids('tool', `runs ${tool.label}`)]
}

/** How long a lock may be held before it counts as one for the whole session, for which nobody waits. */
const SESSION_LOCK_MS = 60_000

/** Tools, other agents below this one, debuggers, and what others wait for. */
export const createTreeEvidence = (): Evidence => {
  let since = new Map<string, number>()
  const locksOf = ({ locks, monotonicMs }: Sample): readonly Finding[] => {
    since = new Map((locks ?? []).map(({ pid, file }) => [`${pid} ${file}`, since.get(`${pid} ${file}`) ?? monotonicMs]))
    const waited = locks?.some((lock) => lock.waitedFor) ?? false
    const fresh = [...since.values()].some((heldSinceMs) => monotonicMs - heldSinceMs < SESSION_LOCK_MS)
    return waited ? [forbids('lock', 'another program waits for a file lock that it holds')] : fresh ? [forbids('lock', 'has just taken a file lock')] : []
  }
  return (sample) => [
    ...toolsOf(sample),
    ...(sample.holdsAgents ? [works('subagent', 'another agent runs below it')] : []),
    ...(sample.processes.some(({ tracerPid }) => (tracerPid ?? 0) > 0) ? [works('debugger', 'a debugger is attached to it')] : []),
    ...locksOf(sample),
    ...(sample.processes.some(({ fuse }) => fuse) ? [forbids('lock', 'it serves a file system (FUSE)')] : []),
  ]
}
