import { existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Probe } from '../contract/probe.ts'
import type { Machine } from '../contract/snapshot.ts'
import { known } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { capabilities } from './capabilities.ts'
import { readCgroupLayout } from './cgroup.ts'
import { missingFrom, readText, under } from './files.ts'
import { atLeast, kernelVersionOf, readBootId, readKernelConfig, readKernelRelease } from './kernel.ts'
import { MODULE_PARAMETERS, readKernelModule } from './kernel-module.ts'
import { KSM_FOLDER } from './ksm.ts'
import { readMachine } from './machine.ts'
import { mountOf, readMounts } from './mounts.ts'
import { SWAP_FOLDER } from './swaps.ts'
import { reservedPageFiles, TUNABLE_FILES } from './tunables.ts'
import { ZSWAP_FOLDER } from './zswap.ts'

/** Every kernel file that a layer may write, for this machine. */
export const writableFiles = (machine: Machine): string[] => [
  ...['run', 'pages_to_scan', 'sleep_millisecs', 'advisor_mode', 'smart_scan', 'advisor_target_scan_time'].map((name) => `${KSM_FOLDER}/${name}`),
  ...['enabled', 'compressor', 'max_pool_percent', 'shrinker_enabled'].map((name) => `${ZSWAP_FOLDER}/${name}`),
  ...TUNABLE_FILES,
  ...MODULE_PARAMETERS,
  ...machine.zram.flatMap(({ name }) => [`/sys/block/${name}/comp_algorithm`, `/sys/block/${name}/disksize`]),
]

const readFiles = (root: string, machine: Machine): Record<string, Reading<string>> =>
  Object.fromEntries([...writableFiles(machine), ...reservedPageFiles(root)].map((path) => {
    const text = readText(under(root, path))
    return [path, text.value === null ? text : known(text.value.trim())]
  }))

const KNOWN_COMPRESSORS = ['zstd', 'lz4', 'lz4hc', 'lzo-rle', 'lzo', 'deflate', '842']

/**
 * Compressors that have registered with the kernel (/proc/crypto), and the one
 * in use. A module may still be loaded on demand, so a name that is missing
 * here may work, and one that is here may be refused: only trying tells.
 */
export const parseCompressors = (text: string): string[] => {
  const names = new Set<string>()
  for (const block of text.split(/\n\s*\n/u)) {
    const name = /^name\s*:\s*(\S+)$/mu.exec(block)?.[1]
    const type = /^type\s*:\s*(\S+)$/mu.exec(block)?.[1]
    if (name !== undefined && (type === 'acomp' || type === 'scomp' || type === 'compression')) names.add(name)
  }
  return KNOWN_COMPRESSORS.filter((name) => names.has(name))
}

const readZswapCompressors = (root: string, machine: Machine): string[] => {
  if (machine.zswap.value === null) return []
  const registered = parseCompressors(readText(under(root, '/proc/crypto')).value ?? '')
  const current = machine.zswap.value.compressor
  return registered.includes(current) || current === '' ? registered : [...registered, current]
}

const readSwapFolder = (root: string): Probe['swapFolder'] => {
  let path = SWAP_FOLDER
  // Existence that may not be asked about (a 0700 folder above) counts as absence: the parent is on the same file system.
  while (path !== '/' && !existsSync(under(root, path))) path = dirname(path)
  const fileSystem = mountOf(readMounts(root), path)?.type ?? 'unknown'
  try {
    const space = statfsSync(under(root, path))
    return { path, freeBytes: known(space.bavail * space.bsize), fileSystem }
  } catch (error) {
    return { path, freeBytes: missingFrom(error, path, 'not-supported'), fileSystem }
  }
}

/** What this machine offers, by reading only; works for an ordinary user and on a captured tree. */
export const readProbe = (root: string): Probe => {
  const machine = readMachine(root)
  const kernelRelease = readKernelRelease(root)
  const kernelVersion = kernelVersionOf(kernelRelease)
  const config = readKernelConfig(root, kernelRelease)
  const { version, memoryController, memoryReclaim } = readCgroupLayout(root)
  const has = (option: string): boolean => config === null || config.has(option)
  const facts: Omit<Probe, 'capabilities'> = {
    version: 1,
    bootId: readBootId(root),
    kernelRelease,
    kernelVersion,
    machine,
    files: readFiles(root, machine),
    zswapCompressors: readZswapCompressors(root, machine),
    zramControl: existsSync(under(root, '/sys/class/zram-control/hot_add')),
    swapFolder: readSwapFolder(root),
    cgroup: { version, memoryController, memoryReclaim },
    processMadvise: atLeast(kernelVersion, 5, 10) && has('CONFIG_ADVISE_SYSCALLS'),
    processMerge: atLeast(kernelVersion, 6, 4) && machine.ksm.value !== null,
    mergeSurvivesExec: atLeast(kernelVersion, 6, 7) && machine.ksm.value !== null,
    kernelModule: readKernelModule(root, kernelRelease),
  }
  const swap = readText(under(root, '/proc/swaps')).value !== null
  const processRollup = atLeast(kernelVersion, 4, 14)
  return { ...facts, capabilities: capabilities(facts, { config, swap, processRollup }) }
}
