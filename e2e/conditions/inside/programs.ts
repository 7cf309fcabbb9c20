/** Conditions that one program makes. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { check, read, tryRun, until } from '../../guest/inside/harness.ts'
import { asUser, DEV } from '../../guest/inside/users.ts'
import { AGENTMEMCTL, typed } from './ask.ts'
import type { Condition } from './condition.ts'
import { meminfo, perl, python, pythonWords, writeSettings } from './make.ts'

const MIB = 1024 * 1024
const KSM = '/sys/kernel/mm/ksm'

const asDev = (...words: readonly string[]): ReturnType<typeof tryRun> => {
  const [program = '', ...args] = asUser(DEV, ...words)
  return tryRun(program, args)
}
const service = (name: string, text: string, ...properties: readonly string[]): void => {
  const { status, out } = asDev('systemd-run', '--user', '--quiet', '--collect', `--unit=${name}`, ...properties.flatMap((each) => ['-p', each]), ...pythonWords(text))
  check(status === 0, `${name}: ${out}`)
}
const groupOf = (unit: string): string => `/sys/fs/cgroup/user.slice/user-${DEV.uid}.slice/user@${DEV.uid}.service/app.slice/${unit}`
const held = (unit: string): number => Number(read(`${groupOf(unit)}/memory.current`) || 0)

/** A build that starts a step of 90 MiB again and again; in a group whose limit is 60 MiB each of them is ended. */
const BUILD = `
import subprocess
open('/tmp/steps', 'w').write('0 0')
done = ended = 0
ready()
while True:
  # A step that is large in the end, after a while of being small.
  step = subprocess.run([sys.executable, '-c', 'import os, time\\nheld = [os.urandom(1 << 20) for _ in range(90)]'])
  if step.returncode == 0: done += 1
  else: ended += 1
  open('/tmp/steps', 'w').write(f'{done} {ended}')
  time.sleep(1)
`
const steps = (): { done: number; ended: number } => {
  const [done = 0, ended = 0] = read('/tmp/steps').split(' ').map(Number)
  return { done, ended }
}

/** Of the next four steps, how many come to their end. */
const stepsThatEnd = async (): Promise<number> => {
  const before = steps()
  await until('four steps', () => steps().done + steps().ended >= before.done + before.ended + 4, 120_000)
  return steps().done - before.done
}

/** Programs that hold the same 30 MiB; started by the launcher all of it may be merged. */
const EQUAL = "import random\nrandom.seed(7)\nheld = [bytearray(random.randbytes(MIB)) for _ in range(30)]\nready()\ntime.sleep(100000)"

export const programConditions: readonly Condition[] = [
  {
    name: 'leaking process',
    finds: 'leaks.process-grows',
    make: async (later) => {
      later(() => asDev('systemctl', '--user', 'stop', 'leaky.service'))
      service('leaky', "held = half(60)\nready()\nwhile True:\n  held += half(1)\n  time.sleep(0.6)")
      await until('it to hold something', () => held('leaky.service') > 60 * MIB)
    },
    asks: 4,
    solution: 'restart-it',
    act: async () => {
      check(asDev('systemctl', '--user', 'restart', 'leaky.service').status === 0, 'it did not restart')
      await until('it to work again', () => held('leaky.service') > 60 * MIB)
    },
    figure: { what: 'held by the program', unit: 'MiB', read: () => held('leaky.service'), must: 'fall', least: 64 * MIB },
  },
  {
    name: 'runaway tmpfs',
    finds: 'memory-files.tmpfs',
    make: async (later) => {
      later(() => { rmSync('/dev/shm/runaway', { force: true }) })
      check(asDev('dd', 'if=/dev/urandom', 'of=/dev/shm/runaway', 'bs=1M', 'count=560').status === 0, 'it was not written')
    },
    solution: 'list-files',
    act: (_, solution) => {
      const out = typed(solution)
      check(out.includes('/dev/shm/runaway'), `the list does not name it: ${out}`)
      check(asDev('rm', '/dev/shm/runaway').status === 0, 'it could not be deleted')
    },
    figure: { what: 'available memory', unit: 'MiB', read: () => meminfo('MemAvailable'), must: 'rise', least: 400 * MIB },
  },
  {
    name: 'locked memory',
    finds: 'virtual-memory.locked',
    make: async (later) => {
      await perl("area(400 * $MIB);\nsyscall($MLOCKALL, 1) == 0 or die \"mlockall: $!\";\nready();\nsleep 100000 while 1;", { later, mayLock: true })
    },
    solution: 'end-holder',
    act: async ({ explanation }) => {
      // Whom it names is ended, as a person would.
      const pid = Number(/\(process (\d+)\)/u.exec(explanation)?.[1])
      check(Number.isSafeInteger(pid), `it names nobody: ${explanation}`)
      process.kill(pid, 'SIGTERM')
      await until('it to end', () => !readdirSync('/proc').includes(String(pid)))
    },
    figure: { what: 'locked memory', unit: 'MiB', read: () => meminfo('Mlocked'), must: 'fall', least: 300 * MIB },
  },
  {
    name: 'cgroup OOM',
    isCaptured: true,
    finds: 'cgroups.oom-kill',
    make: async (later) => {
      later(() => {
        asDev('systemctl', '--user', 'stop', 'build.service')
        rmSync('/tmp/steps', { force: true })
      })
      service('build', BUILD, 'MemoryMax=60M', 'MemorySwapMax=0', 'OOMPolicy=continue')
      await until('a step to be ended', () => steps().ended > 0)
    },
    solution: 'raise-limit',
    act: (_, solution) => void typed(solution),
    figure: { what: 'steps that come to their end, of four', unit: 'count', read: stepsThatEnd, must: 'rise', least: 3 },
  },
  {
    name: 'KSM without candidates',
    isCaptured: true,
    finds: 'ksm.nothing-offered',
    make: async (later) => {
      // Taken apart again, before its settings go back.
      writeSettings({ [`${KSM}/run`]: '1', [`${KSM}/pages_to_scan`]: '2000' }, later)
      later(() => { writeFileSync(`${KSM}/run`, '2') })
    },
    solution: 'launch-merged',
    act: async (_, _solution, later) => {
      for (let more = 0; more < 3; more += 1) await python(EQUAL, { later, launcher: [...AGENTMEMCTL, 'run', '--'] })
      await until('equal pages to be merged', () => Number(read(`${KSM}/pages_sharing`)) * 4096 > 50 * MIB, 120_000)
    },
    figure: { what: 'saved by merging', unit: 'MiB', read: () => Number(read(`${KSM}/general_profit`)), must: 'rise', least: 40 * MIB },
  },
]
