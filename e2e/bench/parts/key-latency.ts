import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface KeyWatch {
  /** Types one character; answers with the milliseconds until the pane's screen changed, or null where it did not within `limitMs`. */
  press(key: string, limitMs: number): Promise<number | null>
  stop(): Promise<void>
}

/**
 * Watches one pane through tmux's control mode: the time from `send-keys`
 * until the first `%output` of that pane is what a person at it would wait.
 */
export const watchPane = async (socket: string, pane: string): Promise<KeyWatch> => {
  const child = spawn('tmux', ['-S', socket, '-C', 'attach-session', '-t', pane], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  let heard: ((atMs: number) => void) | null = null
  let rest = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const atMs = performance.now()
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    if (lines.some((line) => line.startsWith(`%output ${pane} `))) heard?.(atMs)
  })
  // Attaching draws nothing in control mode; it answers with a block first.
  await sleep(300)
  return {
    press: async (key, limitMs) => {
      const changed = new Promise<number>((resolve) => { heard = resolve })
      const startedMs = performance.now()
      child.stdin.write(`send-keys -t ${pane} -l ${key}\n`)
      const atMs = await Promise.race([changed, sleep(limitMs).then(() => null)])
      heard = null
      return atMs === null ? null : atMs - startedMs
    },
    stop: async () => {
      child.stdin.end()
      await ended
    },
  }
}
