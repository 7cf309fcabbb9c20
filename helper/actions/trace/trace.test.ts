import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createKernelFiles, declaredFile } from '../../change/write.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import { ownerOf } from '../../owner.ts'
import { TRACEFS, traceInstance } from '../../plan/trace-lines.ts'
import { processStartTicks } from '../process-check.ts'
import { removeStaleInstances, traceFiles } from './instance.ts'
import { trustedProgram } from './programs.ts'
import { start } from './start.ts'
import { createTracer, removeStaleFiles, type TraceDeps } from './trace.ts'

let folder = ''
const children: ChildProcess[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-trace-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const UID = process.getuid?.() ?? 0
const isRoot = UID === 0
const ENDS_PID = 4_194_304

/** Maps and touches memory again and again, as its own program. */
const subject = async (): Promise<ProcessRef> => {
  const child = spawn('python3', ['-c', 'import mmap\nprint(1, flush=True)\nwhile True:\n  m = mmap.mmap(-1, 1 << 22)\n  for at in range(0, 1 << 22, 4096): m[at] = 1\n  m.close()'], { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  return { pid, startTimeTicks: processStartTicks('/', pid) ?? 0 }
}

const deps = (more: Partial<TraceDeps> = {}): TraceDeps => ({ root: '/', kernel: createKernelFiles({ root: '/' }), runtimeDir: join(folder, 'run'), ownerOf: (ref) => ownerOf('/', ref), ...more })
const caller = { uid: UID, sender: ':1.1' }
const gone: ProcessRef = { pid: ENDS_PID, startTimeTicks: 1 }

describe('what is refused', () => {
  const nothing = deps({ program: () => { throw new Error('nothing is to be started') }, kernel: createKernelFiles({ root: folder, onWrite: () => { throw new Error('nothing is to be written') } }) })
  test.each([
    ['an unknown line', { id: 'perf.everything', process: null, seconds: 1 }, 'bad-request'],
    ['a line about a process without one', { id: 'ftrace.page-faults', process: null, seconds: 1 }, 'bad-request'],
    ['a process for a line about the machine', { id: 'perf.kernel-cpu', process: gone, seconds: 1 }, 'bad-request'],
    ['a process that is gone', { id: 'perf.page-faults', process: gone, seconds: 1 }, 'process-gone'],
    ['another start time', { id: 'perf.page-faults', process: { pid: process.pid, startTimeTicks: 1 }, seconds: 1 }, 'process-gone'],
  ])('%s', async (_, request, code) => {
    expect(await createTracer(nothing).run(caller, request)).toMatchObject({ ok: false, error: { code } })
  })

  test("another user's process, though it is named rightly", async () => {
    expect(await createTracer(nothing).run({ ...caller, uid: 4711 }, { id: 'perf.page-faults', process: { pid: process.pid, startTimeTicks: processStartTicks('/', process.pid) ?? 0 }, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'not-yours' } })
  })

  test('a tool that is not installed, with how to install it', async () => {
    expect(await createTracer(deps({ program: () => null })).run(caller, { id: 'bpftrace.slab', process: null, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'not-supported', advice: expect.stringContaining('apt install bpftrace') } })
  })

  test('a kernel whose tracing cannot be reached', async () => {
    expect(await createTracer(deps({ root: folder })).run(caller, { id: 'ftrace.oom', process: null, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'not-supported', advice: expect.stringContaining('mount -t tracefs') } })
  })
})

describe('the process is watched while it is looked at', () => {
  const shell = (script: string, name = 'perf'): NonNullable<TraceDeps['program']> => {
    const path = join(folder, name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    chmodSync(path, 0o755)
    return () => path
  }

  test.each([
    ['ends', null, 'process-gone'],
    ['takes other rights', -1, 'not-yours'],
  ])('one that %s stops the look at once, and nothing is shown', async (_, becomes, code) => {
    let owner: number | null = UID
    const tracer = createTracer(deps({ ownerOf: () => owner, program: shell('echo "  5 page-faults"; exec sleep 30') }))
    setTimeout(() => {
      owner = becomes
    }, 300)
    const answer = await tracer.run(caller, { id: 'perf.page-faults', process: gone, seconds: 60 })
    expect(answer).toMatchObject({ ok: false, error: { code } })
    expect(JSON.stringify(answer)).not.toContain('page-faults')
  })

  test('it ends with its caller, and no other can begin meanwhile', async () => {
    const tracer = createTracer(deps({ program: shell(`echo $$ > ${folder}/pid; exec sleep 30`) }))
    const running = tracer.run(caller, { id: 'perf.page-faults', process: null, seconds: 60 })
    await vi.waitFor(() => expect(existsSync(join(folder, 'pid'))).toBe(true), 15_000)
    expect(await tracer.run({ ...caller, sender: ':1.2' }, { id: 'perf.page-faults', process: null, seconds: 1 })).toMatchObject({ error: { code: 'busy' } })
    tracer.callerGone(':1.2')
    tracer.callerGone(':1.1')
    expect(await running).toMatchObject({ ok: false, error: { code: 'cancelled' } })
    expect(processStartTicks('/', Number(readFileSync(join(folder, 'pid'), 'utf8')))).toBeNull()
  })

  test('output is bounded, and said to be cut', async () => {
    const answer = await createTracer(deps({ program: shell('head -c 300000 /dev/zero | tr "\\\\0" "x"') })).run(caller, { id: 'perf.page-faults', process: null, seconds: 1 })
    expect(answer.ok && [answer.value.text.length, answer.value.truncated]).toEqual([65_536, true])
  })

  test('of bpftrace what it saw is passed on', async () => {
    const answer = await createTracer(deps({ program: shell('echo "ERROR: could not set RLIMIT_MEMLOCK" >&2; printf "Attaching 2 probes...\\n\\n\\n\\n@made: 7\\n\\n"', 'bpftrace') })).run(caller, { id: 'bpftrace.shared-memory', process: null, seconds: 1 })
    expect(answer.ok && answer.value.text).toBe('Attaching 2 probes...\n\n@made: 7\n')
  })

  test('what a tool says when it fails is passed on', async () => {
    expect(await createTracer(deps({ program: shell('echo "Attaching 4 probes..."; echo "ERROR: RLIMIT_MEMLOCK"; echo "No permission to count" >&2; exit 255') })).run(caller, { id: 'perf.page-faults', process: null, seconds: 1 })).toMatchObject({ ok: false, error: { code: 'not-supported', message: expect.stringContaining('No permission to count') } })
  })

  test('a program that does not end is killed with what it started', async () => {
    const done = await start({ program: '/bin/sh', args: ['-c', 'sleep 60 & echo $!; wait'], limitMs: 300, mostBytes: 100, signal: new AbortController().signal })
    expect(done).toMatchObject({ ok: false, error: { code: 'internal', message: expect.stringContaining('killed') } })
  })
})

describe('tools', () => {
  test('are found in folders of the system', () => {
    if (existsSync('/usr/bin/setpriv')) expect(trustedProgram('setpriv')).toBe('/usr/bin/setpriv')
  })

  test('that others could change are none: by the file, a folder above it, or a link on the way', () => {
    // The temporary folder itself can be written by everybody.
    const open = join(folder, 'open')
    mkdirSync(open)
    writeFileSync(join(open, 'perf'), '', { mode: 0o755 })
    expect(trustedProgram('perf', [open])).toBeNull()
    symlinkSync('/usr/bin/env', join(open, 'bpftrace'))
    expect(trustedProgram('bpftrace', [open])).toBeNull()
  })
})

test('only what a line of the list needs is written below tracefs', async () => {
  const at = traceInstance(12)
  for (const [path, value] of [['buffer_size_kb', '1024'], ['set_event_pid', '12'], ['tracing_on', '0'], ['events/exceptions/page_fault_user/enable', '1']] as const) {
    const file = declaredFile(`${at}/${path}`)
    expect(file !== null && traceFiles.includes(file) && file.values.test(value), path).toBe(true)
  }
  for (const path of [`${TRACEFS}/tracing_on`, `${TRACEFS}/set_event_pid`, `${at}/trace_marker`, `${at}/current_tracer`, `${at}/events/enable`, `${at}/events/syscalls/sys_enter_read/enable`, `${at}/events/kmem/mm_page_alloc/trigger`, `${TRACEFS}/instances/other/tracing_on`, `${TRACEFS}/instances/agentmem-12/../other/tracing_on`, `${TRACEFS}/instances/agentmem-12345678901/tracing_on`]) {
    expect(declaredFile(path), path).toBeNull()
  }
  const kernel = createKernelFiles({ root: folder })
  for (const path of [`${TRACEFS}/instances/other`, `${TRACEFS}/instances/agentmem-1/x`, `${TRACEFS}/instances/agentmem-`, `${TRACEFS}/instances/../agentmem-1`]) {
    expect(kernel.makeGroup(path).ok, path).toBe(false)
    expect(kernel.removeGroup(path).ok, path).toBe(false)
  }
})

test('files of perf that were left behind go, others stay', () => {
  const run = join(folder, 'left')
  for (const name of ['trace-AbC123', 'trace-', 'guard.sock', 'trace-AbC1234']) mkdirSync(join(run, name), { recursive: true })
  removeStaleFiles(run)
  expect(readdirSync(run).toSorted()).toEqual(['guard.sock', 'trace-', 'trace-AbC1234'])
})

/** Where nobody has mounted it, for as long as these tests run. */
const mounted = isRoot && !existsSync(join(TRACEFS, 'instances')) && spawnSync('mount', ['-t', 'tracefs', 'tracefs', TRACEFS]).status === 0
afterAll(() => {
  if (mounted) spawnSync('umount', [TRACEFS])
})

const tracing = !isRoot ? 'needs root' : existsSync(join(TRACEFS, 'instances')) ? null : 'needs tracefs: sudo mount -t tracefs tracefs /sys/kernel/tracing'
const ours = (): string[] => readdirSync(join(TRACEFS, 'instances')).filter((name) => name === `agentmem-${process.pid}`)

describe.skipIf(tracing !== null)(`ftrace for real${tracing === null ? '' : ` (${tracing})`}`, () => {
  const hasFaults = existsSync(join(TRACEFS, 'events/exceptions/page_fault_user'))
  test.skipIf(!hasFaults)(`shows where a program of ours faults, and leaves nothing behind${hasFaults ? '' : ' (needs the tracepoints of page faults)'}`, async () => {
    const answer = await createTracer(deps()).run(caller, { id: 'ftrace.page-faults', process: await subject(), seconds: 1 })
    if (!answer.ok) throw new Error(answer.error.message)
    const rows = answer.value.table?.rows ?? []
    expect(rows.reduce((sum, row) => sum + Number(row[1]), 0)).toBeGreaterThan(100)
    expect(answer.value.text).toContain('share')
    expect(ours()).toEqual([])
  }, 60_000)

  test('is taken away when the caller leaves, too', async () => {
    const tracer = createTracer(deps())
    const running = tracer.run(caller, { id: 'ftrace.compaction', process: null, seconds: 60 })
    await vi.waitFor(() => expect(ours()).toHaveLength(1), { timeout: 10_000 })
    tracer.callerGone(':1.1')
    expect(await running).toMatchObject({ ok: false, error: { code: 'cancelled' } })
    expect(ours()).toEqual([])
  }, 60_000)

  test('what a killed helper left behind is taken away, of those that live nothing', () => {
    const dead = traceInstance(ENDS_PID)
    mkdirSync(dead)
    const alive = traceInstance(process.pid)
    mkdirSync(alive)
    try {
      const { removed, problems, left } = removeStaleInstances('/', createKernelFiles({ root: '/' }), (pid) => pid !== ENDS_PID)
      expect([removed, problems]).toEqual([1, []])
      expect(left).toBeGreaterThanOrEqual(1)
      expect([existsSync(dead), existsSync(alive)]).toEqual([false, true])
    } finally {
      for (const path of [dead, alive]) if (existsSync(path)) rmdirSync(path)
    }
  })
})

const perf = !isRoot ? 'needs root' : trustedProgram('perf') === null ? 'needs perf (linux-perf)' : spawnSync('perf', ['stat', '-e', 'page-faults', '--', 'true']).status === 0 ? null : 'needs a kernel that lets perf count'

describe.skipIf(perf !== null)(`perf for real${perf === null ? '' : ` (${perf})`}`, () => {
  test('counts the page faults of a program of ours', async () => {
    const answer = await createTracer(deps()).run(caller, { id: 'perf.page-faults', process: await subject(), seconds: 1 })
    if (!answer.ok) throw new Error(answer.error.message)
    expect(answer.value.table?.rows.map(([event]) => event)).toEqual(['page-faults', 'minor-faults', 'major-faults', 'context-switches'])
    expect(Number(answer.value.table?.rows[0]?.[1])).toBeGreaterThan(100)
    expect(answer.value.truncated).toBe(false)
  }, 60_000)

  test('names functions of the kernel, and its file is gone', async () => {
    await subject()
    const answer = await createTracer(deps()).run(caller, { id: 'perf.kernel-cpu', process: null, seconds: 2 })
    if (!answer.ok) throw new Error(answer.error.message)
    expect(answer.value.table?.rows.length).toBeGreaterThan(3)
    expect(answer.value.text).not.toContain('python')
    expect(readdirSync(join(folder, 'run'))).toEqual([])
  }, 60_000)
})
