import type { Machine, Snapshot, SwapDevice, ZramDevice } from '../contract/snapshot.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { readKsm } from './ksm.ts'
import { machineMemory, readMeminfo } from './meminfo.ts'
import { readPressure } from './pressure.ts'
import { readSwaps } from './swaps.ts'
import { readVmCounters } from './vmstat.ts'
import { readZram } from './zram.ts'
import { readZswap } from './zswap.ts'

/**
 * The machine's figures. `root` is "/" or a captured tree. Only a root without
 * a readable /proc/meminfo is an error: then it is no root of a machine.
 */
export const readMachine = (root: string): Machine => {
  const meminfo = readMeminfo(root)
  if (meminfo.value === null) throw new Error(`readMachine: expected ${root} to hold proc/meminfo, got: ${meminfo.detail ?? meminfo.reason}`)
  return {
    memory: machineMemory(meminfo.value),
    memoryPressure: readPressure(root, 'memory'),
    cpuPressure: readPressure(root, 'cpu'),
    ioPressure: readPressure(root, 'io'),
    swapDevices: readSwaps(root),
    ksm: readKsm(root),
    zswap: readZswap(root, meminfo.value),
    zram: readZram(root),
    vm: readVmCounters(root),
  }
}

const isSwap = (device: ZramDevice, swaps: readonly SwapDevice[]): boolean =>
  swaps.some((swap) => swap.path === `/dev/${device.name}`)

export interface CompressedSwap extends Readonly<Snapshot['compressed']> {
  /** Share of all swapped pages that is held in a pool, 0 to 1; missing while nothing is swapped. */
  readonly shareHeld: Reading
}

/**
 * Pools of all compressed swap: zswap and those zram devices that are swap. A
 * zram device with a file system on it holds nobody's pages.
 */
export const compressedSwap = (machine: Machine): CompressedSwap => {
  const zram = machine.zram.filter((device) => isSwap(device, machine.swapDevices))
  const zswap = machine.zswap.value
  const poolBytes = zram.reduce((sum, device) => sum + device.poolBytes, zswap?.poolBytes.value ?? 0)
  const storedBytes = zram.reduce((sum, device) => sum + device.storedBytes, zswap?.storedBytes.value ?? 0)
  const swappedBytes = machine.memory.swapTotalBytes - machine.memory.swapFreeBytes
  const nothing = missing('not-measured', 'nothing is held in compressed swap')
  return {
    poolBytes,
    storedBytes,
    poolPerStored: storedBytes > 0 ? known(poolBytes / storedBytes) : nothing,
    shareHeld: swappedBytes > 0 ? known(Math.min(1, storedBytes / swappedBytes)) : nothing,
  }
}
