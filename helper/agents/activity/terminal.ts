import { forbids, works, type Evidence } from './finding.ts'

/** The kernel moves the times of a terminal once in 8 s at most: two moves within this time are output that goes on. */
const WINDOW_MS = 60_000
const SUSTAINED = 2
/** So long after the last output it counts as ended: on a starved machine spinners were seen to pause for 24 s. */
const FRESH_MS = 30_000

/**
 * What was written to the agent's terminal and read from it. An agent at work
 * draws a spinner, a counter or its answer all the time; a redraw once a
 * minute (a clock, a line of state) is none. Anything read is the user, or the user's terminal saying that it
 * has the focus.
 */
export const createTerminalEvidence = (): Evidence => {
  let device: string | null = null
  let inputAtMs = 0
  let outputs: number[] = []
  return ({ terminal, atMs }) => {
    if (terminal === null) return [forbids('lock', 'runs without a terminal: whoever started it may wait for it, and no key can wake it')]
    const { raw = true } = terminal
    const single = raw === true ? [] : [forbids('lock', raw === null
      ? 'whether it is at a prompt cannot be seen: the mode of its terminal cannot be read'
      : 'it is not at a prompt: its terminal is in line mode, as while it does a single task and ends')]
    if (terminal.device !== device) {
      device = terminal.device
      inputAtMs = terminal.inputAtMs
      outputs = [terminal.outputAtMs]
      return single
    }
    const typed = terminal.inputAtMs > inputAtMs
    inputAtMs = terminal.inputAtMs
    if (terminal.outputAtMs !== outputs.at(-1)) outputs.push(terminal.outputAtMs)
    outputs = outputs.filter((time) => time > atMs - WINDOW_MS)
    return [
      ...single,
      ...(typed ? [works('terminal-input', 'its terminal was typed into')] : []),
      ...(outputs.length >= SUSTAINED && atMs - (outputs.at(-1) ?? 0) < FRESH_MS ? [works('terminal-output', 'goes on writing to its terminal')] : []),
    ]
  }
}
