import type { Agent } from '../../helper/contract/agents.ts'
import { known, missing } from '../../helper/contract/known.ts'
import type { Machine, Snapshot } from '../../helper/contract/snapshot.ts'
import { BOOT_ID, MB } from './fleet.ts'

const GB = 1024 * MB
export const KERNEL = '6.12.9-amd64'

export interface MachineOptions {
  /** Memory of everything that is no agent. */
  otherBytes?: number
  ksm?: boolean
  zram?: boolean
  pressurePercent?: number
  wobbleBytes?: number
}

const sum = (agents: readonly Agent[], of: (agent: Agent) => number): number => agents.reduce((total, agent) => total + of(agent), 0)

/** A 16 GB laptop under these agents. */
export const makeMachine = (agents: readonly Agent[], options: MachineOptions = {}): Machine => {
  const totalBytes = Math.round(15.6 * GB)
  const pool = sum(agents, (agent) => agent.cost.compressedBytes)
  const stored = sum(agents, (agent) => agent.cost.swapPssBytes)
  const used = (options.otherBytes ?? 3.1 * GB) + sum(agents, (agent) => agent.cost.costBytes) + (options.wobbleBytes ?? 0)
  const availableBytes = Math.max(200 * MB, Math.round(totalBytes - used))
  const psi = options.pressurePercent ?? 0.2
  const line = { avg10Percent: psi, avg60Percent: psi * 0.8, avg300Percent: psi * 0.5, totalUs: 18_233_441 }
  /** Hundreds of suspended agents need more than a laptop would set aside. */
  const swapBytes = Math.max(8, Math.ceil(stored / GB)) * GB
  const hasZram = options.zram ?? stored > 0
  return {
    memory: {
      totalBytes,
      freeBytes: Math.round(availableBytes * 0.42),
      availableBytes,
      buffersBytes: 210 * MB,
      cachedBytes: Math.round(2.9 * GB),
      swapCachedBytes: 0,
      anonBytes: sum(agents, (agent) => agent.cost.anonBytes.value ?? 0) + 2 * GB,
      shmemBytes: 180 * MB,
      dirtyBytes: 4 * MB,
      slabReclaimableBytes: 390 * MB,
      slabUnreclaimableBytes: 160 * MB,
      swapTotalBytes: hasZram ? swapBytes : 0,
      swapFreeBytes: hasZram ? swapBytes - stored : 0,
    },
    memoryPressure: known({ some: line, full: known({ ...line, avg10Percent: 0 }) }),
    cpuPressure: known({ some: line, full: missing('not-supported') }),
    ioPressure: known({ some: line, full: known(line) }),
    swapDevices: hasZram ? [{ path: '/dev/zram0', kind: 'zram', sizeBytes: swapBytes, usedBytes: stored, priority: 100 }] : [],
    ksm:
      options.ksm === false
        ? missing('not-supported', 'This kernel was built without CONFIG_KSM.')
        : known({ run: 0, pagesToScan: 100, sleepMs: 20, pagesShared: 0, pagesSharing: 0, fullScans: 0, pagesScanned: known(0), generalProfitBytes: known(0), advisorMode: known('none'), smartScan: known(true) }),
    zswap: known({ enabled: false, compressor: 'lzo', maxPoolPercent: 20, shrinkerEnabled: known(false), poolBytes: known(0), storedBytes: known(0) }),
    zram: hasZram ? [{ name: 'zram0', diskSizeBytes: swapBytes, algorithm: 'lz4', algorithms: ['lzo', 'lzo-rle', 'lz4', 'zstd'], storedBytes: stored, compressedBytes: Math.round(pool * 0.95), poolBytes: pool }] : [],
    vm: { swapInPages: 1042, swapOutPages: 88_120, majorFaults: 3321, refaultAnonPages: known(900), refaultFilePages: known(12_020), oomKills: known(0) },
  }
}

export const makeSnapshot = (agents: readonly Agent[], takenAtMs: number, options: MachineOptions = {}, privileged = true): Snapshot => {
  const machine = makeMachine(agents, options)
  const pool = sum(agents, (agent) => agent.cost.compressedBytes)
  const stored = sum(agents, (agent) => agent.cost.swapPssBytes)
  return {
    version: 1,
    takenAtMs,
    monotonicMs: takenAtMs - 1_000_000,
    bootId: BOOT_ID,
    kernelRelease: KERNEL,
    privileged,
    machine,
    compressed: { poolBytes: pool, storedBytes: stored, poolPerStored: stored === 0 ? missing('not-measured') : known(pool / stored) },
    agents: [...agents],
    counts: countsOf(agents),
    tookMs: 61,
    cpuMs: 58,
  }
}

/** The same machine at a moment `ms` later, by when so many requests for memory had waited. */
export const waitedBy = (snapshot: Snapshot, ms: number, stalls: number): Snapshot => {
  const { machine } = snapshot
  const pressure = machine.memoryPressure.value
  return {
    ...snapshot,
    takenAtMs: snapshot.takenAtMs + ms,
    monotonicMs: snapshot.monotonicMs + ms,
    machine: {
      ...machine,
      vm: { ...machine.vm, allocStalls: known(stalls), majorFaults: stalls * 3 },
      // As if each had waited for 7 ms.
      memoryPressure: pressure === null ? machine.memoryPressure : known({ ...pressure, full: known({ ...(pressure.full.value ?? pressure.some), totalUs: stalls * 7000 }) }),
    },
  }
}

export const countsOf = (agents: readonly Agent[]) => ({
  seen: 412 + agents.length * 2,
  kernelThreads: 141,
  vanished: 1,
  unreadable: 180 + sum(agents, (agent) => agent.cost.unmeasured),
  ofAgents: sum(agents, (agent) => agent.processes.length),
})
