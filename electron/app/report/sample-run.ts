import type { Plan, Step } from '../../../helper/contract/plan.ts'
import type { RunRecord, StepOutcome, UndoLine } from '../../../helper/contract/runs.ts'
import { snapshotDelta, type SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { BOOT_ID, sampleSnapshot, type SampleAgent } from './sample.ts'

/** A lifelike run of "More agents" over twelve agents, three of them left alone. For tests only. */
const HOME = '/home/mara/work'
const T0 = Date.UTC(2026, 10, 20, 14, 3, 0)

interface Spec {
  kind: string
  title: string
  names: readonly string[]
  anonMib: number
  fileMib: number
}

const specs: readonly Spec[] = [
  { kind: 'claude-code', title: 'Claude Code', names: ['web-shop', 'billing', '<img src=x onerror=alert(1)>', 'infra', 'docs-site'], anonMib: 133, fileMib: 18 },
  { kind: 'gemini-cli', title: 'Gemini CLI', names: ['=HYPERLINK("http://evil.example")', 'mobile', 'ml-notebooks', 'web-shop'], anonMib: 262, fileMib: 41 },
  { kind: 'opencode', title: 'opencode', names: ['ledger', 'compiler'], anonMib: 552, fileMib: 70 },
  { kind: 'codex', title: 'Codex', names: ['scratch'], anonMib: 43, fileMib: 210 },
]

interface Member {
  agent: SampleAgent
  group: 'treated' | 'control' | 'other'
}

const members: readonly Member[] = specs.flatMap((spec, s) =>
  spec.names.map((name, i): Member => ({
    group: spec.kind === 'codex' ? 'other' : i === spec.names.length - 1 && spec.kind !== 'opencode' ? 'control' : 'treated',
    agent: {
      kind: spec.kind,
      title: spec.title,
      name,
      pid: 20_000 + s * 1000 + i * 40,
      folder: `${HOME}/${name}`,
      anonMib: spec.anonMib + i * 3.7,
      fileMib: spec.fileMib,
      children: i === 0 ? [{ label: 'filesystem MCP server', role: 'mcp-server', pssMib: 48 }, { label: 'gopls', role: 'language-server', pssMib: 190 }] : [],
    },
  })),
)

/** `drift` is the share by which agents changed by themselves, with a jitter of each one's own. */
const drifted = (agent: SampleAgent, drift: number, seed: number): SampleAgent => ({ ...agent, anonMib: agent.anonMib * (1 + drift + 0.002 * Math.sin(agent.pid * seed)) })

const paged = (agent: SampleAgent, share: number): SampleAgent => ({ ...agent, anonMib: agent.anonMib * (1 - share), swappedMib: agent.anonMib * share, fileMib: agent.fileMib * 0.8 })

const idsOf = (group: Member['group']): string[] => members.filter((m) => m.group === group).map((m) => `${BOOT_ID}:${m.agent.pid}:${m.agent.pid * 10}`)

const steps: readonly Step[] = [
  {
    number: 1, source: 'compressed-swap', target: '/dev/zram0', old: null, new: 'zstd, 16.0 GB', undoClass: 'when-it-fits',
    operation: { op: 'zram-init', device: 'zram0', algorithms: ['zstd', 'lzo-rle'], sizeBytes: 17_179_869_184 },
    undo: 'reset the device once its content fits into memory', why: 'Idle memory is kept compressed instead of as it is.',
  },
  {
    number: 2, source: 'compressed-swap', target: '/dev/zram0', old: null, new: 'on, priority 100', undoClass: 'when-it-fits',
    operation: { op: 'swap-on', path: 'zram:new', priority: 100 }, undo: 'swapoff, once its content fits into memory', why: 'The kernel may use it from now on.',
  },
  {
    number: 3, source: 'ksm', target: '/sys/kernel/mm/ksm/pages_to_scan', old: '100', new: '1000', undoClass: 'now',
    operation: { op: 'write', path: '/sys/kernel/mm/ksm/pages_to_scan', value: '1000' }, undo: 'write 100 back', why: 'Equal pages of agents are found within two minutes.',
  },
  {
    number: 4, source: 'ksm', target: '/sys/kernel/mm/ksm/run', old: '0', new: '1', undoClass: 'now',
    operation: { op: 'write', path: '/sys/kernel/mm/ksm/run', value: '1' }, undo: 'write 0 back', why: 'Equal pages are kept once.',
  },
  {
    number: 5, source: 'reclaim', target: 'Claude Code · web-shop', old: null, new: 'paged out', undoClass: 'now',
    operation: { op: 'reclaim', agentId: idsOf('treated')[0] ?? '', title: 'Claude Code · web-shop', processes: [{ pid: 20_000, startTimeTicks: 200_000 }], cgroup: null },
    undo: 'nothing to undo', why: 'Idle for 23 minutes.',
  },
]

export const samplePlan: Plan = {
  version: 1,
  digest: 'a'.repeat(64),
  kernelRelease: '6.12.9-amd64',
  steps: [...steps],
  skipped: [{ source: 'ksm', what: 'scan-time advisor', reason: 'needs CONFIG_KSM advisor files, this kernel has none', kind: 'impossible' }],
  notes: ['Merging pages lets other programs of yours guess, by timing, whether they hold the same page.'],
}

const outcomes: readonly StepOutcome[] = steps.map((step) => ({
  number: step.number, target: step.target, outcome: 'done', tookMs: 12 + step.number * 31, error: null, wonBytes: step.number === 5 ? 98_566_144 : null,
  readBack: step.number === 1 ? 'lzo-rle (zstd was refused), 16.0 GB' : step.number === 5 ? 'won 94 MB of 133 MB' : step.new,
}))

const undone: readonly UndoLine[] = [
  { target: '/sys/kernel/mm/ksm/run', old: '0', found: '1', outcome: 'restored', reason: '' },
  { target: '/sys/kernel/mm/ksm/pages_to_scan', old: '100', found: '400', outcome: 'left-alone', reason: 'somebody else changed it since' },
]

export type SampleKind = 'gain' | 'within-noise' | 'undone'

/** share: how much of the treated agents' anonymous memory was paged out. */
export const sampleRun = (kind: SampleKind = 'gain'): RunRecord => {
  const share = kind === 'within-noise' ? 0 : 0.78
  const look = (atMs: number, drift: number, seed: number, availableGib: number) =>
    sampleSnapshot({ takenAtMs: atMs, availableGib, ksmProfitMib: 0, agents: members.map((m) => drifted(m.agent, drift, seed)) })
  return {
    version: 1,
    id: '20261120T140312Z-5b1c09de',
    uid: 1000,
    presetId: 'more-agents',
    presetTitle: 'More agents',
    cause: 'user-preset',
    state: kind === 'undone' ? 'partly-undone' : 'kept',
    startedAtMs: T0 + 12_000,
    endedAtMs: T0 + 141_000,
    plan: samplePlan,
    steps: [...outcomes],
    treated: idsOf('treated'),
    control: idsOf('control'),
    before: [look(T0, 0, 1, 6.1), look(T0 + 10_000, -0.004, 2, 6.12)],
    after: sampleSnapshot({
      takenAtMs: T0 + 120_000,
      availableGib: kind === 'within-noise' ? 6.13 : 8.4,
      ksmProfitMib: kind === 'within-noise' ? 2 : 310,
      agents: members.map((m) => (m.group === 'treated' && share > 0 ? paged(drifted(m.agent, -0.02, 3), share) : drifted(m.agent, share > 0 ? -0.02 : -0.006, 3))),
    }),
    confirmUntilMs: null,
    undo: kind === 'undone' ? [...undone] : [],
    undoCause: kind === 'undone' ? 'user-undo' : null,
    error: null,
  }
}

export const sampleDelta = (record: RunRecord): SnapshotDelta => {
  if (record.after === null) throw new RangeError('the sample run has an after-snapshot')
  return snapshotDelta({ before: record.before, after: record.after, treated: record.treated, control: record.control })
}

