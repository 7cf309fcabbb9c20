import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Share of the last ten seconds in which somebody waited for a CPU, in percent; 0 where a kernel without PSI cannot say. */
export const cpuPressurePercent = (): number => {
  try {
    return Number(/^some avg10=([\d.]+)/u.exec(readFileSync('/proc/pressure/cpu', 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Others' work is no part of what is measured: waits for a quieter moment, but no longer than this. */
export const waitForQuiet = async (mostSeconds: number): Promise<void> => {
  for (let i = 0; i < mostSeconds / 2 && cpuPressurePercent() > 20; i += 1) await sleep(2000)
}
