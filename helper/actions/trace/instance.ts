import { existsSync } from 'node:fs'
import type { KernelFiles } from '../../change/write.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { KernelFile } from '../../layers/kernel-file.ts'
import { listNames, under } from '../../observe/files.ts'
import { TRACE_BUFFER_KB, TRACEFS, traceInstance, traceLines } from '../../plan/trace-lines.ts'

const file = (path: string, values: RegExp): KernelFile => ({ source: 'trace', path: `${TRACEFS}/instances/agentmem-##/${path}`, values, readable: true })

/** What is written in a tracing instance of ours, and nowhere else below tracefs: trace/ftrace.rst. */
export const traceFiles: readonly KernelFile[] = [
  file('buffer_size_kb', /^\d{1,5}$/u),
  file('set_event_pid', /^\d{1,7}$/u),
  file('tracing_on', /^[01]$/u),
  ...[...new Set(traceLines.flatMap((line) => (line.tool === 'ftrace' ? line.events : [])))].map((event) => file(`events/${event}/enable`, /^[01]$/u)),
]

export interface Instance {
  readonly folder: string
  /** Threads that are seen; none: all. */
  follow(tids: readonly number[]): Promise<Result<null>>
  begin(): Promise<Result<null>>
  /** Stops, with what was seen still there. */
  end(): Promise<Result<null>>
  /** Takes all of it away, however far it came. */
  remove(): Result<null>
}

/** Events of the line that this kernel has. */
export const knownEvents = (root: string, events: readonly string[]): string[] => events.filter((event) => existsSync(under(root, `${TRACEFS}/events/${event}`)))

/** A tracing instance of its own: nobody else's tracing is touched, and one rmdir takes all of it away. */
export const makeInstance = async (root: string, kernel: KernelFiles, number: number, events: readonly string[]): Promise<Result<Instance>> => {
  if (!existsSync(under(root, `${TRACEFS}/instances`))) {
    return fail('not-supported', 'The tracing of the kernel cannot be reached.', { about: TRACEFS, expected: 'tracefs', advice: `Mount it: sudo mount -t tracefs tracefs ${TRACEFS}` })
  }
  const folder = traceInstance(number)
  const at = (name: string): string => `${folder}/${name}`
  // One that could not be taken away before would still have its events on.
  const cleared = kernel.removeGroup(folder)
  if (!cleared.ok) return cleared
  const made = kernel.makeGroup(folder)
  if (!made.ok) return made
  const followed = new Set<number>()
  const instance: Instance = {
    folder,
    follow: async (tids) => {
      for (const tid of tids) {
        if (followed.has(tid)) continue
        const written = await kernel.write(at('set_event_pid'), String(tid))
        if (!written.ok) return written
        followed.add(tid)
      }
      return ok(null)
    },
    begin: async () => {
      for (const event of events) {
        const written = await kernel.write(at(`events/${event}/enable`), '1')
        if (!written.ok) return written
      }
      return kernel.write(at('tracing_on'), '1')
    },
    end: () => kernel.write(at('tracing_on'), '0'),
    remove: () => kernel.removeGroup(folder),
  }
  for (const [name, value] of [['tracing_on', '0'], ['buffer_size_kb', String(TRACE_BUFFER_KB)]] as const) {
    const written = await kernel.write(at(name), value)
    if (written.ok) continue
    instance.remove()
    return written
  }
  return ok(instance)
}

export interface Stale {
  removed: number
  problems: string[]
  /** Of processes that are there still: others' that run, or one that is just ending. */
  left: number
}

/** Removes instances that a helper left behind that is gone: their number is its process's. */
export const removeStaleInstances = (root: string, kernel: KernelFiles, isAlive: (pid: number) => boolean): Stale => {
  const all = (listNames(under(root, `${TRACEFS}/instances`)).value ?? []).flatMap((name) => /^agentmem-(?<number>\d{1,7})$/u.exec(name)?.groups?.['number'] ?? []).map(Number)
  const stale = all.filter((pid) => !isAlive(pid))
  const results = stale.map((pid) => kernel.removeGroup(traceInstance(pid)))
  return { removed: results.filter((result) => result.ok).length, problems: results.flatMap((result) => (result.ok ? [] : [result.error.message])), left: all.length - stale.length }
}
