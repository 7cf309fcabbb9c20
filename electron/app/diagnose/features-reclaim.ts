import { fileSays, nothingSeen, type FeatureFacts } from './features-type.ts'

const VM = 'https://docs.kernel.org/admin-guide/sysctl/vm.html'
const MADVISE = 'https://man7.org/linux/man-pages/man2/process_madvise.2.html'

/** Seeing who waits for memory, choosing what goes out, and asking for it. */
export const reclaimFeatures: readonly FeatureFacts[] = [
  {
    id: 'psi', title: 'Pressure: how long programs wait for memory', since: '4.20', option: 'CONFIG_PSI',
    see: (look) => (look.pressure.memory.value === null ? null : { on: true, evidence: '/proc/pressure/memory' }),
    lacks: () => '/proc/pressure/memory does not answer: boot with psi=1',
    changes: [{ version: '5.2', what: 'triggers: a program is woken at a threshold' }, { version: '5.13', what: '"full" for the processor too' }],
    instead: 'allocstall and pgscan_direct in /proc/vmstat.', source: 'https://docs.kernel.org/accounting/psi.html', checked: ['4.20'],
  },
  {
    id: 'mglru', title: 'Choosing what goes out by generations (MGLRU)', since: '6.1', option: 'CONFIG_LRU_GEN', see: fileSays('mm', '/sys/kernel/mm/lru_gen/enabled', (text) => !/^0x0*$/u.test(text)),
    changes: [{ version: '6.1', what: 'min_ttl_ms: rather an OOM kill than thrashing of what was just used' }],
    instead: 'The two lists, active and inactive; a higher watermark_scale_factor wakes kswapd earlier.', source: 'https://docs.kernel.org/admin-guide/mm/multigen_lru.html', checked: ['6.1'],
  },
  {
    id: 'damon', title: 'Watching which memory is used (DAMON)', since: '5.15', option: 'CONFIG_DAMON', see: nothingSeen,
    changes: [{ version: '5.16', what: 'pages out cold memory by itself (DAMON_RECLAIM)' }, { version: '5.18', what: 'set through sysfs' }, { version: '6.0', what: 'orders the lists (DAMON_LRU_SORT)' }, { version: '6.17', what: 'statistics alone (DAMON_STAT), which keep others out while on' }],
    instead: 'Idle time of whole agents, which needs no watching of pages.', source: 'https://lwn.net/Articles/905370/', checked: ['5.15', '5.16', '6.0'],
  },
  {
    id: 'damon.reclaim', title: 'Paging out cold memory in the background (DAMON_RECLAIM)', since: '5.16', option: 'CONFIG_DAMON_RECLAIM', see: fileSays('mm', '/sys/module/damon_reclaim/parameters/enabled', (text) => text === 'Y'), changes: [],
    instead: 'agentmem pages out idle agents.', source: 'https://docs.kernel.org/admin-guide/mm/damon/reclaim.html', checked: ['5.16'],
  },
  {
    id: 'process_madvise', title: 'Paging out another process', since: '5.10', option: 'CONFIG_ADVISE_SYSCALLS', see: nothingSeen,
    changes: [
      { version: '5.10', what: 'MADV_COLD, MADV_PAGEOUT' }, { version: '5.12', what: 'asks for less: PTRACE_MODE_READ and CAP_SYS_NICE' },
      { version: '5.13', what: 'MADV_WILLNEED' }, { version: '6.1', what: 'MADV_COLLAPSE into huge pages' },
    ],
    instead: 'memory.reclaim of its cgroup.', source: MADVISE, checked: ['5.10', '5.12', '6.1'],
  },
  {
    id: 'madvise.pageout', title: 'A program paging out its own memory', since: '5.4', option: 'CONFIG_ADVISE_SYSCALLS', see: nothingSeen, changes: [{ version: '5.14', what: 'MADV_POPULATE_READ and _WRITE: faulting in ahead' }],
    instead: 'MADV_FREE (4.5) for what may be lost.', source: 'https://man7.org/linux/man-pages/man2/madvise.2.html', checked: ['5.4', '5.14'],
  },
  {
    id: 'pidfd', title: 'Holding a process by a descriptor, so that its number cannot be mistaken', since: '5.3', option: null, see: nothingSeen, changes: [{ version: '5.6', what: 'pidfd_getfd' }],
    instead: 'Number and start time, checked again afterwards.', source: 'https://man7.org/linux/man-pages/man2/pidfd_open.2.html', checked: ['5.3', '5.6'],
  },
  {
    id: 'userfaultfd', title: 'Serving another program\'s page faults', since: '4.3', option: 'CONFIG_USERFAULTFD', see: fileSays('sysctl', '/proc/sys/vm/unprivileged_userfaultfd'),
    changes: [{ version: '5.7', what: 'write protection' }, { version: '5.11', what: 'without privilege for faults of user space alone' }, { version: '6.8', what: 'UFFDIO_MOVE: moves pages instead of copying' }],
    instead: 'Mapping the store\'s files.', source: 'https://man7.org/linux/man-pages/man2/userfaultfd.2.html', checked: ['4.3', '5.7'],
  },
  {
    id: 'cachestat', title: 'How much of a file is in the cache', since: '6.5', option: 'CONFIG_CACHESTAT_SYSCALL', see: nothingSeen, changes: [],
    instead: 'mincore on a mapping of it.', source: 'https://www.phoronix.com/news/Linux-6.5-MM-cachestat', checked: ['6.5'],
  },
  {
    id: 'smaps_rollup', title: 'A process\'s memory in one small file', since: '4.14', option: 'CONFIG_PROC_PAGE_MONITOR', see: nothingSeen, changes: [{ version: '5.3', what: 'Pss_Anon, Pss_File, Pss_Shmem' }],
    instead: 'smaps, summed up: slower.', source: 'https://git.zx2c4.com/linux-dev/log/Documentation/ABI/testing/procfs-smaps_rollup', checked: ['4.14', '5.3'],
  },
  {
    id: 'watermark_scale_factor', title: 'Waking kswapd earlier', since: '4.6', option: null, see: fileSays('sysctl', '/proc/sys/vm/watermark_scale_factor'), changes: [], instead: 'A larger min_free_kbytes, which costs the same memory for good.', source: `${VM}#watermark-scale-factor`, checked: [],
  },
  {
    id: 'compaction_proactiveness', title: 'Compacting memory before it is asked for', since: '5.9', option: 'CONFIG_COMPACTION', see: fileSays('sysctl', '/proc/sys/vm/compaction_proactiveness', (text) => text !== '0'), changes: [],
    instead: 'Compact once by hand: /proc/sys/vm/compact_memory.', source: `${VM}#compaction-proactiveness`, checked: [],
  },
]
