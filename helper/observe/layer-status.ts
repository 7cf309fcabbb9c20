import type { LayerStatus } from '../contract/layers.ts'
import type { Probe } from '../contract/probe.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { atLeast } from './kernel.ts'
import { KSM_FOLDER } from './ksm.ts'
import { compressedSwap } from './machine.ts'
import { moduleStatus } from './module-status.ts'
import { ZSWAP_FOLDER } from './zswap.ts'

const MB = 1024 * 1024
/** As the window says it: 1 GB is 1024 MB. */
const sizeText = (bytes: number): string => (bytes >= 999.5 * MB ? `${(bytes / (1024 * MB)).toFixed(1)} GB` : `${Math.round(bytes / MB)} MB`)

const KSM_RISK = 'Security: whoever can run programs here could find out, by timing writes, that another merged program holds the same page; leave it off where untrusted programs run.'

const ksmSaved = (probe: Probe): Reading => {
  const ksm = probe.machine.ksm.value
  if (ksm === null) return missing('not-supported', 'the kernel has no KSM')
  if (ksm.generalProfitBytes.value !== null) return ksm.generalProfitBytes
  // Older kernels: what is shared, without the cost of keeping track of it.
  return known(ksm.pagesSharing * 4096)
}

const ksmCost = (probe: Probe): string => {
  const ksm = probe.machine.ksm.value
  if (ksm === null) return 'Nothing.'
  if (ksm.run !== 1) return `No CPU time while it does not scan. ${KSM_RISK}`
  const perSecond = Math.round(ksm.pagesToScan * (1000 / Math.max(1, ksm.sleepMs)))
  const rate = ksm.advisorMode.value !== null && ksm.advisorMode.value !== 'none'
    ? 'CPU time for scanning, at a rate that the kernel chooses.'
    : `CPU time for scanning up to ${perSecond.toLocaleString('en')} pages a second (${ksm.pagesToScan} each ${ksm.sleepMs} ms).`
  return `${rate} ${KSM_RISK}`
}

const ksmStatus = (probe: Probe): LayerStatus => {
  const ksm = probe.machine.ksm.value
  const base: Omit<LayerStatus, 'state' | 'summary'> = {
    id: 'ksm', title: 'Merging equal pages (KSM)',
    requirement: 'A kernel with CONFIG_KSM; Linux 6.4 to reach launched programs, 6.7 to keep that over exec.',
    savesBytes: ksmSaved(probe), cost: ksmCost(probe), sources: [`${KSM_FOLDER}/run`, `${KSM_FOLDER}/general_profit`, `${KSM_FOLDER}/pages_sharing`],
  }
  if (ksm === null) return { ...base, state: 'unavailable', summary: 'This kernel was built without KSM, or it cannot be read here: there is no /sys/kernel/mm/ksm.' }
  const pages = `${ksm.pagesSharing.toLocaleString('en')} page${ksm.pagesSharing === 1 ? '' : 's'} merged away`
  if (ksm.run === 1) return { ...base, state: 'on', summary: `Scanning for equal pages; ${pages}. Only programs that ask for it, or are launched with it, are reached.` }
  if (ksm.run === 0 && ksm.pagesSharing > 0) return { ...base, state: 'partial', summary: `Not scanning, but what was merged is kept: ${pages}.` }
  return { ...base, state: 'off', summary: ksm.run === 2 ? 'Taking merged pages apart, then off.' : 'Not scanning, nothing is merged.' }
}

const swapSummary = (probe: Probe): Pick<LayerStatus, 'title' | 'state' | 'summary'> => {
  const { machine } = probe
  const zswap = machine.zswap.value
  const zram = machine.swapDevices.filter((device) => device.kind === 'zram')
  const behind = machine.swapDevices.filter((device) => device.kind !== 'zram')
  const held = compressedSwap(machine)
  const effect = held.storedBytes > 0
    ? `holds ${sizeText(held.storedBytes)} of pages in ${sizeText(held.poolBytes)}`
    : 'holds nothing yet'
  if (zram.length > 0) return { title: 'Compressed swap (zram)', state: 'on', summary: `Swap in compressed memory on ${zram.map((device) => device.path).join(', ')}; ${effect}.` }
  if (zswap?.enabled === true && behind.length > 0) return { title: 'Compressed swap (zswap)', state: 'on', summary: `zswap with ${zswap.compressor} in front of ${behind.map((device) => device.path).join(', ')}; ${effect}.` }
  if (zswap?.enabled === true) return { title: 'Compressed swap (zswap)', state: 'partial', summary: 'zswap is enabled, but stores nothing without a swap device.' }
  const plain = behind.length > 0 ? ` Plain swap on ${behind.map((device) => device.path).join(', ')} is in use, which compresses nothing.` : ''
  const canZram = machine.zram.length > 0 || probe.zramControl
  if (zswap === null && !canZram) return { title: 'Compressed swap', state: 'unavailable', summary: `This kernel offers neither zswap nor zram now; "sudo modprobe zram" loads it where the kernel has it.${plain}` }
  if (probe.capabilities.some((row) => row.id === 'swap' && !row.available)) return { title: 'Compressed swap', state: 'unavailable', summary: 'This kernel or container has no swap at all.' }
  return { title: `Compressed swap (${zswap === null ? 'zram' : canZram ? 'zswap or zram' : 'zswap'})`, state: 'off', summary: `Off.${plain}` }
}

const compressedSwapStatus = (probe: Probe): LayerStatus => {
  const held = compressedSwap(probe.machine)
  const words = swapSummary(probe)
  const unknownPool = probe.machine.zswap.value?.enabled === true && probe.machine.zswap.value.poolBytes.value === null
  return {
    id: 'compressed-swap', ...words,
    requirement: 'Swap in the kernel, and zswap (3.11) with a swap file, or zram (3.14).',
    savesBytes: unknownPool ? missing('not-supported', 'the pool of zswap is counted since Linux 5.19') : known(Math.max(0, held.storedBytes - held.poolBytes)),
    cost: words.state === 'on'
      ? `The pool takes ${sizeText(held.poolBytes)} of memory; a page costs CPU time when it goes in and when it is needed again, so a paged-out agent answers its first key later.`
      : 'Nothing while it is off. When on: CPU time for each page in and out, and a slower first key of an agent that was paged out.',
    sources: ['/proc/swaps', '/proc/meminfo (Zswap, Zswapped)', '/sys/block/zram*/mm_stat', `${ZSWAP_FOLDER}/enabled`],
  }
}

const later = (probe: Probe): [LayerStatus, LayerStatus] => {
  const memfd = atLeast(probe.kernelVersion, 3, 17)
  const [major, minor] = probe.kernelVersion
  const common = { savesBytes: missing('not-measured', 'not part of this version yet'), cost: 'Nothing: it is not in use.' }
  return [
    {
      ...common, id: 'shared-memory', title: 'Shared memory (memfd)', state: memfd ? 'off' : 'unavailable',
      summary: memfd ? `Not part of this version yet. This kernel (${major}.${minor}) has sealed memfds, so it will work here.` : `Not part of this version yet, and this kernel (${major}.${minor}) lacks sealed memfds.`,
      requirement: 'Linux 3.17 (memfd with seals).', sources: ['/proc/sys/kernel/osrelease'],
    },
    {
      ...common, id: 'mapped-store', title: 'Mapped store', state: 'off',
      summary: `Not part of this version yet. It will need space on a disk: ${probe.swapFolder.path} is on ${probe.swapFolder.fileSystem}.`,
      requirement: 'A file system with sparse files and hole punching (ext4, xfs, btrfs).', sources: ['/proc/mounts'],
    },
  ]
}

/** State, effect now and cost of the five layers, in the order of the house. */
export const layerStatus = (probe: Probe): LayerStatus[] => {
  const [sharedMemory, mappedStore] = later(probe)
  return [sharedMemory, mappedStore, compressedSwapStatus(probe), ksmStatus(probe), moduleStatus(probe)]
}
