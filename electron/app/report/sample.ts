import type { Agent, AgentProcess, ProcessRole } from '../../../helper/contract/agents.ts'
import { known, missing } from '../../../helper/contract/known.ts'

import type { Snapshot } from '../../../helper/contract/snapshot.ts'

/**
 * Made-up but lifelike data for tests of history and reports: figures follow
 * docs/measuring.md. Nothing of the shipped program imports it.
 */
export const BOOT_ID = '3f2a9c1e-7b44-4d0e-9a61-0c5de8f1b2a7'
const MIB = 1024 * 1024
const GIB = 1024 * MIB

export interface SampleAgent {
  kind: string
  title: string
  name: string
  pid: number
  folder: string
  anonMib: number
  fileMib: number
  /** Uncompressed MiB that went to compressed swap, at about 3.4 : 1. */
  swappedMib?: number
  children?: readonly { label: string; role: ProcessRole; pssMib: number }[]
}

const process = (pid: number, parentPid: number, role: ProcessRole, label: string, anon: number, file: number, swapped: number, commandLine: string[]): AgentProcess => ({
  pid,
  startTimeTicks: pid * 10,
  parentPid,
  role,
  label,
  comm: label.slice(0, 15),
  kernelState: 'S',
  cpuMs: 4210,
  memory: known({
    pssBytes: Math.round((anon + file) * MIB),
    pssAnonBytes: known(Math.round(anon * MIB)),
    pssFileBytes: known(Math.round(file * MIB)),
    pssShmemBytes: known(0),
    swapPssBytes: Math.round(swapped * MIB),
    ussBytes: Math.round((anon + file * 0.2) * MIB),
    rssBytes: Math.round((anon + file * 2) * MIB),
  }),
  commandLine,
})

export const sampleAgent = (input: SampleAgent): Agent => {
  const swapped = input.swappedMib ?? 0
  const children = (input.children ?? []).map((child, i) =>
    process(input.pid + i + 1, input.pid, child.role, child.label, child.pssMib * 0.7, child.pssMib * 0.3, 0, [child.label, `--root=${input.folder}`]),
  )
  const main = process(input.pid, 1, 'main', input.title, input.anonMib, input.fileMib, swapped, [input.kind, '--api-key=sk-secret-42', input.folder])
  const processes = [main, ...children]
  const sum = (of: 'pssBytes' | 'ussBytes' | 'rssBytes'): number => processes.reduce((total, p) => total + (p.memory.value?.[of] ?? 0), 0)
  const compressedBytes = Math.round((swapped / 3.4) * MIB)
  return {
    id: `${BOOT_ID}:${input.pid}:${input.pid * 10}`,
    pid: input.pid,
    startTimeTicks: input.pid * 10,
    kind: input.kind,
    title: input.title,
    name: input.name,
    projectFolder: known(input.folder),
    uid: 1000,
    state: 'idle',
    idleMs: known(1_380_000),
    ageMs: 7_200_000,
    cgroup: known('/user.slice/user-1000.slice/user@1000.service/app.slice'),
    ownCgroup: false,
    mergeable: known(false),
    processes,
    cost: {
      costBytes: sum('pssBytes') + compressedBytes,
      pssBytes: sum('pssBytes'),
      anonBytes: known(Math.round(input.anonMib * MIB)),
      fileBytes: known(Math.round(input.fileMib * MIB)),
      swapPssBytes: Math.round(swapped * MIB),
      compressedBytes,
      diskSwapBytes: 0,
      ussBytes: sum('ussBytes'),
      rssBytes: sum('rssBytes'),
      unmeasured: 0,
    },
  }
}

export interface SampleMoment {
  takenAtMs: number
  agents: readonly SampleAgent[]
  availableGib: number
  ksmProfitMib?: number
  bootId?: string
  privileged?: boolean
}

export const sampleSnapshot = (moment: SampleMoment): Snapshot => {
  const agents = moment.agents.map(sampleAgent)
  const storedBytes = agents.reduce((sum, agent) => sum + agent.cost.swapPssBytes, 0)
  const poolBytes = agents.reduce((sum, agent) => sum + agent.cost.compressedBytes, 0)
  const memory = {
    totalBytes: 16 * GIB,
    freeBytes: Math.round((moment.availableGib - 1.9) * GIB),
    availableBytes: Math.round(moment.availableGib * GIB),
    buffersBytes: 210 * MIB,
    cachedBytes: Math.round(2.4 * GIB),
    swapCachedBytes: 12 * MIB,
    anonBytes: Math.round((14.6 - moment.availableGib) * GIB),
    shmemBytes: 420 * MIB,
    dirtyBytes: 3 * MIB,
    slabReclaimableBytes: 310 * MIB,
    slabUnreclaimableBytes: 240 * MIB,
    swapTotalBytes: storedBytes > 0 ? 16 * GIB : 0,
    swapFreeBytes: storedBytes > 0 ? 16 * GIB - storedBytes : 0,
  }
  const line = { avg10Percent: 0.12, avg60Percent: 0.4, avg300Percent: 0.2, totalUs: 88_120 }
  return {
    version: 1,
    takenAtMs: moment.takenAtMs,
    monotonicMs: moment.takenAtMs - 1_763_000_000_000,
    bootId: moment.bootId ?? BOOT_ID,
    kernelRelease: '6.12.9-amd64',
    privileged: moment.privileged ?? true,
    machine: {
      memory,
      memoryPressure: known({ some: line, full: known(line) }),
      cpuPressure: missing('not-supported', '/proc/pressure/cpu'),
      ioPressure: missing('not-supported', '/proc/pressure/io'),
      swapDevices: storedBytes > 0 ? [{ path: '/dev/zram0', kind: 'zram', sizeBytes: 16 * GIB, usedBytes: storedBytes, priority: 100 }] : [],
      ksm: known({
        run: moment.ksmProfitMib === undefined ? 0 : 1,
        pagesToScan: 1000,
        sleepMs: 20,
        pagesShared: 9_120,
        pagesSharing: 102_330,
        fullScans: 4,
        pagesScanned: known(3_220_000),
        generalProfitBytes: known(Math.round((moment.ksmProfitMib ?? 0) * MIB)),
        advisorMode: missing('not-supported'),
        smartScan: missing('not-supported'),
      }),
      zswap: missing('not-supported'),
      zram: [],
      vm: { swapInPages: 120, swapOutPages: 88_000, majorFaults: 9_000, refaultAnonPages: known(40), refaultFilePages: known(900), oomKills: known(0) },
    },
    compressed: { poolBytes, storedBytes, poolPerStored: storedBytes === 0 ? missing('not-measured') : known(poolBytes / storedBytes) },
    agents,
    counts: { seen: 412, kernelThreads: 160, vanished: 1, unreadable: 0, ofAgents: agents.reduce((sum, agent) => sum + agent.processes.length, 0) },
    tookMs: 96,
    cpuMs: 81,
  }
}
