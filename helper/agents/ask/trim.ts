import type { ProcessRef } from '../../contract/agents.ts'
import { processStartTicks } from '../../actions/process-check.ts'
import { readText, under } from '../../observe/files.ts'

/** SIGRTMIN + 9 as glibc counts: native/user/preload/trim.c. */
export const TRIM_SIGNAL = 43

/**
 * Whether the process waits for the signal: our shim is loaded and a handler
 * is set. Without one the signal would end the process.
 */
export const canTrim = (root: string, ref: ProcessRef): boolean => {
  const status = readText(under(root, `/proc/${ref.pid}/status`), 'vanished').value ?? ''
  const caught = /^SigCgt:\s+([0-9a-f]{16})$/mu.exec(status)?.[1]
  if (caught === undefined || (BigInt(`0x${caught}`) >> BigInt(TRIM_SIGNAL - 1)) % 2n !== 1n) return false
  const maps = readText(under(root, `/proc/${ref.pid}/maps`), 'vanished').value ?? ''
  // Last: the look that must hold when the signal is sent.
  return /\/agentmem-trim\.so$/mu.test(maps) && processStartTicks(root, ref.pid) === ref.startTimeTicks
}

/** True once the signal is on its way. */
export const sendTrim = (ref: ProcessRef): boolean => {
  try {
    return process.kill(ref.pid, TRIM_SIGNAL)
  } catch {
    return false
  }
}
