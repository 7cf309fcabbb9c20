import type { Agent } from '../../contract/agents.ts'
import type { Evidence } from '../../contract/evidence.ts'
import type { Duplicate, Orphan } from '../../contract/lifecycle.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { monotonicMs } from '../clock.ts'
import { readText, under } from '../files.ts'
import { kernelVersionOf, readBootId, readKernelConfig, readKernelRelease, readPageBytes, readUptimeMs, type KernelConfig } from '../kernel.ts'
import { parseMounts, type Mount } from '../mounts.ts'
import { readPressure } from '../pressure.ts'
import { readSwaps } from '../swaps.ts'
import { readZram } from '../zram.ts'
import { readCgroups } from './cgroups.ts'
import { CONFIG_OPTIONS } from './config.ts'
import { readMeminfoFields, readVmstatFields } from './counters.ts'
import { readHardening } from './hardening.ts'
import { memoryFilesMatter, readMemoryFileSystems } from './memory-files.ts'
import { readKernelMessages } from './messages.ts'
import { readCpus, readNuma } from './numa.ts'
import { readProcesses } from './processes.ts'
import { readRivals } from './rivals.ts'
import { readMm, readSysctl, readZswapDebug } from './settings.ts'
import { readSlab } from './slab.ts'
import { readZones } from './zones.ts'

/** Of so many, the largest, smaps_rollup is read: milliseconds for each GB they have. */
export const USUAL_ROLLUPS = 8

export interface EvidenceOptions {
  /** Only this user's processes are looked at; null: everybody's, as far as they may be read. */
  readonly uid: number | null
  /** Whether the reader is root. */
  readonly privileged: boolean
  /** As a snapshot found them; their memory is not read again. Left out where nobody was there to find them. */
  readonly agents?: readonly Agent[]
  readonly orphans?: readonly Orphan[]
  readonly duplicates?: readonly Duplicate[]
  /** USUAL_ROLLUPS where left out. */
  readonly rollups?: number
}

const configOf = (config: KernelConfig | null): Reading<Record<string, string>> =>
  config === null
    ? missing('not-supported', 'neither /proc/config.gz nor /boot/config-* can be read')
    : known(Object.fromEntries(CONFIG_OPTIONS.flatMap((name): [string, string][] => {
        const value = config.get(name)
        return value === undefined ? [] : [[name, value]]
      })))

/** How the v2 hierarchy is mounted says whether protection reaches the cgroups below. */
const cgroup2Options = (mounts: readonly Mount[]): Record<string, Reading<string>> => {
  const mount = mounts.find(({ type }) => type === 'cgroup2')
  return mount === undefined ? {} : { '/proc/mounts cgroup2': known(mount.options.join(',')) }
}

const read = async (root: string, options: EvidenceOptions): Promise<Evidence> => {
  const startedMs = monotonicMs()
  // Its schema is loaded for captured trees alone: a command that looks at the running machine has no use for it.
  const captured = root === '/' ? null : (await import('./captured.ts')).readCaptured(root)
  const { agents = [], orphans = [], duplicates = [], rollups = USUAL_ROLLUPS, uid } = options
  const meminfo = readMeminfoFields(root)
  const kernelRelease = readKernelRelease(root)
  const config = readKernelConfig(root, kernelRelease)
  const pageBytes = captured?.pageBytes ?? readPageBytes(root)
  const mountsText = readText(under(root, '/proc/mounts')).value ?? ''
  const mounts = parseMounts(mountsText)
  const memoryFileSystems = readMemoryFileSystems(mounts, captured)
  const numa = readNuma(root)
  const sysctl = readSysctl(root)
  const swapDevices = readSwaps(root)
  const { processes, zombies, threads, names } = await readProcesses(root, {
    uid, agents, rollups, captured, nodes: numa.length, memoryFiles: memoryFilesMatter(meminfo, memoryFileSystems),
  })
  return {
    version: 1,
    takenAtMs: captured?.takenAtMs ?? Date.now(),
    // Since boot, not since this program began: looks of several programs are put in one series.
    monotonicMs: captured?.monotonicMs ?? monotonicMs(),
    bootId: readBootId(root),
    kernelRelease,
    kernelVersion: kernelVersionOf(kernelRelease),
    privileged: captured?.privileged ?? options.privileged,
    cpus: readCpus(root),
    pageBytes,
    uptimeS: (readUptimeMs(root) ?? 0) / 1000,
    meminfo,
    vmstat: readVmstatFields(root),
    pressure: { memory: readPressure(root, 'memory'), io: readPressure(root, 'io'), cpu: readPressure(root, 'cpu') },
    kernelThreadsCpuMs: threads,
    sysctl,
    mm: { ...readMm(root), ...cgroup2Options(mounts) },
    zswapDebug: readZswapDebug(root),
    swapDevices,
    zram: readZram(root),
    zones: readZones(root),
    numa,
    slab: readSlab(root, pageBytes),
    cgroups: readCgroups(root, agents),
    memoryFileSystems,
    processes,
    zombieProcesses: zombies,
    rivals: readRivals(root, names),
    hardening: readHardening(root, { swaps: swapDevices, sysctl, config, mountsText }),
    config: configOf(config),
    agentsKnown: options.agents !== undefined,
    agents: [...agents],
    orphans: [...orphans],
    duplicates: [...duplicates],
    kernelMessages: readKernelMessages(root),
    tookMs: captured === null ? monotonicMs() - startedMs : 0,
  }
}

/**
 * One look at everything that rules ask about, of a running machine ("/") or a
 * captured tree. What an ordinary user may not read is missing with its
 * reason. Only a root that is no machine's is an error.
 */
export const readEvidence = async (root: string, options: EvidenceOptions): Promise<Evidence> => {
  const evidence = await read(root, options)
  // What is missing is told by its path on the machine, wherever a captured tree lies.
  return root === '/' ? evidence : JSON.parse(JSON.stringify(evidence).replaceAll(root, ''))
}
