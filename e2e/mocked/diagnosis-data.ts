import type { Diagnosis, Figure, Finding, KernelFeature, Leak, LeakView, Severity, Solution } from '../../electron/contract/diagnosis.ts'
import { known, missing } from '../../helper/contract/known.ts'

const MB = 1024 ** 2
const GB = 1024 ** 3

const figure = (what: string, value: Figure['value'], unit: Figure['unit'], source: string, threshold: Figure['threshold'] = null, history: Figure['history'] = null): Figure => ({ what, value, unit, source, threshold, history })

/** Looks five seconds apart; the fourth one lacks the figure. */
const wave = (nowMs: number, to: number, from = to * 0.4): Figure['history'] =>
  Array.from({ length: 12 }, (_, i) => ({ atMs: nowMs - (11 - i) * 5000, value: i === 3 ? null : from + ((to - from) * i) / 11 + Math.sin(i * 1.7) * (to - from) * 0.08 }))

const solution = (id: string, title: string, act: Solution['act'], more: Partial<Solution> = {}): Solution => ({
  id, title, act, what: 'It does what the title says.', tradeOff: 'Nothing to speak of.', sideEffects: 'None known.', scope: 'the whole machine', undo: act.how === 'advice' ? 'by-hand' : act.how === 'command' ? 'by-hand' : 'by-run',
  undoWords: act.how === 'try-run' ? 'The old value is written back.' : 'Do the opposite.', before: [], ...more,
})

const stalls = (nowMs: number): Finding => ({
  rule: 'pressure.direct-reclaim', subject: '', severity: 'critical', topic: 'pressure', title: 'Programs stop to look for free memory themselves',
  explanation: 'In the last minute programs stood still 214 times a second because no free memory was kept ready: the kernel begins to make room too late. You feel it as typing that hangs for a moment.',
  figures: [
    figure('Stops to make room', 214, 'per-second', '/proc/vmstat allocstall_normal + allocstall_movable', { kind: 'above', value: 10 }, wave(nowMs, 214)),
    figure('Memory pressure, last 10 s', 18.2, 'percent', '/proc/pressure/memory some avg10', { kind: 'above', value: 10 }, wave(nowMs, 18.2)),
    figure('Free memory now', 212 * MB, 'bytes', '/proc/meminfo MemFree', null, wave(nowMs, 212 * MB, 900 * MB)),
    figure('Distance of the watermarks', 10, 'count', '/proc/sys/vm/watermark_scale_factor', { kind: 'is', value: 10 }),
  ],
  solutions: [
    solution('raise-watermark', 'Begin to make room earlier', { how: 'try-run', settings: { tunables: { watermarkScaleFactor: 150 } } }, {
      what: 'The kernel wakes its own cleaner when 1.5 % of memory is left, instead of 0.1 %.', tradeOff: 'About 240 MB more are kept free at all times.', sideEffects: 'The cleaner uses a little more processor time while memory is short.',
      before: [
        { atMs: nowMs - 18 * 86_400_000, outcome: 'kept', gainBytes: known(1.2 * GB), note: 'typing is smooth again' },
        { atMs: nowMs - 40 * 86_400_000, outcome: 'undone', gainBytes: known(0.1 * GB), note: '' },
      ],
    }),
    solution('more-agents', 'Page out idle agents', { how: 'preset', presetId: 'more-agents', agentIds: null }, {
      what: 'The preset "More agents" moves what idle agents hold into compressed swap.', tradeOff: 'The first key in a paged-out agent answers in about 50 ms instead of 20.', sideEffects: 'Merging of equal pages uses some processor time.', scope: 'your idle agents',
    }),
    solution('fewer', 'Run fewer agents at once', { how: 'page', page: 'agents', rest: [] }, { what: 'Close or suspend those you do not need now.', tradeOff: 'They are not at hand.', scope: 'the agents you choose', undo: 'by-hand', undoWords: 'Start or wake them again.' }),
  ],
  lookDeeper: ['bpftrace.direct-reclaim', 'ftrace.reclaim', 'perf.page-faults'],
})

const noSwap = (nowMs: number): Finding => ({
  rule: 'swap.none', subject: '', severity: 'warning', topic: 'swap', title: 'There is no swap',
  explanation: 'What agents have not touched for hours has nowhere to go and stays in memory: 3.1 GB of it. Compressed swap would keep it in about a third of the room, without any disk.',
  figures: [
    figure('Swap', 0, 'bytes', '/proc/meminfo SwapTotal', { kind: 'is', value: 0 }),
    figure('Untouched memory of agents', 3.1 * GB, 'bytes', '/proc/PID/smaps_rollup Anonymous of idle agents', { kind: 'above', value: 512 * MB }, wave(nowMs, 3.1 * GB, 2.2 * GB)),
  ],
  solutions: [
    solution('compressed-swap', 'Turn on compressed swap (zram)', { how: 'try-run', settings: { compressedSwap: { mode: 'auto', compressors: ['zstd', 'lz4'], sizePercentOfMemory: 50 } } }, {
      what: 'Half as much swap as you have memory, held compressed in memory itself.', tradeOff: 'Compressing costs a few milliseconds of processor time for each megabyte.', sideEffects: 'Nothing is written to disk.',
      before: [{ atMs: nowMs - 5 * 86_400_000, outcome: 'failed', gainBytes: missing('not-measured'), note: 'zram was not built into the old kernel' }],
    }),
    solution('swap-file', 'Add a swap file by hand', { how: 'command', command: 'sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile', needsRoot: true }, {
      what: 'A file of 8 GB on the disk takes what is not used.', tradeOff: 'Slower than compressed swap by a hundred times, and it wears the disk.', sideEffects: 'What agents hold can be read from the disk by whoever has it, unless the disk is encrypted.', undoWords: 'sudo swapoff /swapfile && sudo rm /swapfile',
    }),
  ],
  lookDeeper: [],
})

const hoarder = (): Finding => ({
  rule: 'memory-files.tmpfs', subject: '/tmp', severity: 'advice', topic: 'memory-files', title: 'Files in /tmp take memory',
  explanation: '/tmp is a file system in memory here. It holds 1.4 GB, which no program gets back before the files are removed.',
  figures: [figure('Held by files in /tmp', 1.4 * GB, 'bytes', 'statfs of /tmp (tmpfs)', { kind: 'above', value: 1 * GB })],
  solutions: [
    solution('clean', 'Look at the largest files', { how: 'command', command: 'du -ah /tmp | sort -rh | head -20', needsRoot: false }, { what: 'It lists the twenty largest, and removes nothing.', scope: 'only looks', undo: 'nothing-to-undo', undoWords: 'There is nothing to undo.' }),
    solution('build-elsewhere', 'Let agents build on the disk', { how: 'advice' }, { what: 'Set TMPDIR to a folder on the disk for what you start.', tradeOff: 'Builds may be a little slower.', scope: 'programs you start from then on' }),
  ],
  lookDeeper: [],
})

const ksm = (): Finding => ({
  rule: 'ksm.no-profit', subject: '', severity: 'information', topic: 'ksm', title: 'Merging equal pages costs more than it gives',
  explanation: 'The kernel compares 42,000 pages a second and has merged 9 MB in all; its own books take 14 MB.',
  figures: [figure('Profit', -5 * MB, 'bytes', '/sys/kernel/mm/ksm/general_profit', { kind: 'below', value: 0 }), figure('Compared', 42_000, 'per-second', '/sys/kernel/mm/ksm/pages_scanned')],
  solutions: [
    solution('stop', 'Stop comparing, keep what is merged', { how: 'try-run', settings: { ksm: { mode: 'keep' } } }, { tradeOff: 'Equal pages that appear later stay apart.' }),
    solution('slower', 'Compare more slowly', { how: 'try-run', settings: { ksm: { mode: 'merge', pagesToScan: 100 } } }, { tradeOff: 'Merging takes hours instead of minutes.' }),
  ],
  lookDeeper: [],
})

const didNotFall = (): Finding => ({
  rule: 'did-not-fall.page-cache', subject: '', severity: 'information', topic: 'did-not-fall', title: 'What came free became file cache',
  explanation: 'Agents gave back 1.9 GB. The kernel used 1.6 GB of it at once to keep files that were read meanwhile: memory "used" did not fall, but "available" rose by 1.8 GB.',
  figures: [figure('File cache grew by', 1.6 * GB, 'bytes', '/proc/meminfo Cached', null), figure('Available rose by', 1.8 * GB, 'bytes', '/proc/meminfo MemAvailable', null)],
  solutions: [solution('nothing', 'Leave it', { how: 'advice' }, { what: 'The cache is given up as soon as a program asks.' }), solution('look', 'Look at "available", not at "free"', { how: 'advice' })],
  lookDeeper: [],
})

const long = (): Finding => ({
  ...hoarder(), rule: 'cgroups.max', subject: '/user.slice/user-1000.slice/user@1000.service/app.slice/app-agents.slice/agent-0f31c7a2-7d0c-4f0d-8cf1-0a2b5f0e9d11-with-a-name-that-nobody-shortened.scope', severity: 'warning', topic: 'cgroups',
  title: 'A limit on memory that somebody set long ago holds one of your agents back so often that it spends most of its time looking for room in itself',
  explanation: `${'The limit of this group was reached again and again. '.repeat(14)}ThisIsAWordWithoutAnyPlaceToBreakItWhichAFileNameMayWellBe_${'x'.repeat(120)}`,
  figures: [figure('Reached', 12_345_678, 'count', `/sys/fs/cgroup${'/a-folder-of-some-length'.repeat(9)}/memory.events max`, { kind: 'above', value: 0 }), figure('Text of a kernel file', `always [madvise] never ${'and more '.repeat(30)}`, 'text', '/sys/kernel/mm/transparent_hugepage/enabled')],
  solutions: [
    solution('long', `Raise the limit ${'of this group and of those above it '.repeat(4)}`, { how: 'command', command: `sudo systemctl set-property --runtime ${'agent-0f31c7a2-7d0c-4f0d-8cf1-0a2b5f0e9d11.scope '.repeat(3)}MemoryHigh=infinity`, needsRoot: true }, { what: 'What it does is told at some length. '.repeat(8), tradeOff: 'Much. '.repeat(40) }),
    solution('advice', 'Leave it', { how: 'advice' }),
    solution('third', 'Another way', { how: 'page', page: 'layers', rest: [] }),
    solution('fourth', 'And one more', { how: 'try-run', settings: { tunables: { swappiness: 150, pageCluster: 0 } } }),
  ],
})

const severities: readonly Severity[] = ['critical', 'warning', 'advice', 'information']
const many = (nowMs: number): Finding[] =>
  severities.flatMap((severity, s) =>
    Array.from({ length: 12 }, (_, i): Finding => ({ ...stalls(nowMs), rule: `rule.${s}`, subject: `subject ${i + 1}`, severity, title: `Finding ${s * 12 + i + 1} of many`, topic: 'slab', ...(s === 3 && i === 11 ? { subject: '4711:99300', lookDeeper: ['ftrace.page-faults', 'ftrace.reclaim'] } : {}) })),
  )

export type FindingKind = 'some' | 'none' | 'many' | 'long'
export const findingsOf = (kind: FindingKind, nowMs: number): Finding[] => {
  switch (kind) {
    case 'some':
      return [stalls(nowMs), noSwap(nowMs), hoarder(), ksm()]
    case 'none':
      return []
    case 'many':
      return many(nowMs)
    case 'long':
      return [long(), hoarder()]
  }
}

const feature = (id: string, title: string, since: string, state: KernelFeature['state'], evidence: string, more: Partial<KernelFeature> = {}): KernelFeature => ({
  id, title, since, state, evidence, changes: [], option: null, instead: '', source: 'https://docs.kernel.org/admin-guide/cgroup-v2.html', ...more,
})
const features: readonly KernelFeature[] = [
  feature('memory.reclaim', 'Giving back memory of one group on request', '5.19', 'here', '/sys/fs/cgroup/user.slice/memory.reclaim is there', { changes: [{ version: '6.10', what: 'takes swappiness= beside the size' }] }),
  feature('zswap', 'Compressed swap in front of a disk (zswap)', '3.11', 'off', '/sys/module/zswap/parameters/enabled is N', { option: 'CONFIG_ZSWAP', changes: [{ version: '6.8', what: 'can write cold pages out by itself' }, { version: '6.18', what: 'zsmalloc is its only store' }], instead: 'zram does the same without a disk.' }),
  feature('damon', 'Watching which memory is used (DAMON)', '5.15', 'not-built', 'CONFIG_DAMON is not set in /boot/config', { option: 'CONFIG_DAMON', instead: 'Idle pages are told apart by reading smaps.' }),
  feature('ksm-advisor', 'KSM that sets its own pace', '6.8', 'too-old', 'this is Linux 6.6', { option: 'CONFIG_KSM', instead: 'The scan rate is lowered by this program once the profit is flat.' }),
  feature('lru_gen', 'Generations of pages (MGLRU)', '6.1', 'unknown', '/sys/kernel/mm/lru_gen/enabled may not be read', { option: 'CONFIG_LRU_GEN', instead: 'Ask as root.' }),
]

export const diagnosisOf = (findings: readonly Finding[], nowMs: number, leaks: Diagnosis['leaks']): Diagnosis => ({
  version: 1, takenAtMs: nowMs, kernelRelease: '6.6.30-generic', privileged: false, looks: 12, spanMs: 55_000,
  findings: [...findings],
  silent: ['numa.imbalance', 'overcommit.strict', 'slab.growth', 'hugetlb.unused', 'cgroups.zombies', 'rivals.oomd'],
  couldNotLook: [{ rule: 'fragmentation.extfrag', needs: '/sys/kernel/debug/extfrag/extfrag_index: only root may read it' }, { rule: 'slab.largest', needs: '/proc/slabinfo: only root may read it' }],
  features: [...features],
  protections: [
    { id: 'aslr', title: 'Random addresses (ASLR)', state: 'on', says: 'full', source: '/proc/sys/kernel/randomize_va_space' },
    { id: 'swap-encryption', title: 'Encryption of swap', state: 'off', says: '/dev/sda3: plain (a partition)', source: '/proc/swaps, /sys/block' },
    { id: 'guard-pages', title: 'Guard pages below stacks', state: 'unknown', says: 'cannot be read here (not-permitted)', source: '/proc/cmdline stack_guard_gap' },
  ],
  leaks, tookMs: 84,
})
export const afterRun = (nowMs: number): Diagnosis => diagnosisOf([didNotFall(), ...findingsOf('some', nowMs).slice(2)], nowMs, null)

const curve = (nowMs: number, shape: (hour: number) => number, floor: (hour: number) => number, fit: ((hour: number) => number) | null): Leak['curve'] =>
  Array.from({ length: 121 }, (_, i) => {
    const hour = i / 20
    return { atMs: nowMs - (6 - hour) * 3600_000, bytes: i > 40 && i < 46 ? null : shape(hour), floorBytes: (i > 40 && i < 46) || i % 10 !== 0 ? null : floor(hour), fitBytes: fit === null ? null : fit(hour) }
  })
const noise = (hour: number): number => Math.sin(hour * 31) * 9 * MB + Math.sin(hour * 7) * 6 * MB

const leak = (title: string, verdict: Leak['verdict'], perHour: number, nowBytes: number, why: string, points: Leak['curve'], agentId: string | null = 'a'): Leak => ({
  subject: agentId === null ? { of: 'process', pid: 4711, startTicks: 99, title, agentId: null } : { of: 'agent', agentId, title },
  verdict, bytesPerHour: perHour, bytesPerHourLow: perHour * 0.8, bytesPerHourHigh: perHour * 1.2, percentPerHour: (perHour / Math.max(1, nowBytes - perHour * 6)) * 100, nowBytes, spanMs: 6 * 3600_000, points: 121, why, curve: points,
})

export const leaksOf = (kind: FindingKind, nowMs: number): Leak[] => {
  if (kind === 'none') return [leak('Claude Code web-shop', 'steady', 0.4 * MB, 310 * MB, 'It moved by less than 1 MB an hour over 6.0 h.', curve(nowMs, (h) => 310 * MB + noise(h), () => 300 * MB, null))]
  const some = [
    leak('opencode exporter', 'leak', 148 * MB, 1520 * MB, 'Even its lowest levels rise by 148 MB an hour (118 to 178), 23 % of what it began with, for 6.0 h and still.', curve(nowMs, (h) => 632 * MB + h * 148 * MB + noise(h), (h) => 620 * MB + h * 148 * MB, (h) => 618 * MB + h * 148 * MB)),
    leak('node language server', 'suspected', 31 * MB, 402 * MB, 'It grows, but the interval of the slope (6 to 56 MB an hour) reaches below the limit.', curve(nowMs, (h) => 216 * MB + h * 31 * MB + noise(h) * 2, (h) => 205 * MB + h * 31 * MB, (h) => 205 * MB + h * 31 * MB), null),
    leak('Gemini CLI billing', 'warm-up', 12 * MB, 402 * MB, 'All of its growth lies in the first hour; since then it is level.', curve(nowMs, (h) => 180 * MB + 220 * MB * (1 - Math.exp(-h * 3)) + noise(h), (h) => 175 * MB + 220 * MB * (1 - Math.exp(-h * 3)), null)),
    leak('Codex ledger', 'saw-tooth', 3 * MB, 260 * MB, 'It rises and falls back to the same level 11 times: garbage that is collected.', curve(nowMs, (h) => 200 * MB + (h % 0.55) * 160 * MB, () => 200 * MB, null)),
    leak('Claude Code docs', 'levels-off', 9 * MB, 512 * MB, 'Growth slows from 60 to 4 MB an hour: a cache that fills.', curve(nowMs, (h) => 512 * MB - 250 * MB * Math.exp(-h) + noise(h), (h) => 505 * MB - 250 * MB * Math.exp(-h), null)),
    leak('Aider scratch', 'too-short', 0, 120 * MB, 'Known for 8 min at 9 looks; 20 min and 12 looks are needed.', curve(nowMs, () => 120 * MB, () => 118 * MB, null).slice(-9)),
  ]
  return kind === 'many' ? Array.from({ length: 8 }, (_, i) => some.map((one): Leak => ({ ...one, subject: { of: 'process', pid: 5000 + i, startTicks: i, title: `${one.subject.title} ${i + 1}`, agentId: null } }))).flat() : some
}

/** What the rule over the history makes of those that grow without end; ways to act as it gives them for agents and for programs. */
export const withFindings = (leaks: readonly Leak[]): LeakView[] =>
  leaks.map((one) => {
    if (one.verdict !== 'leak' && one.verdict !== 'suspected') return { ...one, finding: null }
    const { subject, bytesPerHour, why } = one
    const restart = solution('restart-it', 'End it and start it anew', subject.of === 'agent' ? { how: 'page', page: 'agents', rest: [] } : { how: 'advice' }, { what: 'Gives back all that it grew by.', undo: 'by-hand', undoWords: 'Start it again.', scope: subject.title })
    const limit = solution('limit-it', subject.of === 'agent' ? 'Give it a limit' : 'Start it with a limit from now on', subject.of === 'agent' ? { how: 'page', page: 'agents', rest: [] } : { how: 'command', command: 'systemd-run --user --scope -p MemoryHigh=512M -- PROGRAM', needsRoot: false }, { undo: 'by-hand', undoWords: 'Take the limit off.', scope: subject.title })
    const suspend = solution('suspend-it', 'Suspend it while you do not need it', { how: 'page', page: 'agents', rest: [] }, { undo: 'by-hand', undoWords: 'Resume wakes it.', scope: subject.title })
    return {
      ...one,
      finding: {
        rule: 'leaks.history', subject: subject.of === 'agent' ? subject.agentId : `${subject.pid}:${subject.startTicks}`, severity: one.verdict === 'leak' ? 'warning' : 'advice', topic: 'leaks', title: `${subject.title} leaks`, explanation: why,
        figures: [figure('Growth an hour', bytesPerHour, 'bytes', 'history', { kind: 'above', value: 10 * MB })],
        solutions: subject.of === 'agent' ? [restart, limit, suspend] : [restart, limit],
        lookDeeper: [],
      },
    }
  })
