import { forbids, works, type Evidence } from './finding.ts'

/** The kernel moves the times of a terminal once in 8 s at most: three moves are output at least 16 s apart. */
const WINDOW_MS = 60_000
const SUSTAINED = 3

/**
 * What was written to the agent's terminal and read from it. An agent at work
 * draws a spinner, a counter or its answer all the time; a redraw now and then
 * is none. Anything read is the user, or the user's terminal saying that it
 * has the focus.
 */
export const createTerminalEvidence = (): Evidence => {
  let device: string | null = null
  let inputAtMs = 0
  let outputs: number[] = []
  return ({ terminal, atMs }) => {
    if (terminal === null) return [forbids('lock', 'runs without a terminal: whoever started it may wait for it, and no key can wake it')]
    if (terminal.device !== device) {
      device = terminal.device
      inputAtMs = terminal.inputAtMs
      outputs = [terminal.outputAtMs]
      return []
    }
    const typed = terminal.inputAtMs > inputAtMs
    inputAtMs = terminal.inputAtMs
    if (terminal.outputAtMs !== outputs.at(-1)) outputs.push(terminal.outputAtMs)
    outputs = outputs.filter((time) => time > atMs - WINDOW_MS)
    return [
      ...(typed ? [works('terminal-input', 'its terminal was typed into')] : []),
      ...(outputs.length >= SUSTAINED ? [works('terminal-output', 'goes on writing to its terminal')] : []),
    ]
  }
}
