/** Programs that make a condition. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { check } from '../../guest/inside/harness.ts'
import { asUser, DEV } from '../../guest/inside/users.ts'

export interface Made { readonly pid: number; end(): Promise<void> }

/** Python as this user, which says "ready" once the condition is there. */
export const python = async (text: string, wrap: readonly string[] = [], asDev = true): Promise<Made> => {
  const words = ['python3', '-u', '-c', text]
  const command = asDev ? asUser(DEV, ...wrap, ...words) : [...wrap, ...words]
  const [program = '', ...args] = command
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const ended = once(child, 'exit')
  let said = ''
  await Promise.race([
    new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('ready')) resolve()
      })
    }),
    ended,
  ])
  check(said.includes('ready'), `the program ended early: ${said}`)
  const pid = Number(/pid (\d+)/u.exec(said)?.[1] ?? child.pid)
  return {
    pid,
    end: async () => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL')
      } catch {
        // Ended by itself.
      }
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It was in the group.
      }
      await ended
    },
  }
}

/** Holds so many MiB of data that nothing can compress, touched once. */
export const holds = (mib: number, more = ''): string => `
import os, time
print('pid', os.getpid())
held = [os.urandom(1 << 20) for _ in range(${mib})]
${more}
print('ready')
time.sleep(100000)
`
