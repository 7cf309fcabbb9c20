import { spawn } from 'node:child_process'

/**
 * The machine's settings are one of a kind: whoever changes them for a test
 * holds this lock meanwhile. It goes with this process, however it ends.
 */
export const takeKernelLock = async (waitSeconds = 900): Promise<{ release(): Promise<void> }> => {
  const child = spawn('flock', ['--wait', String(waitSeconds), '/tmp/agentmem-kernel.lock', 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('error', reject)
    void ended.then(() => reject(new Error(`the kernel's settings stayed locked by another test for ${waitSeconds} s`)))
  })
  return {
    release: async () => {
      child.stdin.end()
      await ended
    },
  }
}
