import { lacksCgroup2, nothingSeen, type FeatureFacts } from './features-type.ts'

const V2 = 'https://docs.kernel.org/admin-guide/cgroup-v2.html'

/** What one cgroup can be told about its memory. */
export const cgroupFeatures: readonly FeatureFacts[] = [
  {
    id: 'memory.reclaim', title: 'Paging out one cgroup on request', since: '5.19', option: 'CONFIG_MEMCG', see: nothingSeen, lacks: lacksCgroup2,
    changes: [
      { version: '6.11', what: 'takes swappiness=N beside the amount: anonymous or file pages first' },
      { version: '6.16', what: 'takes swappiness=max: anonymous pages only' },
    ],
    instead: 'process_madvise on each process; or lower memory.high for a moment, which stalls the agent.', source: V2, checked: ['6.11'],
  },
  {
    id: 'memory.high', title: 'A soft limit that slows down instead of killing', since: '4.5', option: 'CONFIG_MEMCG', see: nothingSeen, lacks: lacksCgroup2, changes: [],
    instead: 'Start agents with fewer at a time; v1 has only a hard limit, which kills.', source: 'https://man7.org/linux/man-pages/man7/cgroups.7.html', checked: ['4.5'],
  },
  {
    id: 'memory.peak', title: 'The most a cgroup ever held', since: '5.19', option: 'CONFIG_MEMCG', lacks: lacksCgroup2,
    see: (look) => (look.cgroups.value?.some((cgroup) => cgroup.peakBytes.value !== null) === true ? { on: true, evidence: 'memory.peak is there' } : null),
    changes: [{ version: '6.5', what: 'memory.swap.peak' }, { version: '6.12', what: 'can be reset by writing, for whoever keeps the file open' }],
    instead: 'The highest of the figures in the history.', source: V2, checked: [],
  },
  {
    id: 'memory.low', title: 'Memory that is spared from reclaim', since: '4.5', option: 'CONFIG_MEMCG', see: nothingSeen, lacks: lacksCgroup2,
    changes: [{ version: '5.7', what: 'memory_recursiveprot hands what a parent is promised down to its children' }],
    instead: 'MGLRU\'s min_ttl_ms protects everybody\'s working set alike.', source: 'https://man7.org/linux/man-pages/man7/cgroups.7.html', checked: ['4.5', '5.7'],
  },
  {
    id: 'memory_recursiveprot', title: 'Protection that reaches the cgroups below', since: '5.7', option: 'CONFIG_MEMCG', changes: [],
    see: (look) => {
      const mounted = look.mm['/proc/mounts cgroup2']?.value
      return mounted === null || mounted === undefined ? null : { on: mounted.split(',').includes('memory_recursiveprot'), evidence: `cgroup2 is mounted with ${mounted}` }
    },
    lacks: lacksCgroup2, instead: 'Set memory.low on every cgroup on the way down, as agentmem does.', source: 'https://man7.org/linux/man-pages/man7/cgroups.7.html', checked: ['5.7'],
  },
  {
    id: 'memory.oom.group', title: 'Ending a whole agent instead of one of its processes', since: '4.19', option: 'CONFIG_MEMCG', see: nothingSeen, lacks: lacksCgroup2, changes: [],
    instead: 'systemd-oomd ends whole cgroups from user space.', source: V2, checked: [],
  },
  {
    id: 'memory.zswap', title: 'What one cgroup may hold in zswap', since: '5.19', option: 'CONFIG_ZSWAP', see: nothingSeen, lacks: lacksCgroup2,
    changes: [{ version: '6.8', what: 'memory.zswap.writeback=0 keeps its pages off the disk' }],
    instead: 'memory.swap.max, which counts swapped pages uncompressed.', source: V2, checked: [],
  },
  {
    id: 'memory.pressure', title: 'Stall time of one cgroup', since: '4.20', option: 'CONFIG_PSI', lacks: lacksCgroup2,
    see: (look) => (look.cgroups.value?.some((cgroup) => cgroup.memoryPressure.value !== null) === true ? { on: true, evidence: 'memory.pressure is there' } : null),
    changes: [{ version: '6.1', what: 'cgroup.pressure turns it off for one cgroup' }],
    instead: 'Pressure of the whole machine, and refaults in memory.stat.', source: 'https://docs.kernel.org/accounting/psi.html', checked: [],
  },
  {
    id: 'node.reclaim', title: 'Reclaiming one NUMA node on request', since: '6.17', option: 'CONFIG_NUMA', see: nothingSeen, changes: [],
    instead: 'memory.reclaim of the cgroups whose memory lies there.', source: 'https://docs.kernel.org/admin-guide/abi-stable.html', checked: [],
  },
]
