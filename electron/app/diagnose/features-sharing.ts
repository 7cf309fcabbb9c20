import { choiceIn } from './series.ts'
import { fileSays, nothingSeen, type FeatureFacts } from './features-type.ts'

const KSM = 'https://docs.kernel.org/admin-guide/mm/ksm.html'
const VERSIONS = 'https://devkernel.io/posts/ksm_versions'
const THP = 'https://docs.kernel.org/admin-guide/mm/transhuge.html'
const ksm = (name: string): string => `/sys/kernel/mm/ksm/${name}`
const notZero = (text: string): boolean => text !== '0'

/** Equal pages kept once, and pages of another size. */
export const sharingFeatures: readonly FeatureFacts[] = [
  {
    id: 'ksm', title: 'Merging equal pages', since: '2.6', option: 'CONFIG_KSM', see: fileSays('mm', ksm('run'), (text) => text === '1'),
    changes: [
      { version: '4.12', what: 'use_zero_pages: empty pages merge with the kernel\'s zero page' },
      { version: '6.4', what: 'whole processes by prctl, and general_profit' },
      { version: '6.7', what: 'smart_scan skips pages that did not merge; whole processes keep it over fork and exec' },
      { version: '6.8', what: 'an advisor that sets the scan rate' },
    ],
    instead: 'Sealed memory files shared by the programs themselves.', source: KSM, checked: ['2.6'],
  },
  {
    id: 'ksm.process-merge', title: 'Merging for a whole program, without its help', since: '6.4', option: 'CONFIG_KSM', see: nothingSeen,
    changes: [{ version: '6.7', what: 'survives fork and exec: a launcher can turn it on for what it starts' }],
    instead: 'Only programs that ask for it themselves (madvise) are merged.', source: VERSIONS, checked: [],
  },
  {
    id: 'ksm.smart-scan', title: 'Skipping pages that did not merge before', since: '6.7', option: 'CONFIG_KSM', see: fileSays('mm', ksm('smart_scan'), notZero), changes: [],
    instead: 'A lower scan rate, once the profit is flat.', source: KSM, checked: [],
  },
  {
    id: 'ksm.advisor', title: 'A scan rate the kernel sets itself', since: '6.8', option: 'CONFIG_KSM', changes: [],
    see: (look) => {
      const mode = choiceIn(look.mm, ksm('advisor_mode'))
      return mode === null ? null : { on: mode !== 'none', evidence: `${ksm('advisor_mode')}: ${mode}` }
    },
    instead: 'agentmem lowers the rate when the profit is flat.', source: KSM, checked: [],
  },
  {
    id: 'ksm.general-profit', title: 'What merging wins, its own cost taken off', since: '6.4', option: 'CONFIG_KSM', see: fileSays('mm', ksm('general_profit')),
    changes: [{ version: '6.6', what: 'counts merged zero pages too' }], instead: 'pages_sharing x page size, which is too much by what KSM itself takes.', source: VERSIONS, checked: [],
  },
  {
    id: 'memfd.seals', title: 'Memory files that nobody can change any more', since: '3.17', option: 'CONFIG_MEMFD_CREATE', see: nothingSeen,
    changes: [{ version: '5.1', what: 'F_SEAL_FUTURE_WRITE' }, { version: '6.3', what: 'F_SEAL_EXEC, and vm.memfd_noexec' }],
    instead: 'Read-only files on a tmpfs.', source: 'https://man7.org/linux/man-pages/man2/memfd_create.2.html', checked: ['3.17', '5.1'],
  },
  {
    id: 'thp', title: 'Huge pages by themselves', since: '2.6', option: 'CONFIG_TRANSPARENT_HUGEPAGE', changes: [{ version: '6.8', what: 'sizes between a page and 2 MB (mTHP)' }, { version: '6.12', what: 'gives back huge pages that are mostly empty (shrink_underused)' }],
    see: (look) => {
      const mode = choiceIn(look.mm, '/sys/kernel/mm/transparent_hugepage/enabled')
      return mode === null ? null : { on: mode !== 'never', evidence: `/sys/kernel/mm/transparent_hugepage/enabled: ${mode}` }
    },
    instead: 'hugetlbfs, reserved by hand.', source: THP, checked: ['2.6', '6.8'],
  },
  {
    id: 'thp.sizes', title: 'Huge pages of several sizes (mTHP)', since: '6.8', option: 'CONFIG_TRANSPARENT_HUGEPAGE', changes: [], see: fileSays('mm', '/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled', (text) => !text.includes('[never]')),
    instead: 'None or 2 MB.', source: THP, checked: ['6.8'],
  },
  {
    id: 'thp.shrink-underused', title: 'Taking back the empty part of huge pages', since: '6.12', option: 'CONFIG_TRANSPARENT_HUGEPAGE', changes: [], see: fileSays('mm', '/sys/kernel/mm/transparent_hugepage/shrink_underused', notZero),
    instead: 'enabled=madvise, or a lower khugepaged/max_ptes_none.', source: THP, checked: [],
  },
]
