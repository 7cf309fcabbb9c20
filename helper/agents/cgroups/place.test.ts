import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processStartTicks } from '../../actions/process-check.ts'
import { createKernelFiles } from '../../change/write.ts'
import { cgroupPathOf, readCgroupPlaces } from './layout.ts'
import { createPlacer, type Placer } from './place.ts'
import { createPlainWay } from './way.ts'

const places = readCgroupPlaces('/')
const uid = process.getuid?.() ?? -1
const possible = uid === 0 && places !== null && !places.systemd && !places.memory && cgroupPathOf('/', process.pid) === '/'

/** A shell that starts another process every now and then, as an agent does. */
const startTree = async (): Promise<{ child: ChildProcess; pid: number; ticks: number }> => {
  const child = spawn('/bin/sh', ['-c', 'sleep 300 & echo up; while :; do sleep 0.05; done'], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  const pid = child.pid ?? -1
  return { child, pid, ticks: processStartTicks('/', pid) ?? -1 }
}

describe.skipIf(!possible)('placing without systemd (needs root and a cgroup v2 tree of its own)', () => {
  let folder = ''
  let tree: Awaited<ReturnType<typeof startTree>>
  let placer: Placer
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const make = (): Placer => {
    if (places === null) throw new Error('no cgroup v2')
    const kernel = createKernelFiles({ root: '/' })
    return createPlacer({ root: '/', kernel, places, way: createPlainWay({ root: '/', kernel, places }), journalFolder: join(folder, 'journal'), role: 'system', bootId: () => boot })
  }
  const agent = () => ({ id: `${boot}:${tree.pid}:${tree.ticks}`, title: 'Test agent', processes: [{ pid: tree.pid, startTimeTicks: tree.ticks }] })

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'agentmem-place-'))
    tree = await startTree()
    placer = make()
  })
  afterEach(async () => {
    await placer.unplaceAll()
    process.kill(-tree.pid, 'SIGKILL')
    rmSync(folder, { recursive: true })
  })

  it('moves the whole tree, and puts it back with nothing left', async () => {
    const placed = await placer.place(agent(), uid)
    if (!placed.ok) throw new Error(placed.error.message)
    const { cgroup } = placed.value
    expect(cgroup).toBe(`${places?.mount}/agentmem.slice/u${uid}/agent-${tree.pid}-${tree.ticks}`)
    expect(placed.value.partial).toBe(true)
    const inside = readFileSync(`${cgroup}/cgroup.procs`, 'utf8').trim().split('\n').map(Number)
    expect(inside).toContain(tree.pid)
    expect(inside.length).toBeGreaterThanOrEqual(2)
    expect(placer.find(agent().id)).toBe(cgroup)
    const lines = await placer.unplace(agent().id, 'suspend')
    expect(lines.map((line) => line.outcome)).toEqual(expect.arrayContaining(['restored']))
    expect(existsSync(cgroup)).toBe(false)
    expect(cgroupPathOf('/', tree.pid)).toBe('/')
  })

  it('keeps an agent where it is until its last use is over', async () => {
    const first = await placer.place(agent(), uid, 'limit')
    const second = await placer.place(agent(), uid, 'suspend')
    expect(second).toEqual(first)
    expect(await placer.unplace(agent().id, 'suspend')).toEqual([])
    expect(placer.find(agent().id)).not.toBeNull()
    await placer.unplace(agent().id, 'limit')
    expect(placer.find(agent().id)).toBeNull()
  })

  it('does not take a frozen agent out of its cgroup', async () => {
    const placed = await placer.place(agent(), uid)
    if (!placed.ok) throw new Error(placed.error.message)
    writeFileSync(`${placed.value.cgroup}/cgroup.freeze`, '1')
    expect(await placer.unplace(agent().id, 'suspend')).toEqual([])
    writeFileSync(`${placed.value.cgroup}/cgroup.freeze`, '0')
    expect(placer.find(agent().id)).toBe(placed.value.cgroup)
  })

  it('knows after a restart what was moved, and puts it back', async () => {
    await placer.place(agent(), uid)
    const lines = await make().unplaceAll()
    expect(lines.map((line) => line.outcome)).toContain('restored')
    expect(cgroupPathOf('/', tree.pid)).toBe('/')
  })

  it('refuses a tree of another user and one that is gone', async () => {
    const theirs = await placer.place(agent(), 12_345)
    expect(theirs.ok ? null : theirs.error.code).toBe('not-yours')
    const gone = await placer.place({ ...agent(), processes: [{ pid: tree.pid, startTimeTicks: 1 }] }, uid)
    expect(gone.ok ? null : gone.error.code).toBe('process-gone')
  })
})
