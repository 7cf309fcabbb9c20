import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Asked } from '../../contract/lifecycle.ts'
import { missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { readProcessMemory } from '../../observe/process.ts'
import { collectGarbage, inspectorPort } from './inspector.ts'
import { canTrim, sendTrim } from './trim.ts'

/** What was freed is given back within this time. */
const SETTLE_MS = 600

const resident = async (root: string, pid: number): Promise<Reading> => {
  const memory = await readProcessMemory(root, pid)
  if (memory.value === null) return memory
  return { value: memory.value.pssBytes }
}

const askOne = async (root: string, ref: ProcessRef): Promise<Asked> => {
  const port = inspectorPort(root, ref)
  const how = port !== null ? 'v8-inspector' : canTrim(root, ref) ? 'malloc-trim' : 'none'
  if (how === 'none') {
    const none = missing('not-supported', 'nothing to ask it by')
    return { ...ref, how, beforeBytes: none, afterBytes: none, text: 'It cannot be asked: no inspector is open, and it was not started by agentmem-run --trim.' }
  }
  const beforeBytes = await resident(root, ref.pid)
  let text = 'Asked to give free memory back.'
  if (port !== null) {
    const collected = await collectGarbage(port)
    text = collected.ok ? 'Collected its garbage.' : `${collected.error.message} ${collected.error.got ?? ''}`.trim()
  } else if (!sendTrim(ref)) text = 'It ended before it could be asked.'
  await sleep(SETTLE_MS)
  return { ...ref, how, beforeBytes, afterBytes: await resident(root, ref.pid), text }
}

/** Asks each process of an agent to give memory back by itself; figures are PSS before and after. */
export const askToFree = async (root: string, processes: readonly ProcessRef[]): Promise<Asked[]> => {
  const asked: Asked[] = []
  // One after the other: collections of a whole agent at once would be felt.
  for (const ref of processes) asked.push(await askOne(root, ref))
  return asked
}
