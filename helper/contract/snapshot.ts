import { z } from 'zod'
import { agentSchema } from './agents.ts'
import { numberReading, readingSchema } from './reading.ts'

/** /proc/meminfo, in bytes. Fields that a kernel may lack are readings. */
export const machineMemorySchema = z.object({
  totalBytes: z.int().min(0),
  freeBytes: z.int().min(0),
  availableBytes: z.int().min(0),
  buffersBytes: z.int().min(0),
  cachedBytes: z.int().min(0),
  swapCachedBytes: z.int().min(0),
  anonBytes: z.int().min(0),
  shmemBytes: z.int().min(0),
  dirtyBytes: z.int().min(0),
  slabReclaimableBytes: z.int().min(0),
  slabUnreclaimableBytes: z.int().min(0),
  swapTotalBytes: z.int().min(0),
  swapFreeBytes: z.int().min(0),
})
export type MachineMemory = z.infer<typeof machineMemorySchema>

/** One line of /proc/pressure/*: averages in percent, total in microseconds. */
export const pressureLineSchema = z.object({
  avg10Percent: z.number(),
  avg60Percent: z.number(),
  avg300Percent: z.number(),
  totalUs: z.int().min(0),
})
export const pressureSchema = z.object({ some: pressureLineSchema, full: readingSchema(pressureLineSchema) })
export type Pressure = z.infer<typeof pressureSchema>

export const swapDeviceSchema = z.object({
  path: z.string(),
  kind: z.enum(['partition', 'file', 'zram']),
  sizeBytes: z.int().min(0),
  usedBytes: z.int().min(0),
  priority: z.int(),
})
export type SwapDevice = z.infer<typeof swapDeviceSchema>

export const ksmStateSchema = z.object({
  run: z.int(),
  pagesToScan: z.int(),
  sleepMs: z.int(),
  pagesShared: z.int(),
  pagesSharing: z.int(),
  fullScans: z.int(),
  pagesScanned: numberReading, // 6.5+
  generalProfitBytes: numberReading, // 6.4+
  advisorMode: readingSchema(z.string()), // 6.8+
  smartScan: readingSchema(z.boolean()), // 6.7+
})
export type KsmState = z.infer<typeof ksmStateSchema>

export const zswapStateSchema = z.object({
  enabled: z.boolean(),
  compressor: z.string(),
  maxPoolPercent: z.int(),
  shrinkerEnabled: readingSchema(z.boolean()), // 6.8+
  /** Memory the pool takes: /proc/meminfo Zswap (5.19+). */
  poolBytes: numberReading,
  /** What it holds, uncompressed: /proc/meminfo Zswapped (5.19+). */
  storedBytes: numberReading,
})
export type ZswapState = z.infer<typeof zswapStateSchema>

export const zramDeviceSchema = z.object({
  name: z.string(), // zram0
  diskSizeBytes: z.int().min(0),
  algorithm: z.string(),
  algorithms: z.array(z.string()),
  storedBytes: z.int().min(0), // mm_stat orig_data_size
  compressedBytes: z.int().min(0), // compr_data_size
  poolBytes: z.int().min(0), // mem_used_total, with overhead
})
export type ZramDevice = z.infer<typeof zramDeviceSchema>

/** Counters of /proc/vmstat since boot; pages or events as the kernel counts them. */
export const vmCountersSchema = z.object({
  swapInPages: z.int(),
  swapOutPages: z.int(),
  majorFaults: z.int(),
  refaultAnonPages: numberReading, // 5.9+
  refaultFilePages: numberReading,
  oomKills: numberReading, // 4.13+
  /** Times a program had to make room itself before it got memory: allocstall_*. Snapshots of earlier versions lack it. */
  allocStalls: numberReading.optional(),
})
export type VmCounters = z.infer<typeof vmCountersSchema>

export const machineSchema = z.object({
  memory: machineMemorySchema,
  memoryPressure: readingSchema(pressureSchema),
  cpuPressure: readingSchema(pressureSchema),
  ioPressure: readingSchema(pressureSchema),
  swapDevices: z.array(swapDeviceSchema),
  ksm: readingSchema(ksmStateSchema),
  zswap: readingSchema(zswapStateSchema),
  zram: z.array(zramDeviceSchema),
  vm: vmCountersSchema,
})
export type Machine = z.infer<typeof machineSchema>

/** How the processes looked at turned out. */
export const processCountsSchema = z.object({
  seen: z.int().min(0),
  kernelThreads: z.int().min(0),
  vanished: z.int().min(0),
  unreadable: z.int().min(0),
  ofAgents: z.int().min(0),
})
export type ProcessCounts = z.infer<typeof processCountsSchema>

/**
 * One look at the machine and its agents. Both sides of a comparison are taken
 * by the same process with the same privilege and the same clock.
 */
export const snapshotSchema = z.object({
  version: z.literal(1),
  takenAtMs: z.number(), // Unix time
  monotonicMs: z.number(), // CLOCK_MONOTONIC: differences between snapshots of one boot
  bootId: z.string(),
  kernelRelease: z.string(),
  /** Who looked: root sees what a user cannot. */
  privileged: z.boolean(),
  machine: machineSchema,
  /** Pool bytes and stored bytes over all compressed swap, and their quotient; missing while nothing is stored. */
  compressed: z.object({ poolBytes: z.int().min(0), storedBytes: z.int().min(0), poolPerStored: numberReading }),
  agents: z.array(agentSchema),
  counts: processCountsSchema,
  /** What taking it cost. */
  tookMs: z.number(),
  cpuMs: z.number(),
})
export type Snapshot = z.infer<typeof snapshotSchema>
