import { join } from 'node:path'
import { createKernelFiles } from '../../../change/write.ts'
import type { Result } from '../../../contract/errors.ts'
import { fail, ok } from '../../../contract/result.ts'
import type { Resumed } from '../../../contract/lifecycle.ts'
import type { AgentTarget } from '../../../contract/requests.ts'
import { readBootId } from '../../../observe/kernel.ts'
import { readStat } from '../../../observe/process.ts'
import { cgroupPathOf, readCgroupPlaces } from '../../cgroups/layout.ts'
import { createPlacer } from '../../cgroups/place.ts'
import { createPlainWay } from '../../cgroups/way.ts'
import { agentJournals } from '../freeze.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import type { Guard, LifecycleDeps } from '../types.ts'

/** Why nothing can be frozen here by root alone; null where it can. */
export const whyNotFreeze = (): string | null => {
  if (process.getuid?.() !== 0) return 'needs root'
  const places = readCgroupPlaces('/')
  if (places === null) return 'needs cgroup v2'
  if (places.systemd) return 'needs a machine without systemd: its cgroups are its own'
  return cgroupPathOf('/', process.pid) === '/' ? null : 'needs to be in the top cgroup'
}

/** An agent as a caller names it: any process, by the kind a caller gives it. */
export const targetOf = (pid: number): AgentTarget => {
  const startTimeTicks = readStat('/', pid).value?.startTimeTicks ?? 0
  return { id: `${readBootId('/')}:${pid}:${startTimeTicks}`, title: 'Test agent', idleMs: null, kind: 'test-agent', processes: [{ pid, startTimeTicks }] }
}

/** A lifecycle on this machine's own cgroups, with swap taken for granted and nothing paged out. */
export const tryLifecycle = (stateDir: string, guard: Guard | ((onlyRunning: boolean) => Promise<Result<Guard>>) | null, more: Partial<LifecycleDeps> = {}): Lifecycle & { resumed: Resumed[] } => {
  const places = readCgroupPlaces('/')
  if (places === null) throw new Error('no cgroup v2')
  const kernel = createKernelFiles({ root: '/' })
  const bootId = () => readBootId('/')
  const resumed: Resumed[] = []
  const lifecycle = createLifecycle({
    root: '/',
    role: 'system',
    stateDir,
    kernel,
    bootId,
    signatures: () => ({ version: 1, agents: [{ kind: 'none', title: 'None', match: [{ executable: ['no-such-program'] }] }], children: [{ role: 'mcp-server', executable: ['sleep', 'cat'] }, { role: 'tool', executable: ['tail'] }] }),
    connectGuard: typeof guard === 'function' ? guard : async () => (guard === null ? fail('helper-missing', 'The guard does not run.') : ok(guard)),
    wordsPath: join(stateDir, 'words'),
    placer: createPlacer({ root: '/', kernel, places, way: createPlainWay({ root: '/', kernel, places }), journalFolder: agentJournals(stateDir), role: 'system', bootId }),
    reclaimProgram: null,
    swapRoom: () => ok({ freeBytes: 1024 ** 3 }),
    log: () => undefined,
    onResumed: (one) => resumed.push(one),
    ...more,
  })
  return { ...lifecycle, resumed }
}
