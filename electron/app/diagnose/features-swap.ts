import { fileSays, nothingSeen, type FeatureFacts } from './features-type.ts'

const ZSWAP = 'https://docs.kernel.org/admin-guide/mm/zswap.html'
const ZRAM = 'https://docs.kernel.org/admin-guide/blockdev/zram.html'
const parameter = (name: string): string => `/sys/module/zswap/parameters/${name}`
const yes = (text: string): boolean => text === 'Y' || text === '1'

/** Compressed swap and what it can do. */
export const swapFeatures: readonly FeatureFacts[] = [
  {
    id: 'zswap', title: 'A compressed cache in front of swap', since: '3.11', option: 'CONFIG_ZSWAP', see: fileSays('mm', parameter('enabled'), yes),
    changes: [
      { version: '5.19', what: 'pool and stored bytes in /proc/meminfo, for everybody to read' },
      { version: '6.8', what: 'a shrinker, and writeback that can be turned off for a cgroup' },
      { version: '6.15', what: 'zbud and z3fold are gone: zsmalloc is the only allocator' },
      { version: '6.18', what: 'zpool is gone, and with it the zpool parameter' },
    ],
    instead: 'zram, which needs no device behind it.', source: 'https://www.phoronix.com/news/Linux-6.18-MM', checked: ['6.15', '6.18'],
  },
  {
    id: 'zswap.shrinker', title: 'Moving cold pages from zswap to the disk before the pool is full', since: '6.8', option: 'CONFIG_ZSWAP', see: fileSays('mm', parameter('shrinker_enabled'), yes), changes: [],
    instead: 'A larger max_pool_percent; before 6.8 pages leave only when the pool is full.', source: ZSWAP, checked: [],
  },
  {
    id: 'zswap.figures', title: 'What the zswap pool takes and holds, for everybody to read', since: '5.19', option: 'CONFIG_ZSWAP',
    see: (look) => ('Zswap' in look.meminfo ? { on: true, evidence: '/proc/meminfo has Zswap and Zswapped' } : null), changes: [],
    instead: 'debugfs zswap/pool_total_size, as root.', source: 'https://docs.kernel.org/filesystems/proc.html', checked: [],
  },
  {
    id: 'zram', title: 'Swap in compressed memory', since: '3.14', option: 'CONFIG_ZRAM',
    see: (look) => {
      const swap = look.swapDevices.filter((device) => device.kind === 'zram').map((device) => device.path)
      if (swap.length > 0) return { on: true, evidence: `swap on ${swap.join(', ')}` }
      return look.zram.length > 0 ? { on: false, evidence: `${look.zram.map((device) => device.name).join(', ')}: not swap` } : null
    },
    changes: [
      { version: '4.14', what: 'can write pages to a disk behind it (CONFIG_ZRAM_WRITEBACK)' },
      { version: '6.2', what: 'a second, stronger compressor for cold pages (CONFIG_ZRAM_MULTI_COMP)' },
      { version: '6.12', what: 'compressors are options of its own (CONFIG_ZRAM_BACKEND_*), with parameters' },
    ],
    instead: 'zswap in front of a swap file.', source: ZRAM, checked: [],
  },
  {
    id: 'zram.recompress', title: 'Compressing cold pages in zram once more', since: '6.2', option: 'CONFIG_ZRAM_MULTI_COMP', see: nothingSeen, changes: [],
    instead: 'A stronger compressor for all of it, which costs more time at each fault.', source: ZRAM, checked: [],
  },
  {
    id: 'swappiness.200', title: 'Preferring compressed swap over dropping files', since: '5.8', option: 'CONFIG_SWAP', see: nothingSeen, changes: [],
    instead: 'swappiness=100, which treats both alike.', source: 'https://docs.kernel.org/admin-guide/sysctl/vm.html#swappiness', checked: [],
  },
]
