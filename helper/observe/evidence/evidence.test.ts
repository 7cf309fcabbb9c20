import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Agent } from '../../contract/agents.ts'
import { evidenceSchema, rootEvidenceSchema } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import { makeRoot, type MadeRoot } from '../../test/proc-tree.ts'
import { parseMeminfoFields } from './counters.ts'
import { bootParameter } from './hardening.ts'
import { memoryFilesMatter } from './memory-files.ts'
import { classifyMessage } from './messages.ts'
import { parseList } from './numa.ts'
import { readEvidence } from './read.ts'
import { parseNumaMaps, parseRollup } from './rollup.ts'
import { readRootView, withRootView } from './root-view.ts'
import { scrubEvidence } from './scrub.ts'
import { parseSlabinfo } from './slab.ts'
import { titleOf } from './titles.ts'
import { parseZoneinfo, parseZoneRows } from './zones.ts'

let made: MadeRoot
beforeEach(() => {
  made = makeRoot()
})
afterEach(() => {
  made.remove()
})
const look = (options: Partial<Parameters<typeof readEvidence>[1]> = {}) => readEvidence(made.root, { uid: null, privileged: false, ...options })
const withStatus = (pid: number, lines: string): void => made.put(`/proc/${pid}/status`, `Name:\tx\nUid:\t1000\t1000\t1000\t1000\n${lines}`)

test('a walk over page tables tells what is large, written, and still held in common', () => {
  const text = 'Rss: 9000 kB\nPss: 7000 kB\nPss_Anon: 4096 kB\nPrivate_Dirty: 3072 kB\nShared_Dirty: 2048 kB\nAnonymous: 6144 kB\nAnonHugePages: 2048 kB\nShmemPmdMapped: 4096 kB\nFilePmdMapped: 2048 kB\n'
  const MB = 1024 ** 2
  expect(parseRollup(text)).toMatchObject({ anonHugeBytes: { value: 2 * MB }, fileHugeBytes: { value: 6 * MB }, privateDirtyBytes: { value: 3 * MB }, sharedDirtyBytes: { value: 2 * MB }, copyOnWriteBytes: { value: 2 * MB } })
  // An older kernel does not split Pss, and has no huge pages of files.
  expect(parseRollup('Pss: 1 kB\nAnonymous: 1 kB\nShmemPmdMapped: 0 kB\n')).toMatchObject({ copyOnWriteBytes: { value: null, reason: 'not-supported', detail: 'smaps_rollup has no Pss_Anon' }, fileHugeBytes: { value: null, detail: 'smaps_rollup has no FilePmdMapped' } })
  expect(parseRollup('Anonymous: 8 kB\nPss_Anon: 9 kB\n').copyOnWriteBytes).toEqual({ value: 0 })
})

describe('a look', () => {
  test('of a bare root holds what is there, and says of the rest why it is missing', async () => {
    const evidence = evidenceSchema.parse(await look())
    expect(evidence.meminfo['MemAvailable']).toBe(9_000_000 * 1024)
    expect(evidence).toMatchObject({ vmstat: {}, zones: [], numa: [], cpus: 1, processes: [], rivals: [], kernelVersion: [6, 12], tookMs: 0 })
    expect(evidence.slab).toMatchObject({ value: null, reason: 'not-supported' })
    expect(evidence.cgroups).toMatchObject({ value: null, reason: 'not-supported' })
    expect(evidence.config).toMatchObject({ value: null })
    expect(evidence.kernelThreadsCpuMs.kswapd).toMatchObject({ value: null, reason: 'not-supported' })
    expect(evidence.sysctl['/proc/sys/vm/swappiness']).toMatchObject({ value: null, reason: 'not-supported' })
    expect(JSON.stringify(await look())).toBe(JSON.stringify(await look()))
    await expect(readEvidence('/nowhere', { uid: null, privileged: false })).rejects.toThrow(/expected \/nowhere to hold proc\/meminfo/u)
  })

  test('counts each process once: kernel threads by their time, zombies by their number', async () => {
    made.run({ pid: 100, exe: '/usr/bin/node', argv: ['node', '/srv/karla/plan.js', 'sk-123'], pssKib: 900 }, { pid: 101, argv: ['bash', '-c', 'secret'] }, { pid: 102, state: 'Z' }, { pid: 103, uid: 1001, argv: ['other'] })
    made.put('/proc/50/stat', `50 (kswapd0) S 2 0 0 0 -1 2129984 0 0 0 0 7 5 0 0 20 0 1 0 10 0 0 ${'0 '.repeat(25)}\n`)
    withStatus(100, 'VmSize:\t   5000 kB\nVmLck:\t 4 kB\nVmPin:\t 8 kB\nVmRSS:\t 1000 kB\nRssAnon:\t 600 kB\nVmSwap:\t 30 kB\n')
    made.put('/proc/100/smaps_rollup', 'Rss: 1000 kB\nPss: 900 kB\nAnonHugePages: 512 kB\n')
    const evidence = evidenceSchema.parse(await look({ rollups: 1 }))
    expect(evidence.processes.map((process) => [process.ref.pid, process.title])).toEqual([[100, 'node plan.js'], [101, 'bash'], [103, 'other']])
    expect(evidence.processes[0]).toMatchObject({ rssBytes: { value: 1_024_000 }, lockedBytes: { value: 12_288 }, swapBytes: { value: 30_720 }, pssBytes: { value: 921_600 }, anonHugeBytes: { value: 524_288 }, hugetlbBytes: { value: null } })
    expect(evidence.processes[1]?.pssBytes).toMatchObject({ value: null, reason: 'not-measured' })
    expect(evidence.zombieProcesses).toBe(1)
    expect(evidence.kernelThreadsCpuMs.kswapd).toEqual({ value: 120 })
    expect(JSON.stringify(evidence)).not.toMatch(/sk-123|secret|karla/u)
    expect((await look({ uid: 1001 })).processes.map((process) => process.ref.pid)).toEqual([103])
  })

  test('knows which processes and cgroups are agents\', and keeps their snapshot\'s figures', async () => {
    made.put('/proc/mounts', 'x /sys/fs/cgroup cgroup2 rw 0 0\n')
    made.put('/sys/fs/cgroup/cgroup.controllers', 'memory\n')
    made.put('/sys/fs/cgroup/app.slice/agent-1.scope/memory.current', '5000\n')
    made.put('/sys/fs/cgroup/app.slice/memory.current', '6000\n')
    made.run({ pid: 100, argv: ['claude'], pssKib: 900 }, { pid: 101, parent: 100, argv: ['sh'] }, { pid: 102, argv: ['other'] })
    const memory = { pssBytes: 111, rssBytes: 1, pssAnonBytes: known(1), pssFileBytes: known(1), pssShmemBytes: known(1), swapPssBytes: 0, ussBytes: 0 }
    const member = (pid: number, startTimeTicks: number): Agent['processes'][number] => ({ pid, startTimeTicks, parentPid: 1, role: 'main', label: 'x', comm: 'x', kernelState: 'S', cpuMs: 0, memory: known(memory) })
    const id = '00000000-1111-4222-8333-444444444444:100:500000'
    const agent: Agent = {
      id, pid: 100, startTimeTicks: 500_000, kind: 'claude-code', title: 'Claude Code', name: 'project', projectFolder: missing('not-measured'), uid: 1000, state: 'idle', idleMs: known(1), ageMs: 1,
      cgroup: known('/app.slice/agent-1.scope'), ownCgroup: true, mergeable: known(false), processes: [member(100, 500_000), member(102, 1)],
      cost: { costBytes: 1, pssBytes: 1, anonBytes: known(1), fileBytes: known(1), swapPssBytes: 0, compressedBytes: 0, diskSwapBytes: 0, ussBytes: 0, rssBytes: 1, unmeasured: 0 },
    }
    const evidence = evidenceSchema.parse(await look({ agents: [agent] }))
    // 102 has the number of an agent's process, and another start time: it is a later one.
    expect(evidence.processes.map(({ ref, agentId }) => [ref.pid, agentId])).toEqual([[100, id], [101, null], [102, null]])
    expect(evidence.processes[0]?.pssBytes).toEqual({ value: 111 })
    expect(evidence.cgroups.value?.map(({ path, agents }) => `${path} ${agents}`)).toEqual(['/ 0', '/app.slice 0', '/app.slice/agent-1.scope 1'])
    expect(evidence.agents).toEqual([agent])
    expect(scrubEvidence(evidence)).toMatchObject({ agents: [], cgroups: { value: [{}, {}, { agents: 0 }] } })
    const named: Agent = { ...agent, id: id.replace(/^[^:]*/u, '11111111-1111-4222-8333-444444444444'), name: 'merger', projectFolder: known('/home/karla/merger'), uid: 4711, cgroup: known('/karlas-box/0a1b/app.slice/agent-1.scope'), processes: agent.processes.map((each) => ({ ...each, commandLine: ['claude', 'sk-123'] })) }
    const shared = evidenceSchema.parse(scrubEvidence(await look({ agents: [named, { ...named, name: 'other', projectFolder: known('/home/karla/other'), cgroup: agent.cgroup }] }), { keepAgents: true }))
    expect(JSON.stringify(shared)).not.toMatch(/karla|merger|sk-123|4711|11111111-1111-/u)
    expect(shared.agents.map((each) => [each.id, each.name, each.projectFolder.value, each.cost.costBytes])).toEqual([[id, 'project-1', '/home/user/project-1', 1], [id, 'project-2', '/home/user/project-2', 1]])
    expect(shared.agents[0]?.cgroup).toEqual({ value: '/x/x/app.slice/agent-1.scope' })
    expect(shared.processes[0]?.agentId).toBe(id)
    expect(shared.cgroups.value?.at(-1)).toMatchObject({ path: '/app.slice/agent-1.scope', agents: 1 })
  })

  test('takes agents\' cgroups with all above them, those something happened to, and the top', async () => {
    made.put('/proc/mounts', 'x /sys/fs/cgroup cgroup2 rw,nsdelegate,memory_recursiveprot 0 0\n')
    const put = (path: string, bytes: number | null, events = 'high 0\nmax 0\noom 0\noom_kill 0\n'): void => {
      made.put(`/sys/fs/cgroup${path}/cgroup.procs`, '1\n2\n')
      if (bytes !== null) made.put(`/sys/fs/cgroup${path}/memory.current`, `${bytes}\n`)
      made.put(`/sys/fs/cgroup${path}/memory.events`, events)
    }
    put('', null)
    made.put('/sys/fs/cgroup/cgroup.controllers', 'cpu memory\n')
    made.put('/sys/fs/cgroup/cgroup.stat', 'nr_descendants 4\nnr_dying_descendants 77\n')
    for (let i = 0; i < 40; i += 1) put(`/a.slice/${i}.service`, 1000 + i)
    put('/a.slice', 50_000)
    put('/b.slice/small.scope', 1, 'high 0\nmax 3\noom 1\noom_kill 1\n')
    made.put('/sys/fs/cgroup/a.slice/memory.high', 'max\n')
    made.put('/sys/fs/cgroup/a.slice/memory.max', '70000\n')
    const evidence = evidenceSchema.parse(await look())
    const cgroups = evidence.cgroups.value ?? []
    expect(cgroups.map((cgroup) => cgroup.path)).toEqual(expect.arrayContaining(['/', '/a.slice', '/a.slice/39.service', '/b.slice/small.scope']))
    expect(cgroups.map((cgroup) => cgroup.path)).not.toContain('/a.slice/0.service')
    const shared = scrubEvidence(evidence).cgroups.value ?? []
    expect([shared.length, shared.at(-1)?.path]).toEqual([13, '/b.slice/small.scope'])
    expect(cgroups[0]).toMatchObject({ path: '/', dyingDescendants: 77, currentBytes: { value: null } })
    expect(cgroups.find((cgroup) => cgroup.path === '/a.slice')).toMatchObject({ currentBytes: { value: 50_000 }, highBytes: { value: null, reason: 'not-measured' }, maxBytes: { value: 70_000 }, lowBytes: { value: null, reason: 'not-supported' }, processes: 2 })
    expect(evidence.mm['/proc/mounts cgroup2']).toEqual({ value: 'rw,nsdelegate,memory_recursiveprot' })
  })

  test('finds services that also tune, protections, and where swapped pages lie', async () => {
    made.run({ pid: 100, comm: 'earlyoom', argv: ['earlyoom'] })
    made.put('/etc/default/earlyoom', '# comment\nEARLYOOM_ARGS="-m 5 -N /home/karla/kill.sh"\n')
    made.put('/usr/lib/systemd/oomd.conf', '[OOM]\n')
    made.put('/etc/systemd/zram-generator.conf', '[zram0]\n')
    made.put('/proc/swaps', 'Filename Type Size Used Priority\n/dev/dm-1 partition 1000 0 -2\n/dev/sda3 partition 1000 0 -3\n/dev/zram0 partition 1000 0 5\n/swap.img file 1000 0 -4\n')
    made.put('/proc/mounts', '/dev/dm-1 / ext4 rw 0 0\n')
    made.put('/sys/class/block/dm-1/dm/uuid', 'CRYPT-LUKS2-0\n')
    made.put('/proc/cmdline', 'root=/dev/x stack_guard_gap=512 init_on_alloc=1\n')
    made.put('/proc/cpuinfo', 'flags : fpu nx\n')
    made.put('/proc/sys/kernel/randomize_va_space', '1\n')
    const evidence = evidenceSchema.parse(await look())
    expect(evidence.rivals.map(({ id, running, configured }) => ({ id, running, configured }))).toEqual([{ id: 'earlyoom', running: true, configured: true }, { id: 'zram-generator', running: false, configured: true }])
    expect(evidence.rivals[0]?.settings).toEqual({ '/etc/default/earlyoom': 'EARLYOOM_ARGS="-m 5 -N /x' })
    expect(evidence.hardening).toMatchObject({ aslr: { value: 'partial' }, noExecute: { value: true }, guardGapPages: { value: 512 }, initOnAlloc: { value: true }, initOnFree: { value: null } })
    expect(evidence.hardening.swapEncryption.map(({ path, state }) => `${path} ${state}`)).toEqual(['/dev/dm-1 encrypted', '/dev/sda3 plain', '/dev/zram0 memory', '/swap.img encrypted'])
  })

  test('of a captured machine says what no file holds', async () => {
    made.put('/captured.json', JSON.stringify({ version: 1, takenAtMs: 5000, monotonicMs: 700, pageBytes: 16_384, privileged: true, fileSystems: { '/tmp': { usedBytes: 10, sizeBytes: 20 } }, memoryFiles: { 100: 4096 } }))
    made.put('/proc/mounts', 'x /tmp tmpfs rw 0 0\nx /run tmpfs rw 0 0\nx / ext4 rw 0 0\n')
    made.put('/proc/meminfo', 'MemTotal: 16000000 kB\nShmem: 40000 kB\n')
    made.run({ pid: 100, argv: ['x'] })
    const evidence = await look()
    expect(evidence).toMatchObject({ takenAtMs: 5000, monotonicMs: 700, pageBytes: 16_384, privileged: true })
    expect(evidence.memoryFileSystems).toMatchObject([{ folder: '/tmp', usedBytes: { value: 10 }, sizeBytes: { value: 20 } }, { folder: '/run', usedBytes: { value: null } }])
    expect(evidence.processes[0]?.memfdBytes).toEqual({ value: 4096 })
  })
})

test('root adds what a user cannot read, too coarse to harm', async () => {
  const zoneinfo = 'Node 0, zone   Normal\n  pages free     100\n        managed  3840\n'
  made.put('/proc/zoneinfo', zoneinfo)
  const own = await look()
  made.put('/proc/slabinfo', 'slabinfo - version: 2.1\ndentry  12345 23456 192 21 1 : tunables 0 0 0 : slabdata 3000 3001 0\nkey  7 9 64 32 1 : tunables 0 0 0 : slabdata 3 4 0\n')
  made.put('/sys/kernel/debug/extfrag/extfrag_index', 'Node 0, zone Normal -1.000 0.953\n')
  made.put('/sys/kernel/debug/zswap/pool_limit_hit', '3\n')
  made.put('/dev/kmsg', '4,1,5000000,-;Out of memory: Killed process 42 (karla) total-vm:1kB, anon-rss:204800kB\n')
  const view = rootEvidenceSchema.parse(readRootView(made.root))
  expect(view.slab).toEqual({ value: [{ name: 'dentry', bytes: 12 * 1024 ** 2, activeObjects: 12_000, objects: 23_000 }] })
  expect(JSON.stringify(view)).not.toContain('karla')
  const both = evidenceSchema.parse(withRootView(own, view))
  expect(both.zones[0]?.fragmentationIndex).toEqual({ value: [-1, 0.953] })
  expect(both).toMatchObject({ zswapDebug: { pool_limit_hit: 3 }, kernelMessages: { value: [{ atS: 5, kind: 'oom-kill' }] }, slab: view.slab })
  // What a user could read stays as it was read.
  expect(withRootView({ ...own, kernelMessages: { value: [] } }, view).kernelMessages).toEqual({ value: [] })
})

test('of the running machine the schema holds, and a look shared says nothing of people', async () => {
  const evidence = evidenceSchema.parse(await readEvidence('/', { uid: null, privileged: false, rollups: 1 }))
  const own = evidence.processes.find(({ ref }) => ref.pid === process.pid)
  expect(own?.rssBytes.value).toBeGreaterThan(1e7)
  expect(evidence.vmstat['pgfault']).toBeGreaterThan(0)
  const shared = evidenceSchema.parse(scrubEvidence({ ...evidence, processes: evidence.processes.map((process) => ({ ...process, uid: 4711 })), memoryFileSystems: [{ folder: '/home/karla/ram', type: 'tmpfs', usedBytes: { value: 1 }, sizeBytes: { value: 2 } }] }))
  expect(new Set(shared.processes.map((process) => process.uid))).toEqual(new Set([1000]))
  expect(shared.memoryFileSystems[0]?.folder).not.toContain('karla')
  expect(shared.bootId).not.toBe(evidence.bootId)
})

describe('parsers', () => {
  test('meminfo: bytes where the kernel says kB, else counts', () => {
    expect(parseMeminfoFields('MemTotal: 10 kB\nHugePages_Total:       3\nActive(anon): 2 kB\nVmallocTotal: 13743895347199 kB\nbroken\n')).toEqual({ MemTotal: 10_240, HugePages_Total: 3, 'Active(anon)': 2048 })
  })

  test('zones: those without memory are none; rows of two files by node and zone', () => {
    const text = 'Node 0, zone   Normal\n  per-node stats\n      nr_inactive_anon 5\n  pages free     100\n        boost    0\n        min      10\n        low      12\n        high     15\n        spanned  4095\n        managed  3840\n  pagesets\n    cpu: 0\n              high:  333\nNode 0, zone  Movable\n  pages free     0\n        managed  0\n'
    expect(parseZoneinfo(text)).toEqual([{ node: 0, zone: 'Normal', freePages: 100, minPages: 10, lowPages: 12, highPages: 15, managedPages: 3840 }])
    expect(parseZoneRows('Node 0, zone   Normal      1      2 \nNode 1, zone DMA -1.000 0.953\nx\n')).toEqual(new Map([['0 Normal', [1, 2]], ['1 DMA', [-1, 0.953]]]))
  })

  test('slabinfo: the largest first; another format is none', () => {
    const text = 'slabinfo - version: 2.1\n# name\na  1 2 64 32 1 : tunables 0 0 0 : slabdata 3 4 0\nb  1 9 64 32 2 : tunables 0 0 0 : slabdata 5 5 0\n'
    expect(parseSlabinfo(text, 4096)?.map(({ name, bytes }) => [name, bytes])).toEqual([['b', 40_960], ['a', 16_384]])
    expect(parseSlabinfo('x', 4096)).toBeNull()
  })

  test.each([
    ['4,1,5000000,-;Out of memory: Killed process 42 (my prog) total-vm:1kB, anon-rss:204800kB, file-rss:0kB, UID:1000', 'oom-kill', 'killed my prog (process 42, 200 MB of its own): out of memory'],
    ['4,1,5000000,-;Memory cgroup out of memory: Killed process 42 (x) total-vm:1kB, anon-rss:1024kB', 'cgroup-oom-kill', 'killed x (process 42, 1 MB of its own) at its cgroup\'s limit'],
    ['4,1,5000000,-;kworker/0:1: page allocation failure: order:4, mode:0x40dc0', 'allocation-failure', 'no block of 2^4 pages for kworker/0:1'],
    ['3,1,5000000,-;INFO: task dd:77 blocked for more than 122 seconds.', 'hung-task', 'dd (process 77) was stuck for more than 122 s'],
    ['3,1,5000000,-;Write-error on swap-device (8:0:123)', 'swap-error', 'writing to swap failed'],
  ])('message %s', (record, kind, text) => {
    expect(classifyMessage(record)).toEqual({ atS: 5, kind, text })
  })

  test('messages of anything else are none, whatever they hold', () => {
    for (const record of ['4,1,5,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/user/karla', '', 'x', '4,1,5,-;Karla Killed process']) expect(classifyMessage(record)).toBeNull()
  })

  test('titles: program and script alone', () => {
    expect(titleOf('node', ['/usr/bin/node', '--max-old-space-size=1', '/home/karla/a.mjs', '--key=1'])).toBe('node a.mjs')
    expect(titleOf('python3', ['python3', '-m', 'http.server', 'x'])).toBe('python3 -m http.server')
    expect(titleOf('python3', ['python3', '-c', '/secret'])).toBe('python3')
    expect(titleOf('sshd', ['sshd: karla [priv]'])).toBe('sshd')
    expect(titleOf('bash', ['-bash'])).toBe('bash')
    expect(titleOf('kthing', [])).toBe('kthing')
  })

  test('small ones', () => {
    expect(parseList('0-2,5\n')).toEqual([0, 1, 2, 5])
    expect(parseList('\n')).toEqual([])
    expect(bootParameter('a=1 b a=2', 'a')).toBe('2')
    expect(parseNumaMaps('55 default heap anon=3 N0=2 N1=1 kernelpagesize_kB=4\n66 huge N1=1 kernelpagesize_kB=2048\n', 2)).toEqual([8192, 2_101_248])
    const shmem = (mb: number, tmpfsMb: number): boolean => memoryFilesMatter({ Shmem: mb * 1024 ** 2 }, [{ folder: '/tmp', type: 'tmpfs', usedBytes: { value: tmpfsMb * 1024 ** 2 }, sizeBytes: { value: 0 } }])
    expect([shmem(131, 100), shmem(132, 100)]).toEqual([false, true])
  })
})
