/**
 * The guard under heavy swapping: how long from an event (helper killed, a
 * process ended by the kernel for lack of memory, a critical service gone)
 * until the kernel's files hold their old values; what it weighs; what it
 * costs. Real KSM files, real zram swap, all put back. Needs root.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

const ROUNDS = Number(process.env['GUARD_ROUNDS'] ?? 100)
const CPU_SECONDS = Number(process.env['GUARD_CPU_SECONDS'] ?? 60)
const HELD = 30
const MIB = 1024 * 1024
const FLOOR_BYTES = 3 * 1024 * MIB
const program = join(import.meta.dirname, '..', '..', 'build', 'native', 'agentmem-guard')
const standIn = join(import.meta.dirname, 'guard-helper.mjs')
const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
const SCAN = '/sys/kernel/mm/ksm/pages_to_scan'
const SLEEP = '/sys/kernel/mm/ksm/sleep_millisecs'
const ADVISOR = '/sys/kernel/mm/ksm/advisor_mode'
const V1 = '/sys/fs/cgroup/memory'

interface Row { what: string; value: number; unit: string; must: string; ok: boolean }
const rows: Row[] = []
const row = (what: string, value: number, unit: string, must: string, ok: boolean): void => void rows.push({ what, value: Math.round(value * 1000) / 1000, unit, must, ok })

/** What has to be undone, last first, however this ends. */
const undo: (() => unknown)[] = []
const children = new Set<ChildProcess>()
const start = (command: string, args: string[], options: { detached?: boolean } = {}): ChildProcess => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}
const said = async (child: ChildProcess): Promise<unknown> => (child.stdout === null ? null : once(child.stdout, 'data'))
const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const needs = (): string | null => {
  if (process.getuid?.() !== 0) return 'root: it writes kernel settings'
  if (!existsSync(program)) return '"node tools/native.mjs" to have been run'
  if (!existsSync(SCAN)) return 'a kernel with KSM'
  if (!existsSync(join(V1, 'memory.limit_in_bytes'))) return 'the memory controller of cgroup v1, to swap hard without starving others'
  return existsSync('/sys/class/zram-control/hot_add') ? null : 'zram'
}

const value = (path: string): string => {
  const text = readFileSync(path, 'utf8').trim()
  return /\[(\S+)\]/u.exec(text)?.[1] ?? text
}
const availableBytes = (): number => Number(/MemAvailable:\s+(\d+)/u.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024
const swappedPages = (): number => ['pswpin', 'pswpout'].reduce((sum, name) => sum + Number(new RegExp(`^${name} (\\d+)`, 'mu').exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]), 0)

/** One after the other with everything else here that writes kernel settings. */
const lockKernel = async (): Promise<void> => {
  const lock = start('flock', ['/tmp/agentmem-kernel.lock', 'sh', '-c', 'echo held; exec cat'])
  await said(lock)
  undo.push(() => lock.stdin?.end())
}

const makeSwap = (): void => {
  const number = readFileSync('/sys/class/zram-control/hot_add', 'utf8').trim()
  const device = `/dev/zram${number}`
  undo.push(() => writeFileSync('/sys/class/zram-control/hot_remove', number))
  writeFileSync(`/sys/block/zram${number}/disksize`, String(1536 * MIB))
  for (const [command = '', ...args] of [['mkswap', '-L', 'agentmem-test', device], ['swapon', '-p', '10', device]]) {
    const out = spawnSync(command, args, { encoding: 'utf8' })
    if (out.status !== 0) throw new Error(`${command} ${device}: ${out.stderr}`)
  }
  undo.push(() => spawnSync('swapoff', [device], { stdio: 'inherit' }))
}

const v1Group = (name: string): string => {
  const folder = join(V1, `agentmem-bench-${process.pid}-${name}`)
  mkdirSync(folder)
  undo.push(async () => {
    for (let tries = 0; tries < 200; tries += 1) {
      try {
        return rmdirSync(folder)
      } catch {
        await sleep(20) // its last process is still on its way out
      }
    }
    return undefined
  })
  return folder
}

/** Two programs that touch far more than they may keep: every touch swaps. */
const startHogs = async (): Promise<void> => {
  const group = v1Group('hog')
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(256 * MIB))
  for (let i = 0; i < 2; i += 1) {
    const hog = start('sh', ['-c', `echo $$ > ${group}/cgroup.procs && exec ${process.execPath} -e '
      const crypto = require("crypto"); const area = Buffer.alloc(${400 * MIB}); const piece = crypto.randomFillSync(Buffer.alloc(1400));
      for (let at = 0; at < area.length; at += 4096) piece.copy(area, at);
      console.log("ready");
      setInterval(() => { for (let i = 0; i < 20000; i++) area[Math.floor(Math.random() * area.length)] = i }, 0)'`])
    undo.push(() => end(hog))
    await said(hog)
  }
}

const journal = (run: string): string =>
  [`agentmem-journal 1 ${bootId} ${run} system`, `1 now write ${SCAN} 100 1000`, `2 now write ${SLEEP} 20 50`]
    .map((line) => `${line} ${crc32(line).toString(16).padStart(8, '0')}\n`)
    .join('')

interface Guard { child: ChildProcess; socket: string; journals: string; folder: string }

const startGuard = async (service: string): Promise<Guard> => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-guard-bench-'))
  undo.push(() => rmSync(folder, { recursive: true, force: true }))
  const journals = join(folder, 'state', 'journal')
  mkdirSync(journals, { recursive: true })
  writeFileSync(join(folder, 'guard.conf'), `services=${service}\npsi_some_percent=100\npsi_full_percent=100\n`, { mode: 0o600 })
  const socket = join(folder, 'guard.sock')
  const child = start(program, ['--role', 'system', '--socket', socket, '--journal', journals, '--words', join(folder, 'words'), '--config', join(folder, 'guard.conf')])
  undo.push(() => end(child))
  while (!existsSync(socket)) await sleep(5)
  return { child, socket, journals, folder }
}

const SERVICE = 'agentmem-bench'
type Event = 'helper killed' | 'out-of-memory kill' | 'service ended'

const startService = async (): Promise<ChildProcess> => {
  const service = start('bash', ['-c', `echo -n ${SERVICE} > /proc/self/comm; echo ready; read -r _`])
  await said(service)
  return service
}

/** Milliseconds until both files hold their old values again. */
const oneRound = async (event: Event, number: number, small: string): Promise<number> => {
  const run = `20261121T010203Z-${number.toString(16).padStart(8, '0')}`
  const service = event === 'service ended' ? await startService() : null
  const guard = await startGuard(SERVICE)
  const path = join(guard.journals, `${run}.open`)
  writeFileSync(path, journal(run), { mode: 0o600 })
  const helper = start(process.execPath, [standIn, guard.socket, 'hello 1 own', `run ${run} 0 ${path}`, `file ${run} ${SCAN}`, `file ${run} ${SLEEP}`, `armed ${run}`])
  await said(helper)
  writeFileSync(SCAN, '1000')
  writeFileSync(SLEEP, '50')
  let since = 0
  if (event === 'helper killed') {
    since = performance.now()
    helper.kill('SIGKILL')
  } else if (service !== null) {
    since = performance.now()
    service.kill('SIGKILL')
  } else {
    const hog = start('sh', ['-c', `echo $$ > ${small}/cgroup.procs && exec dd if=/dev/zero of=/dev/null bs=64M count=1 status=none`])
    // The kernel counts right before it kills; we hear of it right after.
    const kills = (): string => /^oom_kill (\d+)/mu.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? ''
    const before = kills()
    const giveUpAt = performance.now() + 10_000
    while (kills() === before && performance.now() < giveUpAt) await sleep(1)
    since = performance.now()
    if (kills() === before) throw new Error('the small group was expected to run out of memory')
    undo.push(() => end(hog))
  }
  while (value(SCAN) !== '100' || value(SLEEP) !== '20') {
    if (performance.now() - since > 20_000) break
    await sleep(1)
  }
  const tookMs = performance.now() - since
  await end(helper)
  await end(guard.child)
  if (service !== null) await end(service)
  rmSync(guard.folder, { recursive: true, force: true })
  return tookMs
}

const percentile = (sorted: number[], part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

const underSwapping = async (): Promise<void> => {
  await lockKernel()
  const before = [SCAN, SLEEP, ADVISOR].filter((path) => existsSync(path)).map((path): [string, string] => [path, value(path)])
  undo.push(() => {
    for (const [path, old] of before.toReversed()) writeFileSync(path, old)
  })
  if (existsSync(ADVISOR)) writeFileSync(ADVISOR, 'none')
  writeFileSync(SCAN, '100')
  writeFileSync(SLEEP, '20')
  if (availableBytes() - 2048 * MIB < FLOOR_BYTES) throw new Error(`needs 5 GiB available, so that 3 stay free; there are ${Math.round(availableBytes() / MIB)} MiB`)
  makeSwap()
  const small = v1Group('small')
  for (const name of ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']) if (existsSync(join(small, name))) writeFileSync(join(small, name), String(16 * MIB))
  await startHogs()
  const tookMs: number[] = []
  const pagesBefore = swappedPages()
  const startedAt = performance.now()
  const events: Event[] = ['helper killed', 'out-of-memory kill', 'helper killed', 'service ended']
  for (let number = 0; number < ROUNDS; number += 1) tookMs.push(await oneRound(events[number % events.length] ?? 'helper killed', number, small))
  const seconds = (performance.now() - startedAt) / 1000
  const mibPerSecond = ((swappedPages() - pagesBefore) * 4096) / MIB / seconds
  for (const [index, event] of events.entries()) {
    if (events.indexOf(event) !== index) continue
    const own = tookMs.filter((_took, number) => events[number % events.length] === event).toSorted((a, b) => a - b)
    row(`${event}: to undone, median`, percentile(own, 0.5), 'ms', '', true)
    row(`${event}: to undone, longest of ${own.length}`, own.at(-1) ?? Number.NaN, 'ms', '< 1000', (own.at(-1) ?? Infinity) < 1000)
  }
  const inTime = tookMs.filter((took) => took < 1000).length
  row('undone within a second', inTime, `of ${ROUNDS}`, `= ${ROUNDS}`, inTime === ROUNDS)
  row('swapping meanwhile', mibPerSecond, 'MiB/s', '> 20', mibPerSecond > 20)
}

/** Sends lines, one answer each. */
const talk = async (socket: string, lines: string[]): Promise<{ answers: string[]; close: () => void }> => {
  const connection = createConnection(socket)
  await once(connection, 'connect')
  const answers: string[] = []
  let rest = ''
  connection.setEncoding('utf8').on('data', (text: string) => {
    const all = (rest + text).split('\n')
    rest = all.pop() ?? ''
    answers.push(...all.filter((line) => /^(?:ok|error) /u.test(line)))
  })
  for (const line of lines) connection.write(`${line}\n`)
  while (answers.length < lines.length) await sleep(10)
  const refused = answers.find((line) => line.startsWith('error'))
  if (refused !== undefined) throw new Error(refused)
  return { answers, close: () => connection.destroy() }
}

const ticksOf = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
}
const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** A sleeper on a terminal of its own, frozen in a cgroup of its own. */
const heldLines = async (mount: string, number: number): Promise<string[]> => {
  const cgroup = join(mount, `agentmem-bench-${process.pid}-${number}`)
  mkdirSync(cgroup)
  const script = start('script', ['-qfc', 'stty raw -echo; echo ready $$; exec sleep 100000', '/dev/null'])
  const freeze = join(cgroup, 'cgroup.freeze')
  undo.push(async () => {
    if (existsSync(freeze)) writeFileSync(freeze, '0')
    for (const pid of readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL')
    await end(script)
    while (readFileSync(join(cgroup, 'cgroup.procs'), 'utf8') !== '') await sleep(5)
    rmdirSync(cgroup)
  })
  const text = String(await said(script))
  const pid = Number(/ready (\d+)/u.exec(text)?.[1])
  writeFileSync(join(cgroup, 'cgroup.procs'), String(pid))
  const ticks = ticksOf(pid)
  const id = `${bootId}:${pid}:${ticks}`
  const ranges = Array.from({ length: 512 }, (_unused, index) => `${(0x10_0000_0000 + index * 0x2000).toString(16)}-${(0x10_0000_1000 + index * 0x2000).toString(16)}`)
  writeFileSync(freeze, '1')
  return [
    `hold ${id} 0 ${pid} ${freeze}`, `process ${id} ${pid} ${ticks}`,
    ...Array.from({ length: 8 }, (_unused, index) => `range ${id} ${pid} ${ranges.slice(index * 64, index * 64 + 64).join(' ')}`),
    `held ${id}`, `frozen ${id}`,
  ]
}

const weight = async (): Promise<void> => {
  const mount = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')).find((fields) => fields[2] === 'cgroup2')?.[1]
  if (mount === undefined) throw new Error('needs a cgroup v2 mount')
  const guard = await startGuard('')
  const lines = ['hello 1 own']
  for (let number = 0; number < HELD; number += 1) lines.push(...(await heldLines(mount, number)))
  const helper = await talk(guard.socket, lines)
  const pid = guard.child.pid ?? 0
  const before = cpuMs(pid)
  await sleep(CPU_SECONDS * 1000)
  const percent = ((cpuMs(pid) - before) / (CPU_SECONDS * 1000)) * 100
  helper.close()
  const status = await talk(guard.socket, ['hello 1 own', 'status'])
  const answer: unknown = JSON.parse(status.answers[1]?.slice(3) ?? 'null')
  const held = typeof answer === 'object' && answer !== null && 'held' in answer && Array.isArray(answer.held) ? answer.held.length : 0
  const pssBytes = typeof answer === 'object' && answer !== null && 'pssBytes' in answer && typeof answer.pssBytes === 'number' ? answer.pssBytes : Number.NaN
  row('agents held meanwhile', held, '', `= ${HELD}`, held === HELD)
  row(`guard with ${HELD} held agents, PSS`, pssBytes / 1e6, 'MB', '< 2', pssBytes < 2e6)
  row(`guard with ${HELD} held agents, CPU in ${CPU_SECONDS} s`, percent, '% of one core', '< 0.5', percent < 0.5)
  row('files it has open', readdirSync(`/proc/${pid}/fd`).length, '', '', true)
  guard.child.kill('SIGTERM')
  await once(guard.child, 'exit')
  status.close()
}

const takeBack = async (): Promise<void> => {
  for (const step of undo.splice(0).toReversed()) {
    try {
      await step()
    } catch (error) {
      console.error(`could not be put back: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

const missing = needs()
if (missing !== null) {
  console.log(`skipped: needs ${missing}`)
  process.exit(77)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void takeBack().finally(() => process.exit(1)))
try {
  await underSwapping()
  await takeBack()
  await weight()
} finally {
  await takeBack()
  for (const child of children) child.kill('SIGKILL')
}
for (const { what, value: figure, unit, must, ok } of rows) console.log(`${ok ? '  ' : 'X '}${what.padEnd(48)} ${String(figure).padStart(10)} ${unit.padEnd(14)} ${must}`)
console.log(JSON.stringify({ bench: 'guard', rows }))
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1
