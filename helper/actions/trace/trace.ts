import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KernelFiles } from '../../change/write.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { TraceRequest, TraceResult } from '../../contract/trace.ts'
import { listNames, readText, under } from '../../observe/files.ts'
import { bpftraceScript, perfRecordArguments, perfReportArguments, perfStatArguments, traceLine, type TraceLineData, type TraceNumbers } from '../../plan/trace-lines.ts'
import { eventCounts, parseEvent } from './events.ts'
import { knownEvents, makeInstance } from './instance.ts'
import { trustedProgram } from './programs.ts'
import { start } from './start.ts'
import { perfReportTable, perfStatTable, tableOf, textOf, type Table } from './tables.ts'

const MOST_TEXT_BYTES = 64 * 1024
const MOST_ROWS = 200
/** Of what ftrace saw; more is left out, and that is said. */
const MOST_TRACE_BYTES = 16 * 1024 ** 2
/** Name of the folder for perf's file, before six letters. */
const FILES = 'trace-'
/** How long a tool may take beside the time it looks. */
const GRACE_MS = 20_000
const LOOK_MS = 250

export interface TraceDeps {
  root: string
  kernel: KernelFiles
  /** For perf's file, 0700 and root's; made and removed for each. */
  runtimeDir: string
  ownerOf(process: ProcessRef): number | null
  program?: typeof trustedProgram
}

/** Looking, and what stops it. */
interface Look extends TraceDeps {
  numbers: TraceNumbers
  signal: AbortSignal
}

interface Seen {
  text: string
  table: Table | null
  cut: boolean
}

const PACKAGES = { perf: 'linux-perf', bpftrace: 'bpftrace' } as const

const need = (look: Look, name: 'perf' | 'bpftrace'): Result<string> => {
  const program = (look.program ?? trustedProgram)(name)
  return program === null
    ? fail('not-supported', `${name} is not installed, or others than root could change it.`, { about: name, expected: `${name} in /usr/bin or /usr/sbin, root's alone`, advice: `Install it: sudo apt install ${PACKAGES[name]}` })
    : ok(program)
}

const runTool = async (look: Look, program: string, args: readonly string[], mostBytes = MOST_TEXT_BYTES): Promise<Result<{ text: string; cut: boolean }>> => {
  const done = await start({ program, args, limitMs: look.numbers.seconds * 1000 + GRACE_MS, mostBytes, signal: look.signal })
  if (!done.ok) return done
  if (done.value.status === 0) return ok(done.value)
  const words = done.value.text.trim().split('\n').filter((line) => line.trim() !== '')
  // Of several lines the one that says what is wrong; what bpftrace says of a limit it then does without is not that.
  const reason = words.find((line) => /\b(?:error|fail|cannot|could not|unable|denied|permission)/iu.test(line) && !line.includes('RLIMIT_MEMLOCK')) ?? words[0] ?? 'it said nothing'
  return fail('not-supported', `${program} ended with ${done.value.status ?? 'a signal'}: ${reason.trim().slice(0, 300)}`, { about: program, got: words.slice(0, 5).join(' / ').slice(0, 1000) })
}

const count = async (look: Look, line: TraceLineData & { count: readonly string[] }): Promise<Result<Seen>> => {
  const program = need(look, 'perf')
  if (!program.ok) return program
  const events = line.count.filter((event) => !event.includes(':') || knownEvents(look.root, [event.replace(':', '/')]).length > 0)
  if (events.length === 0) return fail('not-supported', 'This kernel has none of the events that are counted.', { about: line.id, expected: line.count.join(', '), advice: 'Mount tracefs: sudo mount -t tracefs tracefs /sys/kernel/tracing' })
  const done = await runTool(look, program.value, perfStatArguments(events, look.numbers))
  return done.ok ? ok({ ...done.value, table: perfStatTable(done.value.text) }) : done
}

const kernelCpu = async (look: Look): Promise<Result<Seen>> => {
  const program = need(look, 'perf')
  if (!program.ok) return program
  mkdirSync(look.runtimeDir, { recursive: true, mode: 0o700 })
  const folder = mkdtempSync(join(look.runtimeDir, FILES))
  try {
    const file = join(folder, 'kernel.data')
    const recorded = await runTool(look, program.value, perfRecordArguments(look.numbers, file))
    if (!recorded.ok) return recorded
    const done = await runTool(look, program.value, perfReportArguments(file))
    return done.ok ? ok({ ...done.value, table: perfReportTable(done.value.text) }) : done
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const threadsOf = ({ root, numbers }: Look): number[] => (numbers.pid === null ? [] : (listNames(under(root, `/proc/${numbers.pid}/task`), 'vanished').value ?? []).map(Number).filter(Number.isSafeInteger))

const pause = async (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)

const readEvents = (path: string): { text: string; cut: boolean } => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const parts: Buffer[] = []
    let bytes = 0
    for (;;) {
      const part = Buffer.alloc(64 * 1024)
      const got = readSync(fd, part)
      if (got === 0) return { text: Buffer.concat(parts).toString('utf8'), cut: false }
      parts.push(part.subarray(0, got))
      bytes += got
      if (bytes >= MOST_TRACE_BYTES) return { text: Buffer.concat(parts).toString('utf8'), cut: true }
    }
  } finally {
    closeSync(fd)
  }
}

const follow = async (look: Look, line: Extract<TraceLineData, { tool: 'ftrace' }>): Promise<Result<Seen>> => {
  const { root, kernel, numbers, signal } = look
  const events = knownEvents(root, line.events)
  const made = await makeInstance(root, kernel, process.pid, events)
  if (!made.ok) return made
  if (events.length === 0) {
    made.value.remove()
    return fail('not-supported', 'This kernel has none of the events that are looked at.', { about: line.id, expected: line.events.join(', ') })
  }
  const instance = made.value
  try {
    const followed = await instance.follow(threadsOf(look))
    if (!followed.ok) return followed
    const begun = await instance.begin()
    if (!begun.ok) return begun
    const untilMs = performance.now() + numbers.seconds * 1000
    for (let leftMs = numbers.seconds * 1000; leftMs > 0 && !signal.aborted; leftMs = untilMs - performance.now()) {
      await pause(Math.min(LOOK_MS, leftMs), signal)
      // Threads that began meanwhile; one that has ended already is refused, and nothing is lost.
      if (numbers.pid !== null) await instance.follow(threadsOf(look))
    }
    await instance.end()
    if (signal.aborted) return fail('cancelled', 'Looking deeper was stopped.')
    const { text, cut } = readEvents(under(root, `${instance.folder}/trace`))
    const seen = text.split('\n').flatMap((row) => parseEvent(row) ?? [])
    const maps = line.table === 'areas' && numbers.pid !== null ? (readText(under(root, `/proc/${numbers.pid}/maps`), 'vanished').value ?? '') : ''
    const table = tableOf(line.table, seen, maps)
    const counted = eventCounts(text)
    const lost = counted === null ? 0 : counted.written - counted.kept
    const missing = line.events.filter((event) => !events.includes(event))
    return ok({
      table,
      cut: cut || lost > 0,
      text: [
        table.rows.length === 0 ? 'Nothing of it happened in this time.' : textOf(table),
        ...(lost > 0 ? [`The last ${seen.length} of ${counted?.written ?? 0} events; older ones gave way.`] : []),
        ...(missing.length > 0 ? [`This kernel does not tell: ${missing.join(', ')}.`] : []),
      ].join('\n\n'),
    })
  } finally {
    instance.remove()
  }
}

const look = async (it: Look, line: TraceLineData): Promise<Result<Seen>> => {
  if (line.tool === 'ftrace') return follow(it, line)
  if (line.tool === 'perf') return 'count' in line ? count(it, line) : kernelCpu(it)
  const program = need(it, 'bpftrace')
  if (!program.ok) return program
  const done = await runTool(it, program.value, ['-e', bpftraceScript(line, it.numbers)])
  if (!done.ok) return done
  // It says so on kernels where it does without; and leaves empty lines for maps that it cleared.
  const text = done.value.text.replaceAll(/^.*RLIMIT_MEMLOCK.*\n/gmu, '').replaceAll(/\n{3,}/gu, '\n\n').trim()
  return ok({ ...done.value, text: `${text}\n`, table: null })
}

/** Files of a look that ended with the helper. */
export const removeStaleFiles = (runtimeDir: string): void => {
  for (const name of listNames(runtimeDir).value ?? []) if (/^trace-[A-Za-z0-9]{6}$/u.test(name)) rmSync(join(runtimeDir, name), { recursive: true, force: true })
}

/** Watches that the process stays the caller's own: one that ends or takes other rights stops the look, and nothing of it is shown. */
const watchOwner = (deps: TraceDeps, process: ProcessRef | null, uid: number, stop: AbortController): { check: () => Result<null>; end: () => void } => {
  let problem: Result<null> = ok(null)
  const check = (): Result<null> => {
    if (process === null || !problem.ok) return problem
    const owner = deps.ownerOf(process)
    if (owner === null) problem = fail('process-gone', 'The process has ended, so that nothing of it is shown.', { about: String(process.pid) })
    else if (owner !== uid) problem = fail('not-yours', `Process ${process.pid} belongs to another user by now.`, { about: String(process.pid), expected: `a process of user ${uid}` })
    if (!problem.ok) stop.abort()
    return problem
  }
  const timer = setInterval(check, LOOK_MS)
  return { check, end: () => clearInterval(timer) }
}

export interface Tracer {
  /** One at a time; `sender` is who it is stopped for when they leave. */
  run(caller: { uid: number; sender: string }, request: TraceRequest): Promise<Result<TraceResult>>
  callerGone(sender: string): void
}

/** Looking deeper: built-in lines alone, at the caller's own process or at sums of the machine, for a bounded time. */
export const createTracer = (deps: TraceDeps): Tracer => {
  let open: { sender: string; stop: AbortController } | null = null
  return {
    run: async ({ uid, sender }, { id, process, seconds }) => {
      const line = traceLine(id)
      if (line === null) return fail('bad-request', 'There is no such line to look deeper with.', { about: 'id', got: id, advice: 'Use the same version of the app and of the helper.' })
      if (line.process === 'needed' && process === null) return fail('bad-request', `${line.title}: a process is needed.`, { about: 'process', expected: 'a process of yours' })
      if (line.process === 'none' && process !== null) return fail('bad-request', `${line.title} is about the whole machine.`, { about: 'process', expected: 'no process' })
      if (open !== null) return fail('busy', 'Somebody looks deeper at this moment.', { advice: 'Try again in a minute.' })
      const stop = new AbortController()
      open = { sender, stop }
      const owner = watchOwner(deps, process, uid, stop)
      const startedMs = performance.now()
      try {
        const own = owner.check()
        if (!own.ok) return own
        const seen = await look({ ...deps, numbers: { pid: process?.pid ?? null, seconds }, signal: stop.signal }, line)
        // What was seen may be of another process where this one ended meanwhile: it is not shown.
        const still = owner.check()
        if (!still.ok) return still
        if (!seen.ok) return seen
        const { text, table, cut } = seen.value
        const rows = table?.rows.slice(0, MOST_ROWS) ?? []
        return ok({
          id,
          seconds: Math.round((performance.now() - startedMs) / 100) / 10,
          text: text.slice(0, MOST_TEXT_BYTES),
          truncated: cut || text.length > MOST_TEXT_BYTES || rows.length < (table?.rows.length ?? 0),
          table: table === null ? null : { columns: table.columns, rows },
        })
      } finally {
        owner.end()
        open = null
      }
    },
    callerGone: (sender) => {
      if (open?.sender === sender) open.stop.abort()
    },
  }
}
