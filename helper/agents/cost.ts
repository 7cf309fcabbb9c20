import type { AgentCost, ProcessMemory } from '../contract/agents.ts'
import { known, missing } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import type { CompressedSwap } from '../observe/machine.ts'

/** Sum of readings that are there; missing when none is. */
const sumReadings = (readings: readonly Reading[]): Reading => {
  const values = readings.flatMap((reading) => (reading.value === null ? [] : [reading.value]))
  if (values.length > 0) return known(values.reduce((sum, value) => sum + value, 0))
  return readings[0]?.value === null ? readings[0] : missing('not-measured')
}

/**
 * cost = PSS + SwapPss x (share of swapped pages held in a pool) x (pool /
 * stored). Whose pages are in the pool and whose on disk the kernel does not
 * say, so the machine's share is taken for every agent. Shared memory counts
 * with the file-backed part, so that anonymous and file-backed add up to PSS.
 */
export const agentCost = (memories: readonly Reading<ProcessMemory>[], compressed: CompressedSwap): AgentCost => {
  const read = memories.flatMap((memory) => (memory.value === null ? [] : [memory.value]))
  const sum = (of: (memory: ProcessMemory) => number): number => read.reduce((total, memory) => total + of(memory), 0)
  const pssBytes = sum((memory) => memory.pssBytes)
  const swapPssBytes = sum((memory) => memory.swapPssBytes)
  const heldBytes = swapPssBytes * (compressed.shareHeld.value ?? 0)
  const compressedBytes = Math.round(heldBytes * (compressed.poolPerStored.value ?? 0))
  return {
    costBytes: pssBytes + compressedBytes,
    pssBytes,
    anonBytes: sumReadings(read.map((memory) => memory.pssAnonBytes)),
    fileBytes: sumReadings(read.flatMap((memory) => [memory.pssFileBytes, memory.pssShmemBytes])),
    swapPssBytes,
    compressedBytes,
    diskSwapBytes: Math.round(swapPssBytes - heldBytes),
    ussBytes: sum((memory) => memory.ussBytes),
    rssBytes: sum((memory) => memory.rssBytes),
    unmeasured: memories.length - read.length,
  }
}
