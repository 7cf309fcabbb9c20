import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { z } from 'zod'
import { cpuPressurePercent, waitForQuiet } from './parts/quiet.ts'
import { createRows, quantile } from './parts/rows.ts'

/**
 * What a diagnosis costs on a machine with 300 processes more than it had, that
 * it gives the same bytes for the same captured machine, that it finds nothing
 * on captured healthy ones, and what watching costs.
 */
const PROCESSES = 300
const ROUNDS = 5
const projectDir = fileURLToPath(new URL('../..', import.meta.url))
const machines = join(projectDir, 'helper/test/machines')
const { atMost, below, atLeast, shown, print } = createRows('diagnose')

const work = mkdtempSync(join(tmpdir(), 'agentmem-bench-diagnose-'))
const usageFile = join(work, 'usage.json')
const usageModule = join(work, 'usage.cjs')
const usageSchema = z.object({ peakKib: z.number(), cpuMs: z.number() })

interface Ran { readonly wallMs: number; readonly peakMb: number; readonly cpuMs: number; readonly out: string }

/** By its first line, as its users start it: with this Node. */
const agentmemctl = join(projectDir, 'electron/cli/agentmemctl.cjs')
const pinned = { PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` }

/** Runs a program with these words; it says itself at its end what it took, since the maxrss of a child counts what its parent had at the fork. */
const run = ([program = '', ...words]: readonly string[], env: NodeJS.ProcessEnv = {}): Ran => {
  rmSync(usageFile, { force: true })
  const startedMs = performance.now()
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...pinned, ...env, NODE_OPTIONS: `--require ${usageModule}` } })
  const wallMs = performance.now() - startedMs
  if (status !== 0 || !existsSync(usageFile)) throw new Error(`${program} ${words.join(' ')} ended with ${status}: ${stderr.slice(-1000)}`)
  const usage = usageSchema.parse(JSON.parse(readFileSync(usageFile, 'utf8')))
  return { wallMs, peakMb: usage.peakKib / 1024, cpuMs: usage.cpuMs, out: stdout }
}

/** As what is shipped: one file, nothing compiled at the start. */
const bundled = async (input: string, name: string): Promise<string> => {
  const file = join(work, name)
  const bundle = await rolldown({ input: join(projectDir, input), platform: 'node', logLevel: 'warn' })
  await bundle.write({ file, format: 'esm', codeSplitting: false })
  await bundle.close()
  return file
}

/** Sleeping processes; one in ten holds between 1 and 30 MB, in a tail that cannot write. */
const startSleepers = (): ChildProcess[] =>
  Array.from({ length: PROCESSES }, (_, i) =>
    i % 10 === 0 && i > 0
      ? spawn('sh', ['-c', `head -c ${i / 10}M /dev/zero | tail -c ${i / 10}M | sleep 900`], { stdio: 'ignore', detached: true })
      : spawn('sleep', ['900'], { stdio: 'ignore', detached: true }))

const endSleepers = async (children: readonly ChildProcess[]): Promise<void> => {
  for (const { pid } of children) if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  while (children.some((child) => child.exitCode === null && child.signalCode === null)) await sleep(20)
}

/** Waits for a quieter moment where it can be waited for, and says how quiet it was. */
const quiet = async (): Promise<void> => {
  if (ahead.length === 0) await waitForQuiet(60)
  shown(`share of time in which somebody waits for a CPU${ahead.length > 0 ? ' (what is timed below goes before)' : ''}`, cpuPressurePercent(), '%')
}

/** The app as it runs in the background of somebody's session. */
const startApp = async (env: NodeJS.ProcessEnv): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [join(projectDir, 'electron/browser/main.ts'), '--no-open'], { stdio: 'ignore', env: { ...process.env, ...env } })
  const socket = join(env['XDG_RUNTIME_DIR'] ?? '', 'agentmem/app.sock')
  for (let i = 0; i < 600 && !existsSync(socket); i += 1) {
    if (child.exitCode !== null) throw new Error(`the app ended with ${child.exitCode}`)
    await sleep(100)
  }
  return child
}

/** It ends its session bus and helper before itself. */
const endApp = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGTERM')
  for (let i = 0; i < 100 && child.exitCode === null && child.signalCode === null; i += 1) await sleep(100)
}

const judgementSchema = z.object({ processes: z.int(), findings: z.array(z.object({ rule: z.string(), subject: z.string() })), silent: z.array(z.string()), couldNotLook: z.array(z.unknown()) })

/** Where root may, ahead of everybody: then the time on the clock is the program's own, however busy others keep the machine. */
const ahead: readonly string[] = spawnSync('chrt', ['-f', '1', 'true']).status === 0 ? ['chrt', '-f', '1'] : []

interface Measured { readonly what: string; readonly words: readonly string[]; readonly env?: NodeJS.ProcessEnv; readonly rounds: Ran[] }
const measured = (what: string, words: readonly string[], env?: NodeJS.ProcessEnv): Measured => ({ what, words, rounds: [], ...(env === undefined ? {} : { env }) })

/** In turns, so that what others do meanwhile falls on all of them. */
const inTurns = (all: readonly Measured[]): void => {
  for (const { words, env } of all) run(words, env) // the first fills caches of files, and of compiled code, and makes a history
  for (let i = 0; i < ROUNDS; i += 1) for (const { words, env, rounds } of all) rounds.push(run([...ahead, ...words], env))
}

const told = ({ what, rounds }: Measured, musts: boolean): void => {
  const [timeMs, peakMb] = [quantile(rounds.map((one) => one.wallMs), 0.5), Math.max(...rounds.map((one) => one.peakMb))]
  if (musts) below(`${what}, time, median`, timeMs, 300, 'ms')
  else shown(`${what}, time, median`, timeMs, 'ms')
  shown('  the fastest', Math.min(...rounds.map((one) => one.wallMs)), 'ms')
  shown('  CPU, median', quantile(rounds.map((one) => one.cpuMs), 0.5), 'ms')
  if (musts) below('  peak resident memory, worst', peakMb, 60, 'MB')
  else shown('  peak resident memory, worst', peakMb, 'MB')
}

/** Expected findings of a captured machine; none where nothing is said. */
const expectedOf = (folder: string): string[] => {
  const file = join(folder, 'findings.json')
  return existsSync(file) ? z.array(z.string()).parse(JSON.parse(readFileSync(file, 'utf8'))) : []
}

const onCaptures = (program: string): void => {
  const names = readdirSync(machines, { withFileTypes: true }).filter((entry) => entry.isDirectory() && existsSync(join(machines, entry.name, 'looks'))).map((entry) => entry.name)
  let differing = 0
  let wrong = 0
  const looking = new Set<string>()
  for (const name of names) {
    const folder = join(machines, name)
    const ofLooks = [process.execPath, program, '--looks', join(folder, 'looks')]
    const ways = existsSync(join(folder, 'proc/meminfo')) ? [ofLooks, [process.execPath, program, '--root', folder]] : [ofLooks]
    for (const words of ways) if (run(words).out !== run(words).out) differing += 1
    const judgement = judgementSchema.parse(JSON.parse(run(ofLooks).out))
    const found = judgement.findings.map(({ rule, subject }) => `${rule} ${subject}`.trim())
    const expected = expectedOf(folder)
    for (const one of [...found.filter((each) => !expected.includes(each)), ...expected.filter((each) => !found.includes(each))]) {
      wrong += 1
      console.log(`${name}: ${found.includes(one) ? 'found' : 'did not find'} ${one}`)
    }
    for (const rule of judgement.silent) looking.add(rule)
  }
  atLeast('captured machines with looks', names.length, 3, '')
  atMost('captured machines whose JSON differs from time to time', differing, 0, '')
  atMost('findings on captured healthy machines that are false', wrong, 0, '')
  shown('  rules that looked there', looking.size, '')
}

/** CPU time so far of a process and of everything it started, by pid: a session helper that the command starts counts too. */
const treeCpuMs = (top: number): Map<number, number> => {
  const parents = new Map<number, { parent: number; cpuMs: number }>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      parents.set(Number(name), { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 })
    } catch {
      // ended in between
    }
  }
  const isBelow = (pid: number): boolean => pid === top || (pid > 1 && isBelow(parents.get(pid)?.parent ?? 0))
  return new Map([...parents].flatMap(([pid, { cpuMs }]): [number, number][] => (isBelow(pid) ? [[pid, cpuMs]] : [])))
}

const SETTLE_MS = 6000
const WATCH_MS = 40_000

/** From where it has started: a command that is left running starts once. */
const watching = async (env: NodeJS.ProcessEnv): Promise<void> => {
  const child = spawn(agentmemctl, ['memory-watch', '--interval', '1', '--json'], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...pinned, ...env } })
  const top = child.pid ?? 0
  const seen = { looks: 0 }
  child.stdout.on('data', (text: Buffer) => { seen.looks += text.toString('utf8').split('\n').length - 1 })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    while (seen.looks === 0 && child.exitCode === null) await sleep(50)
    await sleep(SETTLE_MS)
    const [before, looksBefore, startedMs] = [treeCpuMs(top), seen.looks, performance.now()]
    await sleep(WATCH_MS)
    const after = treeCpuMs(top)
    const elapsedMs = performance.now() - startedMs
    const spentMs = [...after].reduce((sum, [pid, cpuMs]) => sum + cpuMs - (before.get(pid) ?? 0), 0)
    below('memory-watch, one look a second, share of a core', (spentMs / elapsedMs) * 100, 1, '%')
    atLeast('  looks a second', ((seen.looks - looksBefore) * 1000) / elapsedMs, 0.8, '')
    shown('  processes, with those it started', after.size, '')
    shown('  resident memory of its own', Number(/^VmRSS:\s+(\d+)/mu.exec(readFileSync(`/proc/${top}/status`, 'utf8'))?.[1] ?? 0) / 1024, 'MB')
  } finally {
    child.kill('SIGINT')
    await ended
  }
}

const sleepers: ChildProcess[] = []
let app: ChildProcess | null = null
try {
  // A script that is read before the program: an imported module would load more of Node than the program itself does.
  writeFileSync(usageModule, `process.on('exit', () => { const { readFileSync, writeFileSync } = require('node:fs'); const { user, system } = process.cpuUsage(); const peak = /^VmHWM:\\s+(\\d+)/mu.exec(readFileSync('/proc/self/status', 'utf8')); writeFileSync(${JSON.stringify(usageFile)}, JSON.stringify({ peakKib: Number(peak[1]), cpuMs: (user + system) / 1000 })) })\n`)
  const program = await bundled('electron/app/diagnose/judge-cli.ts', 'judge.mjs')
  onCaptures(program)
  sleepers.push(...startSleepers())
  await sleep(2000)
  const seen = judgementSchema.parse(JSON.parse(run([process.execPath, program]).out)).processes
  atLeast('processes looked at', seen, PROCESSES, '')
  await quiet()
  // A home of its own: no journal, no history, nobody's settings, no app that answers.
  const homeOf = (name: string): NodeJS.ProcessEnv => ({ HOME: join(work, name), XDG_STATE_HOME: join(work, name, 'state'), XDG_CONFIG_HOME: join(work, name, 'config'), XDG_CACHE_HOME: join(work, name, 'cache'), XDG_RUNTIME_DIR: join(work, name) })
  const [env, withApp] = [homeOf('alone'), homeOf('app')]
  for (const name of ['alone', 'app']) mkdirSync(join(work, name), { mode: 0o700 })
  const built = spawnSync(process.execPath, [join(projectDir, 'tools/cli-bundle.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`tools/cli-bundle.mjs: ${built.stderr}`)
  await watching(env)
  app = await startApp(withApp)
  const node = measured('Node alone', [process.execPath, '-e', '0'])
  const look = measured('a look and all rules, as one file', [process.execPath, program])
  const alone = measured('agentmemctl memory-diagnose, no app running', [agentmemctl, 'memory-diagnose', '--json'], env)
  const beside = measured('agentmemctl memory-diagnose, the app running', [agentmemctl, 'memory-diagnose', '--json'], withApp)
  inTurns([node, look, alone, beside])
  for (const each of [node, look]) told(each, false)
  for (const each of [alone, beside]) told(each, true)
} finally {
  if (app !== null) await endApp(app)
  await endSleepers(sleepers)
  rmSync(work, { recursive: true, force: true })
}
print()
