import { readText, integer, under } from '../../observe/files.ts'
import { readMeminfo, machineMemory } from '../../observe/meminfo.ts'
import { readPressure } from '../../observe/pressure.ts'
import { readSwaps } from '../../observe/swaps.ts'
import { readVmCounters } from '../../observe/vmstat.ts'
import type { Ability } from '../../contract/lifecycle.ts'

/** The few figures of the machine that the policy acts on; four small files. */
export interface PolicySigns {
  readonly availableBytes: number
  readonly totalBytes: number
  /** Memory pressure, some avg10; null without PSI. */
  readonly psiPercent: number | null
  readonly refaults: number
}

export const readSigns = (root: string): PolicySigns => {
  const meminfo = readMeminfo(root)
  const memory = meminfo.value === null ? null : machineMemory(meminfo.value)
  const vm = readVmCounters(root)
  return {
    availableBytes: memory?.availableBytes ?? 0,
    totalBytes: memory?.totalBytes ?? 0,
    psiPercent: readPressure(root, 'memory').value?.some.avg10Percent ?? null,
    refaults: vm.refaultAnonPages.value ?? vm.swapInPages,
  }
}

/**
 * Where paged-out memory of agents may go: compressed memory. Plain disk swap
 * was measured to win next to nothing, and keeps what agents hold in clear.
 */
export const compressedSwapProblem = (root: string): string | null => {
  const swaps = readSwaps(root)
  const room = swaps.some((swap) => swap.sizeBytes > swap.usedBytes)
  if (swaps.length === 0) return 'There is no swap to page out to. Turn on compressed swap in Presets.'
  if (!room) return 'All swap is full. Turn on more compressed swap in Presets.'
  const zswap = readText(under(root, '/sys/module/zswap/parameters/enabled')).value?.trim() === 'Y'
  if (zswap || swaps.some((swap) => swap.kind === 'zram' && swap.sizeBytes > swap.usedBytes)) return null
  return 'Swap is on a disk only: paging out to it wins next to nothing. Turn on compressed swap in Presets.'
}

/** Trimming needs somewhere to go to, and whoever may page out. */
export const trimAbility = (root: string, suspend: Ability): Ability => {
  const problem = compressedSwapProblem(root)
  if (problem !== null) return { how: null, text: problem }
  return suspend.how === null ? suspend : { how: suspend.how, text: 'Idle agents are paged out bit by bit, as long as nothing comes back.' }
}

/** RssAnon of a process, from its status: no walk over its page tables. */
export const residentAnonBytes = (root: string, pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const text = readText(under(root, `/proc/${pid}/status`), 'vanished').value
    return sum + (integer(/^RssAnon:\s+(\d+) kB$/mu.exec(text ?? '')?.[1]) ?? 0) * 1024
  }, 0)
