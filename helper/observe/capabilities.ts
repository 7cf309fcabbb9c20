import type { Capability, Probe } from '../contract/probe.ts'
import { atLeast, type KernelConfig } from './kernel.ts'

/** What a probe does not carry, but the table needs. */
export interface CapabilityFacts {
  readonly config: KernelConfig | null
  readonly swap: boolean
  readonly processRollup: boolean
}

type Row = Omit<Capability, 'has' | 'advice'> & { readonly found: string; readonly lacking: string; readonly advice: string }

const NEWER_KERNEL = 'Use a newer kernel (on Debian: from backports).'
const OTHER_KERNEL = "Use a distribution kernel that has it; Debian's and Ubuntu's generic ones do."

/** File systems on which a swap file cannot be used, or only with care that we do not take. */
const NO_SWAP_FILE = new Set(['tmpfs', 'overlay', 'zfs', 'nfs', 'nfs4', 'btrfs', 'squashfs', 'fuse', 'unknown', 'bcachefs'])

const configText = (config: CapabilityFacts['config'], option: string): string => {
  if (config === null) return ''
  const value = config.get(option)
  return value === undefined ? `; ${option} is not set` : `; ${option}=${value}`
}

const joined = (words: readonly string[]): string => (words.length === 0 ? 'none' : words.join(', '))

const rows = (probe: Omit<Probe, 'capabilities'>, facts: CapabilityFacts): Row[] => {
  const { machine, kernelVersion } = probe
  const ksm = machine.ksm.value
  const zswap = machine.zswap.value
  const fileThere = (path: string): boolean => probe.files[path]?.value != null
  const zramKernel = machine.zram.length > 0 || probe.zramControl
  const zramModule = facts.config?.get('CONFIG_ZRAM') === 'm'
  const { fileSystem } = probe.swapFolder
  const swapFile = facts.swap && !NO_SWAP_FILE.has(fileSystem)
  const zramNames = [...new Set(machine.zram.flatMap((device) => device.algorithms))]
  const debugPool = zswap !== null && zswap.poolBytes.value !== null
  const advise = atLeast(kernelVersion, 5, 10)
  return [
    {
      id: 'ksm', layer: 'ksm', title: 'Merging equal pages (KSM)', available: ksm !== null,
      needs: 'CONFIG_KSM', found: `run is ${ksm?.run ?? 'unknown'}`,
      lacking: `no /sys/kernel/mm/ksm${configText(facts.config, 'CONFIG_KSM')}`, advice: OTHER_KERNEL,
    },
    {
      id: 'ksm.general-profit', layer: 'ksm', title: 'What merging saves, as the kernel counts it', available: ksm?.generalProfitBytes.value != null,
      needs: 'Linux 6.4, CONFIG_KSM', found: 'general_profit is there',
      lacking: 'no /sys/kernel/mm/ksm/general_profit', advice: `${NEWER_KERNEL} Until then the saving is estimated from pages_sharing.`,
    },
    {
      id: 'ksm.process-merge', layer: 'ksm', title: 'Merging for a whole program that is launched through agentmem', available: probe.processMerge,
      needs: 'Linux 6.4, CONFIG_KSM', found: probe.mergeSurvivesExec ? 'can be turned on for a launched program' : 'can be turned on, but is lost when the program starts another one in its place (exec) before Linux 6.7',
      lacking: 'the kernel has no PR_SET_MEMORY_MERGE', advice: NEWER_KERNEL,
    },
    {
      id: 'ksm.merge-over-exec', layer: 'ksm', title: 'Merging that survives the start of another program', available: probe.mergeSurvivesExec,
      needs: 'Linux 6.7, CONFIG_KSM', found: 'kept over exec', lacking: 'merging is lost at exec, so only programs that opt in themselves are reached',
      advice: NEWER_KERNEL,
    },
    {
      id: 'ksm.smart-scan', layer: 'ksm', title: 'Skipping pages that did not merge before (smart scan)', available: fileThere('/sys/kernel/mm/ksm/smart_scan'),
      needs: 'Linux 6.7, CONFIG_KSM', found: `smart_scan is ${probe.files['/sys/kernel/mm/ksm/smart_scan']?.value ?? 'unknown'}`,
      lacking: 'no /sys/kernel/mm/ksm/smart_scan', advice: `${NEWER_KERNEL} Without it scanning costs more CPU time.`,
    },
    {
      id: 'ksm.advisor', layer: 'ksm', title: 'A scan rate that the kernel adapts itself (KSM advisor)', available: fileThere('/sys/kernel/mm/ksm/advisor_mode'),
      needs: 'Linux 6.8, CONFIG_KSM', found: `advisor_mode is ${probe.files['/sys/kernel/mm/ksm/advisor_mode']?.value ?? 'unknown'}`,
      lacking: 'no /sys/kernel/mm/ksm/advisor_mode', advice: `${NEWER_KERNEL} Until then agentmem lowers the rate once the profit is flat.`,
    },
    {
      id: 'swap', layer: 'compressed-swap', title: 'Swap', available: facts.swap,
      needs: 'CONFIG_SWAP', found: machine.swapDevices.length === 0 ? 'possible; none is in use' : `in use: ${machine.swapDevices.map((device) => device.path).join(', ')}`,
      lacking: `no /proc/swaps${configText(facts.config, 'CONFIG_SWAP')}`, advice: `${OTHER_KERNEL} Containers often forbid swap.`,
    },
    {
      id: 'swap.file', layer: 'compressed-swap', title: 'A swap file in the state folder', available: swapFile,
      needs: 'swap, and a file system such as ext4 or xfs', found: `${probe.swapFolder.path} is on ${fileSystem}`,
      lacking: facts.swap ? `${probe.swapFolder.path} is on ${fileSystem}` : 'no swap in this kernel',
      advice: 'Use zram, which needs no file, or a swap partition.',
    },
    {
      id: 'zswap', layer: 'compressed-swap', title: 'Compressed cache in front of swap (zswap)', available: zswap !== null,
      needs: 'Linux 3.11, CONFIG_ZSWAP', found: zswap?.enabled === true ? 'enabled' : 'there, not enabled',
      lacking: `no /sys/module/zswap${configText(facts.config, 'CONFIG_ZSWAP')}`, advice: `Use zram instead, or: ${OTHER_KERNEL}`,
    },
    {
      id: 'zswap.compressors', layer: 'compressed-swap', title: 'Compressors of zswap', available: probe.zswapCompressors.length > 0,
      needs: 'zswap, CONFIG_CRYPTO_LZ4 or CONFIG_CRYPTO_ZSTD for the better ones',
      found: `known: ${joined(probe.zswapCompressors)}; in use: ${zswap?.compressor ?? 'none'}`, lacking: zswap === null ? 'no zswap' : 'none has registered yet',
      advice: 'Trying is the only proof: agentmem writes the name and reads back what the kernel kept.',
    },
    {
      id: 'zswap.pool-statistics', layer: 'measuring', title: 'How much the zswap pool takes and holds', available: debugPool,
      needs: 'Linux 5.19, CONFIG_ZSWAP', found: 'in /proc/meminfo or debugfs', lacking: 'no Zswap line in /proc/meminfo',
      advice: `${NEWER_KERNEL} Without it pages in zswap are shown as if on disk.`,
    },
    {
      id: 'zswap.shrinker', layer: 'compressed-swap', title: 'Moving cold pages from the pool to the disk (zswap shrinker)', available: fileThere('/sys/module/zswap/parameters/shrinker_enabled'),
      needs: 'Linux 6.8, CONFIG_ZSWAP, cgroup memory controller', found: `shrinker_enabled is ${probe.files['/sys/module/zswap/parameters/shrinker_enabled']?.value ?? 'unknown'}`,
      lacking: 'no /sys/module/zswap/parameters/shrinker_enabled', advice: 'Nothing to do: it is off by default, since it can put private data on a plain disk.',
    },
    {
      id: 'zram', layer: 'compressed-swap', title: 'Compressed swap in memory (zram)', available: zramKernel,
      needs: 'Linux 3.14, CONFIG_ZRAM', found: `${machine.zram.length} device(s)${probe.zramControl ? '; more can be added' : ''}`,
      lacking: `no zram device${configText(facts.config, 'CONFIG_ZRAM')}`, advice: zramModule ? 'Load it: sudo modprobe zram' : `${OTHER_KERNEL} (sudo modprobe zram)`,
    },
    {
      id: 'zram.hot-add', layer: 'compressed-swap', title: 'Adding a zram device while running', available: probe.zramControl,
      needs: 'Linux 4.2, CONFIG_ZRAM', found: '/sys/class/zram-control/hot_add', lacking: 'no /sys/class/zram-control/hot_add',
      advice: 'An unused zram device is taken where there is one.',
    },
    {
      id: 'zram.algorithms', layer: 'compressed-swap', title: 'Compressors of zram', available: zramNames.length > 0,
      needs: 'zram; CONFIG_ZRAM_BACKEND_* since Linux 6.12', found: joined(zramNames), lacking: 'unknown until there is a zram device',
      advice: zramKernel ? 'They are known once a device has been added.' : 'Load it: sudo modprobe zram',
    },
    {
      id: 'reclaim.cgroup', layer: 'reclaim', title: 'Paging out one agent through its cgroup (memory.reclaim)', available: probe.cgroup.memoryReclaim && probe.cgroup.memoryController,
      needs: 'Linux 5.19, cgroup v2 with the memory controller', found: 'memory.reclaim is there',
      lacking: `cgroup ${probe.cgroup.version}, memory controller ${probe.cgroup.memoryController ? 'on' : 'not'} on v2${probe.cgroup.memoryController ? ', no memory.reclaim' : ''}`,
      advice: 'Agents are paged out process by process instead (process_madvise).',
    },
    {
      id: 'reclaim.process-madvise', layer: 'reclaim', title: 'Paging out another process (process_madvise)', available: probe.processMadvise,
      needs: 'Linux 5.10, CONFIG_ADVISE_SYSCALLS, root', found: 'the system call is there; it needs the system helper',
      lacking: advise ? 'CONFIG_ADVISE_SYSCALLS is not set' : 'the system call is missing', advice: advise ? OTHER_KERNEL : NEWER_KERNEL,
    },
    {
      id: 'kernel-module', layer: 'kernel-module', title: 'Units kept by the kernel (agentmem.ko)', available: probe.kernelModule.obstacle === null,
      needs: 'Linux 6.1, CONFIG_MODULES, headers and DKMS; a trusted key with Secure Boot', found: probe.kernelModule.loaded ? 'loaded' : 'built for this kernel, not loaded',
      lacking: probe.kernelModule.obstacle?.message ?? '', advice: probe.kernelModule.obstacle?.advice ?? '',
    },
    {
      id: 'prune-cache', layer: 'prune-cache', title: 'Dropping the file cache', available: true,
      needs: 'Linux 2.6.16, root', found: 'possible through the system helper', lacking: '', advice: '',
    },
    {
      id: 'pressure', layer: 'measuring', title: 'Memory pressure (PSI)', available: machine.memoryPressure.value !== null,
      needs: 'Linux 4.20, CONFIG_PSI, not booted with psi=0', found: '/proc/pressure/memory',
      lacking: `/proc/pressure/memory: ${machine.memoryPressure.value === null ? machine.memoryPressure.reason : ''}${configText(facts.config, 'CONFIG_PSI')}`,
      advice: facts.config?.has('CONFIG_PSI') === true ? 'Boot with psi=1 on the kernel command line.' : NEWER_KERNEL,
    },
    {
      id: 'smaps-rollup', layer: 'measuring', title: 'Reading a process\'s memory quickly (smaps_rollup)', available: facts.processRollup,
      needs: 'Linux 4.14, CONFIG_PROC_PAGE_MONITOR', found: 'smaps_rollup', lacking: 'smaps only: reading is slower', advice: NEWER_KERNEL,
    },
  ]
}

/** The capability table: each feature, what it needs, what is here, what to do. */
export const capabilities = (probe: Omit<Probe, 'capabilities'>, facts: CapabilityFacts): Capability[] => {
  const [major, minor] = probe.kernelVersion
  return rows(probe, facts).map(({ found, lacking, advice, ...row }) => ({
    ...row,
    has: `Linux ${major}.${minor}: ${row.available ? found : lacking}`,
    advice: row.available ? '' : advice,
  }))
}
