import type { ProcessRef } from '../../contract/agents.ts'
import type { Footprint } from '../../contract/lifecycle.ts'
import { compressedSwap, readMachine } from '../../observe/machine.ts'
import { readProcessMemory } from '../../observe/process.ts'
import { agentCost } from '../cost.ts'

/**
 * Sizes of a tree now, by the same formula as everywhere else. A process that
 * ended counts nothing. The ratio of the pool is the machine's at this moment.
 */
export const footprintOf = async (root: string, processes: readonly ProcessRef[]): Promise<Footprint> => {
  const memories = await Promise.all(processes.map(async ({ pid }) => readProcessMemory(root, pid)))
  const cost = agentCost(memories, compressedSwap(readMachine(root)))
  return {
    costBytes: Math.round(cost.costBytes),
    residentAnonBytes: Math.round(cost.anonBytes.value ?? 0),
    swapPssBytes: Math.round(cost.swapPssBytes),
    compressedBytes: cost.compressedBytes,
    fileBytes: Math.round(cost.fileBytes.value ?? 0),
  }
}
