import { known } from '../../../../helper/contract/known.ts'
import { AGENT_GROUPS, LIMITED_GROUP, processOf } from './healthy.ts'
import { beside, disk, each, fromOn, GB, group, MB, meminfo, near, oneLess, oneMore, over, percentOfMemory, process, rival, small, swap, sysctl, total, under, zram, type Case } from './edit.ts'

const events = (more: Record<string, number>): Record<string, number> => ({ low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0, ...more })
const AGENT = AGENT_GROUPS[0]

export const cgroupCases: readonly Case[] = [
  { rule: 'cgroups.oom-kill', edit: 'a kill between two looks', looks: 2, ...over('kills', (looks, value) => group(looks, AGENT, (_, seconds) => ({ events: events({ oom_kill: seconds > 0 ? 7 + value : 7 }) }))) },
  { rule: 'cgroups.oom-kill', edit: 'kills before the first look, of a group with a limit of its own', looks: 2, below: (looks) => group(looks, AGENT, { events: events({ oom_kill: 7 }) }), above: (looks) => group(looks, LIMITED_GROUP, { events: events({ oom_kill: 7 }) }) },
  { rule: 'cgroups.oom-kill', edit: 'a kill in the life of a group', ...over('kills', (looks, value) => group(looks, LIMITED_GROUP, { events: events({ oom_kill: value }) })) },
  { rule: 'cgroups.at-max', edit: 'hits of memory.max', looks: 2, ...over('hitsPerSecond', (looks, value) => group(looks, LIMITED_GROUP, (_, seconds) => ({ events: events({ max: Math.round(value * seconds) }) })), 1.02) },
  {
    rule: 'cgroups.throttled', edit: 'pressure of the group', looks: 2,
    ...over('somePercent', (looks, value) => group(looks, LIMITED_GROUP, (_, seconds) => ({ events: events({ high: Math.round(20 * seconds) }), memoryPressure: known({ some: { avg10Percent: value, avg60Percent: value, avg300Percent: 1, totalUs: 1 }, full: known({ avg10Percent: 1, avg60Percent: 1, avg300Percent: 1, totalUs: 1 }) }) }))),
  },
  {
    rule: 'cgroups.throttled', edit: 'hits of memory.high', looks: 2,
    ...over('hitsPerSecond', (looks, value) => group(looks, LIMITED_GROUP, (_, seconds) => ({ events: events({ high: Math.round(value * seconds) }), memoryPressure: known({ some: { avg10Percent: 20, avg60Percent: 20, avg300Percent: 1, totalUs: 1 }, full: known({ avg10Percent: 1, avg60Percent: 1, avg300Percent: 1, totalUs: 1 }) }) })), 1.02),
  },
  { rule: 'cgroups.limit-below-need', edit: 'what it holds', ...over('needPercentOfLimit', (looks, value) => group(looks, AGENT, { highBytes: known(GB), currentBytes: known(GB), swapBytes: known(Math.floor((GB * (value - 100)) / 100)) })) },
  {
    rule: 'cgroups.one-scope', edit: 'agents in one group',
    ...oneMore('agents', (looks, value) => each(looks, (look) => {
      const [first] = look.agents
      look.agents = Array.from({ length: value }, (_, i) => ({ ...structuredClone(first), id: `${look.bootId}:${8000 + i}:1` }) as typeof look.agents[number])
      for (const each of look.cgroups.value ?? []) each.agents = each.path === AGENT ? value : 0
    })),
  },
  { rule: 'cgroups.dying', edit: 'removed groups', ...oneMore('dying', (looks, value) => group(looks, '/', { dyingDescendants: value })) },
  { rule: 'cgroups.swap-forbidden', edit: 'memory.swap.max', limit: 'swapMaxBytes', ...beside((looks, value) => group(looks, AGENT, { swapMaxBytes: known(value) }), () => 4096, () => 0) },
  { rule: 'cgroups.protected-too-much', edit: 'memory.low', ...over('percentOfMemory', (looks, value) => each(looks, (look) => { for (const each of look.cgroups.value ?? []) if (each.path === '/user.slice') each.lowBytes = known(percentOfMemory(look, value)) })) },
]

export const virtualMemoryCases: readonly Case[] = [
  { rule: 'virtual-memory.promised', edit: 'Committed_AS', ...over('percentOfAll', (looks, value) => meminfo(looks, 'Committed_AS', (look) => ((total(look) + (look.meminfo['SwapTotal'] ?? 0)) * value) / 100)) },
  { rule: 'virtual-memory.strict-limit', edit: 'Committed_AS with mode 2', ...over('percentOfLimit', (looks, value) => { sysctl(looks, 'overcommit_memory', 2); meminfo(looks, 'Committed_AS', (look) => ((look.meminfo['CommitLimit'] ?? 0) * value) / 100) }) },
  { rule: 'virtual-memory.locked', edit: 'locked memory', ...over('percentOfMemory', (looks, value) => { meminfo(looks, 'Mlocked', (look) => percentOfMemory(look, value)); meminfo(looks, 'Unevictable', (look) => percentOfMemory(look, value)) }) },
  { rule: 'virtual-memory.locked', edit: 'locked memory of a small machine', ...over('bytes', (looks, value) => { small(looks, 4 * GB); meminfo(looks, 'Mlocked', () => value); meminfo(looks, 'Unevictable', () => value) }) },
  { rule: 'virtual-memory.page-tables', edit: 'PageTables of a small machine', ...over('bytes', (looks, value) => { small(looks, 6 * GB); meminfo(looks, 'PageTables', () => value) }) },
  { rule: 'virtual-memory.page-tables', edit: 'PageTables', ...over('percentOfMemory', (looks, value) => meminfo(looks, 'PageTables', (look) => percentOfMemory(look, value))) },
  { rule: 'virtual-memory.kernel-stacks', edit: 'KernelStack', ...over('bytes', (looks, value) => meminfo(looks, 'KernelStack', () => value)) },
  { rule: 'virtual-memory.major-faults', edit: 'major faults of a process', looks: 2, ...over('faultsPerSecond', (looks, value) => process(looks, 'java', 600 * MB, (seconds) => ({ majorFaults: known(Math.round(10 + value * seconds)) })), 1.01) },
  { rule: 'virtual-memory.minor-faults', edit: 'minor faults of a process', looks: 2, ...over('faultsPerSecond', (looks, value) => process(looks, 'rustc', 600 * MB, (seconds) => ({ minorFaults: known(Math.round(10 + value * seconds)) }))) },
]

const ramDisk = (looks: Parameters<typeof each>[0], usedBytes: (look: Parameters<typeof total>[0]) => number): void =>
  each(looks, (look) => { look.memoryFileSystems.push({ folder: '/mnt/ram', type: 'tmpfs', usedBytes: known(Math.floor(usedBytes(look))), sizeBytes: known(12 * GB) }) })

export const memoryFileCases: readonly Case[] = [
  { rule: 'memory-files.tmpfs', edit: 'files in memory', ...over('percentOfMemory', (looks, value) => ramDisk(looks, (look) => percentOfMemory(look, value))) },
  { rule: 'memory-files.tmpfs', edit: 'files in memory of a small machine', ...over('bytes', (looks, value) => { small(looks, 8 * GB); ramDisk(looks, () => value) }) },
  { rule: 'memory-files.tmpfs', edit: 'a large part of memory', severity: ['advice', 'warning'], ...over('warnPercentOfMemory', (looks, value) => ramDisk(looks, (look) => percentOfMemory(look, value))) },
  { rule: 'memory-files.nearly-full', edit: 'a full tmpfs', ...over('usedPercent', (looks, value) => each(looks, (look) => { look.memoryFileSystems.push({ folder: '/run/user/1000', type: 'tmpfs', usedBytes: known(Math.floor((256 * MB * value) / 100)), sizeBytes: known(256 * MB) }) })) },
  { rule: 'memory-files.nearly-full', edit: 'its size', ...over('sizeBytes', (looks, value) => each(looks, (look) => { look.memoryFileSystems.push({ folder: '/run/lock', type: 'tmpfs', usedBytes: known(Math.floor(value * 0.99)), sizeBytes: known(Math.floor(value)) }) })) },
  { rule: 'memory-files.memfd', edit: 'memory files of a process', ...over('percentOfMemory', (looks, value) => process(looks, 'kwin_wayland', 200 * MB, () => ({ memfdBytes: known(percentOfMemory(looks[0] as never, value)) }))) },
  { rule: 'memory-files.memfd', edit: 'memory files of a process on a small machine', ...over('bytes', (looks, value) => { small(looks, 12 * GB); process(looks, 'kwin_wayland', 200 * MB, () => ({ memfdBytes: known(Math.floor(value)) })) }) },
  { rule: 'memory-files.memfd', edit: 'whose they are', below: (looks) => process(looks, 'agentmem-broker', 200 * MB, () => ({ memfdBytes: known(2 * GB) })), above: (looks) => process(looks, 'kwin_wayland', 200 * MB, () => ({ memfdBytes: known(2 * GB) })) },
  { rule: 'memory-files.shared-elsewhere', edit: 'Shmem', ...over('percentOfMemory', (looks, value) => meminfo(looks, 'Shmem', (look) => percentOfMemory(look, value) + 45 * MB)) },
  { rule: 'memory-files.shared-elsewhere', edit: 'Shmem of a small machine', ...over('bytes', (looks, value) => { small(looks, 5 * GB); meminfo(looks, 'Shmem', () => value + 45 * MB) }) },
]

const server = (pid: number, pssBytes: number): { readonly [key: string]: unknown } => ({ pid, startTimeTicks: pid, parentPid: 5000, role: 'mcp-server', label: 'github MCP server', comm: 'node', kernelState: 'S', cpuMs: 1, memory: known({ pssBytes, pssAnonBytes: known(pssBytes), pssFileBytes: known(0), pssShmemBytes: known(0), swapPssBytes: 0, ussBytes: pssBytes, rssBytes: pssBytes }) })

const withServers = (looks: Parameters<typeof each>[0], count: number, bytes: number): void => each(looks, (look) => {
  look.agents = look.agents.slice(0, 1)
  for (const agent of look.agents) agent.processes = [...agent.processes.filter((each) => each.role === 'main'), ...Array.from({ length: count }, (_, i) => server(9100 + i, Math.floor(bytes / count)) as unknown as typeof agent.processes[number])]
})

export const agentCases: readonly Case[] = [
  { rule: 'agents.many-mcp-servers', edit: 'servers', ...oneMore('servers', (looks, value) => withServers(looks, value, 600 * MB)) },
  {
    rule: 'agents.many-mcp-servers', edit: 'servers for each of ten agents',
    ...near('perAgent', (looks, servers) => {
      withServers(looks, servers, 600 * MB)
      each(looks, (look) => {
        const [first] = look.agents
        if (first === undefined) return
        first.cost.costBytes = 100 * MB
        const main = first.processes.filter((process) => process.role === 'main')
        look.agents.push(...Array.from({ length: 9 }, (_, i) => ({ ...structuredClone(first), id: `${look.bootId}:${8000 + i}:1`, processes: main })))
      })
    }, (value) => value * 10, (value) => value * 10 + 1),
  },
  { rule: 'agents.many-mcp-servers', edit: 'what they hold', ...over('bytes', (looks, value) => withServers(looks, 12, value)) },
  {
    rule: 'agents.duplicate-servers', edit: 'what one for all would save',
    ...over('couldSaveBytes', (looks, value) => each(looks, (look) => { look.duplicates = [{ label: 'filesystem MCP server', role: 'mcp-server', processes: [{ pid: 1, startTimeTicks: 1, agentId: null, costBytes: known(300 * MB) }, { pid: 2, startTimeTicks: 1, agentId: null, costBytes: known(300 * MB) }], costBytes: known(600 * MB), couldSaveBytes: known(Math.floor(value)), share: { possible: false, text: 'It speaks over a pipe with its own session, so it cannot be shared.' } }] })),
  },
  { rule: 'agents.orphans', edit: 'what is left behind', ...over('bytes', (looks, value) => each(looks, (look) => { look.orphans = [{ pid: 77, startTimeTicks: 5, role: 'mcp-server', label: 'github MCP server', costBytes: known(Math.floor(value)), ageMs: 7_200_000, why: 'its session ended 2 h ago', children: [] }] })) },
  {
    rule: 'agents.idle', edit: 'what idle agents hold',
    ...over('percentOfMemory', (looks, value) => each(looks, (look) => { for (const agent of look.agents) agent.cost.costBytes = Math.floor(percentOfMemory(look, value) / look.agents.length) })),
  },
  { rule: 'agents.idle', edit: 'how long', ...fromOn('idleMs', (looks, ms) => each(looks, (look) => { for (const agent of look.agents) { agent.idleMs = known(ms); agent.cost.costBytes = percentOfMemory(look, 10) } })) },
  { rule: 'agents.one-large', edit: 'what one agent holds', ...over('percentOfMemory', (looks, value) => each(looks, (look) => { const [agent] = look.agents; if (agent !== undefined) { agent.state = 'active'; agent.cost.costBytes = percentOfMemory(look, value) } })) },
  { rule: 'agents.zombies', edit: 'zombies', ...oneMore('zombies', (looks, value) => each(looks, (look) => { look.zombieProcesses = value })) },
  { rule: 'leaks.process-grows', edit: 'growth', looks: 6, stepMs: 60_000, ...over('bytes', (looks, value) => process(looks, 'leaky', 100 * MB, (seconds) => ({ anonBytes: known(Math.floor(100 * MB + (value * seconds) / 300)) }))) },
  { rule: 'leaks.process-grows', edit: 'growth, of what it was', looks: 6, stepMs: 60_000, ...over('percent', (looks, value) => process(looks, 'leaky', GB, (seconds) => ({ anonBytes: known(Math.floor(GB * (1 + (value * seconds) / 300 / 100))) }))) },
  { rule: 'leaks.process-grows', edit: 'growth a minute', looks: 16, stepMs: 60_000, ...over('bytesPerMinute', (looks, value) => process(looks, 'leaky', 200 * MB, (seconds) => ({ anonBytes: known(Math.floor(200 * MB + (value * seconds) / 60)) }))) },
  { rule: 'leaks.process-grows', edit: 'a pause in it', looks: 6, stepMs: 60_000, ...beside((looks, pauseS) => process(looks, 'leaky', 100 * MB, (seconds) => ({ anonBytes: known(100 * MB + Math.floor((seconds === pauseS ? seconds - 60 : seconds) * MB)) })), () => 180, () => -1) },
  {
    rule: 'leaks.process-grows', edit: 'looks at one that began meanwhile', looks: 8, stepMs: 30_000,
    ...beside((looks, fromS) => each(looks, (look, seconds) => {
      if (seconds >= fromS) look.processes.push(processOf(9000, 'leaky', 100 * MB, { anonBytes: known(100 * MB + Math.floor((seconds - fromS) * 1.5 * MB)) }))
    }), () => 150, () => 120),
  },
  { rule: 'leaks.process-grows', edit: 'levels off', looks: 6, stepMs: 60_000, ...beside((looks, tauS) => process(looks, 'leaky', 100 * MB, (seconds) => ({ anonBytes: known(Math.floor(100 * MB + 4000 * MB * (1 - Math.exp(-seconds / tauS)))) })), () => 120, () => 3000) },
]

const RUNNING = (id: 'tuned' | 'ksmtuned' | 'swapspace', settings: Record<string, string> = {}): Pick<Case, 'below' | 'above'> => ({
  below: (looks) => each(looks, (look) => { look.rivals.push({ id, running: false, configured: true, settings }) }),
  above: (looks) => rival(looks, id, settings),
})

export const rivalCases: readonly Case[] = [
  { rule: 'rivals.tuned', edit: 'TuneD runs', ...RUNNING('tuned', { '/etc/tuned/active_profile': 'balanced' }) },
  { rule: 'rivals.ksmtuned', edit: 'ksmtuned runs', ...RUNNING('ksmtuned') },
  { rule: 'rivals.swapspace', edit: 'swapspace runs', ...RUNNING('swapspace') },
  {
    rule: 'rivals.earlyoom', edit: 'available memory beside earlyoom',
    ...under('percentAboveItsLimit', (looks, value) => { rival(looks, 'earlyoom', { '/etc/default/earlyoom': 'EARLYOOM_ARGS="-r 3600 -m 20 -s 100"' }); meminfo(looks, 'MemAvailable', (look) => Math.ceil((total(look) * (20 + value)) / 100)) }, 0.98),
  },
  { rule: 'rivals.several-killers', edit: 'a second one', limit: 'services', below: (looks) => rival(looks, 'nohang'), above: (looks) => { rival(looks, 'nohang'); rival(looks, 'systemd-oomd') } },
  {
    rule: 'rivals.several-zram', edit: 'size of both',
    ...over('percentOfMemory', (looks, value) => { each(looks, (look) => { look.rivals.push({ id: 'zram-generator', running: false, configured: true, settings: {} }) }); swap(looks, [zram(0), zram(0, { path: '/dev/zram1' })]); each(looks, (look) => { for (const device of look.swapDevices) device.sizeBytes = Math.floor(percentOfMemory(look, value) / 2) }) }),
  },
  {
    rule: 'rivals.several-zram', edit: 'number of them',
    ...oneMore('devices', (looks, count) => { each(looks, (look) => { look.rivals.push({ id: 'zram-generator', running: false, configured: true, settings: {} }) }); swap(looks, Array.from({ length: count }, (_, i) => zram(0, { path: `/dev/zram${i}`, sizeBytes: Math.floor((30 * GB) / count) }))) }),
  },
]

export const hardeningCases: readonly Case[] = [
  { rule: 'hardening.aslr', edit: 'randomize_va_space', below: (looks) => each(looks, (look) => { look.hardening.aslr = known('full') }), above: (looks) => each(looks, (look) => { look.hardening.aslr = known('partial') }) },
  { rule: 'hardening.no-execute', edit: 'nx', below: (looks) => each(looks, (look) => { look.hardening.noExecute = known(true) }), above: (looks) => each(looks, (look) => { look.hardening.noExecute = known(false) }) },
  {
    rule: 'hardening.swap-plain', edit: 'plain swap in use', limit: 'usedBytes',
    ...beside((looks, used) => { swap(looks, [zram(0), disk(used, { priority: 0 })]); each(looks, (look) => { look.hardening.swapEncryption = [{ path: '/dev/zram0', state: 'memory', how: 'zram' }, { path: '/dev/nvme0n1p3', state: 'plain', how: 'a partition' }] }) }, () => 0, () => 4096),
  },
  { rule: 'hardening.guard-gap', edit: 'stack_guard_gap', ...oneLess('pages', (looks, value) => each(looks, (look) => { look.hardening.guardGapPages = known(value) })) },
  { rule: 'hardening.low-addresses', edit: 'mmap_min_addr', ...oneLess('bytes', (looks, value) => each(looks, (look) => { look.hardening.mmapMinAddr = known(value) })) },
]
