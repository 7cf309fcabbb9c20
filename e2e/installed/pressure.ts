import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const V1 = '/sys/fs/cgroup/memory'

/** Why pressure cannot be made here without harm to others; null when it can. */
export const pressureProblem = (): string | null =>
  existsSync(join(V1, 'memory.limit_in_bytes')) && readFileSync('/proc/pressure/memory', 'utf8') !== '' ? null : 'needs a v1 memory cgroup: pressure is made inside a limit, so that nothing else runs short'

/** "some" of the last ten seconds, in percent. */
export const somePercent = (): number => Number(/^some avg10=([\d.]+)/mu.exec(readFileSync('/proc/pressure/memory', 'utf8'))?.[1] ?? Number.NaN)

/**
 * Programs that need more memory than the cgroup they are in allows: they wait
 * for it all the time, which the machine's own pressure figures count.
 */
export const makePressure = async (programs = 4): Promise<{ stop(): Promise<void> }> => {
  const folder = join(V1, `agentmem-pressure-${process.pid}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'memory.limit_in_bytes'), String(programs * 24 * 1024 * 1024))
  const walk = 'import time\nheld = bytearray(48 * 1024 * 1024)\nat = 0\nwhile True:\n    held[at] = (held[at] + 1) % 256\n    at = (at + 4096 * 37) % len(held)\n'
  const children = Array.from({ length: programs }, () => spawn('sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec python3 -c "$1"', folder, walk], { stdio: 'ignore' }))
  const ended = Promise.all(children.map((child) => new Promise((resolve) => { child.once('exit', resolve) })))
  return {
    stop: async () => {
      for (const child of children) child.kill('SIGKILL')
      await ended
      for (let turn = 0; turn < 50; turn += 1) {
        try {
          rmdirSync(folder)
          return
        } catch {
          await sleep(100) // the kernel still tidies up
        }
      }
    },
  }
}
