import type { Activity, Suspension } from '../../contract/lifecycle.ts'
import { known, missing } from '../../contract/known.ts'
import type { LookedAgent } from '../tracker.ts'

const BOOT = '00000000-1111-4222-8333-444444444444'

/** An agent as a look would find it, for tests. */
export const madeAgent = (pid: number, more: Partial<LookedAgent> = {}): LookedAgent => ({
  id: `${BOOT}:${pid}:1000`,
  pid,
  startTimeTicks: 1000,
  kind: 'claude-code',
  title: 'Claude Code',
  name: 'project',
  projectFolder: known(`/home/dev/project-${pid}`),
  uid: 1000,
  state: 'active',
  idleMs: missing('not-measured'),
  ageMs: 60_000,
  cgroup: known('/user.slice'),
  ownCgroup: false,
  mergeable: missing('not-measured'),
  processes: [{ pid, startTimeTicks: 1000, parentPid: 1, role: 'main', label: 'Claude Code', comm: 'claude', kernelState: 'S', cpuMs: 0, memory: missing('not-measured') }],
  cost: null,
  ...more,
})

export const idleFor = (ms: number): Activity => ({ idle: true, idleMs: known(ms), reasons: [], knownBy: 'evidence' })

export const busyWith = (reason: Activity['reasons'][number]['reason'], text = 'at work'): Activity => ({ idle: false, idleMs: missing('not-measured', 'not quiet'), reasons: [{ reason, text }], knownBy: 'evidence' })

const size = { costBytes: 0, residentAnonBytes: 0, swapPssBytes: 0, compressedBytes: 0, fileBytes: 0 }

export const madeSuspension = (agentId: string, sinceMs: number, more: Partial<Suspension> = {}): Suspension => ({
  agentId,
  title: 'Claude Code',
  uid: 1000,
  sinceMs,
  cause: 'policy',
  cgroup: `/cg/${agentId.split(':')[1] ?? ''}`,
  processes: [{ pid: Number(agentId.split(':')[1]), startTimeTicks: 1000 }],
  terminal: null,
  before: size,
  after: size,
  wonBytes: 100 * 1024 * 1024,
  workingSetBytes: 0,
  freezeMs: 1,
  reclaimMs: 1,
  stoppedBy: null,
  ...more,
})
