/** agentmem.ko from its sources to its end: built by DKMS, loaded by the helper, used, paused, unloaded, fallen back from. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { check, read, run, same, start, tryRun, unitState, until, type Test } from './harness.ts'
import { applyOpen, stateOf } from './swap.ts'
import { asUser, EVE, DEV, INSTALLED } from './users.ts'
import { good, helper, runAs } from './world.ts'

const NODE = `${INSTALLED}/node`
const UNITS = [NODE, '/mnt/guest/inside/unit-client.mjs', 'once']
const COMMAND = `/home/${EVE.name}/fleet`
const FLEET = 20
const load = { kernelModule: { mode: 'load', compressor: 'zstd', warmAfterMs: 3_600_000 } }
const BACKING = 64 * 1024 ** 2
const backed = { kernelModule: { mode: 'load', backingBytes: BACKING } }
const unload = { kernelModule: { mode: 'unload' } }

const loaded = (): boolean => existsSync('/sys/module/agentmem')
const used = (): number => Number(read('/sys/module/agentmem/refcnt'))

interface Layer {
  readonly id: string
  readonly state: string
  readonly summary: string
}
const layer = async (): Promise<Layer> => {
  const { layers } = good(await helper(DEV, 'Probe'), 'Probe') as { layers?: readonly Layer[] }
  const found = layers?.find(({ id }) => id === 'kernel-module')
  check(found !== undefined, 'no such layer')
  return found as Layer
}

let order = 0
/** Has the fleet do something, and waits for its answer. */
const ask = async (command: string): Promise<Record<string, unknown>> => {
  order += 1
  const line = `${order} ${command}`
  writeFileSync(COMMAND, line)
  const answer = (): Record<string, unknown> => {
    try {
      return JSON.parse(readFileSync(`${COMMAND}.answer`, 'utf8')) as Record<string, unknown>
    } catch {
      return {} // not written yet
    }
  }
  await until(`the fleet to ${command}`, () => answer()['line'] === line, 60_000)
  return answer()
}

const startFleet = async (): Promise<Record<string, unknown>> => {
  writeFileSync(COMMAND, '')
  run('chown', `${EVE.name}:`, COMMAND)
  runAs(EVE, 'systemd-run', '--user', '--quiet', '--collect', '--unit=fleet', NODE, '/mnt/guest/inside/module-client.mjs', 'fleet', COMMAND, String(FLEET))
  return ask('idle')
}
const fleetState = (): string => {
  const [program = '', ...args] = asUser(EVE, 'systemctl', '--user', 'is-active', 'fleet')
  return tryRun(program, args).out.trim()
}
const endFleet = async (): Promise<void> => {
  for (const file of [COMMAND, `${COMMAND}.answer`]) rmSync(file, { force: true })
  await until('the fleet to end', () => fleetState() !== 'active')
}

type Row = Record<string, string>
/** /proc/agent_stats as its reader sees it. */
const stats = (text: string): { agents: Row[]; total: Row } => {
  const [head = '', ...lines] = text.trim().split('\n')
  const names = head.split(' ')
  const total = (lines.find((line) => line.startsWith('total ')) ?? '').split(' ').slice(1)
  return {
    agents: lines.filter((line) => /^\d/u.test(line)).map((line) => Object.fromEntries(line.split(' ').map((word, at) => [names[at] ?? '', word]))),
    total: Object.fromEntries(total.flatMap((word, at) => (at % 2 === 0 ? [[word, total[at + 1] ?? '']] : []))),
  }
}
const asRoot = (): ReturnType<typeof stats> => stats(read('/proc/agent_stats'))
const figure = (row: Row, name: string): number => Number(row[name])
const sum = (rows: readonly Row[], name: string): number => rows.reduce((all, row) => all + figure(row, name), 0)

let runId = ''

export const moduleTests: readonly Test[] = [
  {
    name: 'DKMS has built the module for this kernel, with its parameters documented',
    run: async () => {
      const release = run('uname', '-r').trim()
      const status = tryRun('dkms', ['status']).out
      check(status.split('\n').some((line) => line.startsWith(`agentmem/0.1.0, ${release},`) && line.includes(': installed')), `dkms status: ${status} ${tryRun('tail', ['-n', '15', '/var/lib/dkms/agentmem/0.1.0/build/make.log']).out}`)
      const info = run('modinfo', 'agentmem')
      check(info.includes(`vermagic:       ${release} `), info)
      for (const parameter of ['compressor', 'warm_after_ms', 'hot_most_bytes', 'quota_bytes', 'user_most_bytes']) check(new RegExp(`^parm: +${parameter}:.{10,}`, 'mu').test(info), `${parameter} is not documented: ${info}`)
    },
  },
  {
    name: 'the layer is off and can be turned on; programs keep their units in the broker until then',
    run: async () => {
      same((await layer()).state, 'off', (await layer()).summary)
      same(JSON.parse(runAs(EVE, ...UNITS)), { backend: 'broker', same: true }, 'a program without the module')
    },
  },
  {
    name: 'who may not change layers does not load it',
    run: async () => {
      const plan = good(await helper(EVE, 'Plan', { settings: load, agents: [] }), 'Plan')
      const answer = await helper(EVE, 'Apply', { presetId: 'guest', presetTitle: 'Guest', settings: load, digest: plan['digest'], cause: 'user-preset', agents: [], control: [], settleMs: 0, confirmMs: 60_000 })
      check(!answer.ok && answer.error.code.startsWith('authorization-'), JSON.stringify(answer))
      check(!loaded(), 'it is loaded')
    },
  },
  {
    name: 'the helper loads it through its plan, without a right to load modules itself, and sets its parameters',
    run: async () => {
      runId = await applyOpen(load)
      check(loaded(), 'it is not loaded')
      same([read('/sys/module/agentmem/parameters/compressor'), read('/sys/module/agentmem/parameters/warm_after_ms')], ['zstd', '3600000'], 'parameters')
      const pid = Number(good(await helper(DEV, 'Status'), 'Status')['pid'])
      const rights = BigInt(`0x${/^CapBnd:\s+(\w+)/mu.exec(read(`/proc/${pid}/status`))?.[1] ?? '0'}`)
      same(Number((rights >> 16n) & 1n), 0, 'CAP_SYS_MODULE of the helper')
      good(await helper(DEV, 'Keep', { runId }), 'Keep')
      const { state, summary } = await layer()
      check(state === 'on' && /compressed by \S*zstd/u.test(summary), `${state}: ${summary}`)
    },
  },
  {
    name: 'the module is told of pressure, by a service that holds it open no longer than that',
    run: async () => {
      same(unitState('agentmem-pressure.service'), 'success active', 'agentmem-pressure')
      // It asks for the device at once: one that it may not use or that refuses would have ended it.
      same(run('systemctl', 'show', '-P', 'NRestarts', 'agentmem-pressure.service').trim(), '0', 'times it was started again')
      await until('nobody to hold the module', () => used() === 0)
    },
  },
  {
    name: 'programs that start now keep their units in the module, unchanged',
    run: async () => {
      same(JSON.parse(runAs(EVE, ...UNITS)), { backend: 'module', same: true }, 'a program with the module')
      await until('its units to be gone with it', () => asRoot().total['units'] === '0')
    },
  },
  {
    name: `${FLEET} agents with the same prompt and tools: /proc/agent_stats adds up to what was stored, each content once`,
    run: async () => {
      const about = await startFleet()
      same([about['backends'], about['agents']], [['module'], FLEET], 'the fleet')
      const { agents, total } = asRoot()
      same([agents.length, figure(total, 'agents'), figure(total, 'units')], [FLEET, FLEET, 3 * FLEET], 'agents and units')
      same([sum(agents, 'bytes'), figure(total, 'bytes')], [FLEET * Number(about['bytesEach']), FLEET * Number(about['bytesEach'])], 'bytes held, by agents and in all')
      for (const row of agents) same(figure(row, 'hot_bytes') + figure(row, 'warm_bytes') + (figure(row, 'cold_bytes') || 0), figure(row, 'bytes'), `tiers of ${row['name']}`)
      const stored = figure(total, 'content_bytes')
      check(stored <= Number(about['distinctBytes']) && stored >= Number(about['distinctBytes']) * 0.5, `${stored} of content for ${String(about['distinctBytes'])} that differ`)
      const gone = (figure(total, 'bytes') - Number(about['distinctBytes'])) / (figure(total, 'bytes') - stored + 1)
      check(gone > 0 && figure(total, 'hot_bytes') + figure(total, 'warm_bytes') < figure(total, 'bytes') * 0.6, `${figure(total, 'hot_bytes')} resident of ${figure(total, 'bytes')}`)
    },
  },
  {
    name: 'a flame graph of what programs hand in tells who, by which calls, and leaves no tracing behind',
    run: async () => {
      const script = '/usr/src/agentmem-0.1.0/flame.sh'
      const recorded = start('sh', ['-c', `sh ${script} record 20 >/tmp/stacks 2>/tmp/stacks.err && sh ${script} svg </tmp/stacks >/tmp/stacks.svg`])
      const ended = new Promise<number | null>((resolve) => recorded.once('exit', (code) => resolve(code)))
      await until('the recording to begin', () => tryRun('sh', ['-c', 'cat /sys/kernel/tracing/instances/agentmem-flame-*/tracing_on']).out.trim() === '1')
      runAs(EVE, ...UNITS)
      same(await ended, 0, `the script (${read('/tmp/stacks.err')})`)
      const stacks = read('/tmp/stacks').split('\n')
      check(stacks.some((line) => /^(?:node|libuv-worker);.*ioctl_\[k\];.* \d{5,}$/u.test(line)), `no stack of it: ${stacks.slice(0, 3).join(' / ')}`)
      check(/<title>(?:node|libuv-worker)[^<]* [kM]B, /u.test(read('/tmp/stacks.svg')), read('/tmp/stacks.svg').slice(0, 400))
      console.log(`# ${stacks.length} stacks, the first ${stacks[0]?.slice(0, 600)}`)
      same(tryRun('ls', ['/sys/kernel/tracing/instances']).out.trim(), '', 'instances left')
    },
  },
  {
    name: 'a user sees the user\'s own agents in it, root all of them',
    run: async () => {
      same(stats(runAs(EVE, 'cat', '/proc/agent_stats')).agents.length, FLEET, 'agents that their user sees')
      same(stats(runAs(DEV, 'cat', '/proc/agent_stats')).agents.length, 0, 'agents that another user sees')
    },
  },
  {
    name: 'a paused agent\'s own units are compressed, a resumed one reads what it wrote',
    run: async () => {
      const own = (): Row => asRoot().agents.find(({ name }) => name === 'fleet-3') ?? {}
      const before = figure(own(), 'warm_bytes')
      await ask('suspend 3')
      same(own()['state'], 'suspended', 'its state')
      await until('its conversation to be compressed', () => figure(own(), 'warm_bytes') >= before + 100_000, 60_000)
      same((await ask('resume 3'))['same'], true, 'what it reads')
      same(own()['state'], 'active', 'its state then')
    },
  },
  {
    name: 'the helper gives it a backing file without a name, old units go there and are read back, undoing brings them to memory',
    run: async () => {
      const refused = good(await helper(DEV, 'Plan', { settings: { kernelModule: { mode: 'load', backingBytes: 2 ** 40 } }, agents: [] }), 'Plan') as { steps?: unknown[]; skipped?: { reason: string }[] }
      check(refused.steps?.length === 0 && (refused.skipped ?? []).some(({ reason }) => /to spare, .* is free on the disk/u.test(reason)), JSON.stringify(refused))
      const run1 = await applyOpen(backed)
      good(await helper(DEV, 'Keep', { runId: run1 }), 'Keep')
      same([asRoot().total['backing'], asRoot().total['backing_bytes'], stats(runAs(DEV, 'cat', '/proc/agent_stats')).total['backing_bytes']], ['in-use', String(BACKING), String(BACKING)], 'what it says')
      same(unitState(`agentmem-backing@${BACKING}.service`), 'success active', 'its unit')
      same(tryRun('find', ['/var/lib/agentmem', '-size', '+1048576c']).out.trim(), '', 'a file with a name')
      const { summary } = await layer()
      check(summary.includes('Its backing file may take 64 MB.'), summary)
      // Compressed and then written, whatever their age; of such text little is left.
      await ask('suspend 4')
      writeFileSync('/sys/module/agentmem/parameters/warm_most_bytes', '1')
      await until('units to lie on it', () => figure(asRoot().total, 'backing_used_bytes') > 0 && figure(asRoot().total, 'cold_bytes') > 0, 30_000).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(asRoot().total)}, ${tryRun('/usr/lib/agentmem/agentmem-backing', ['show']).out}`)
      })
      const cold = asRoot().total
      check(figure(cold, 'cold_bytes') <= figure(cold, 'backing_used_bytes'), `${cold['cold_bytes']} on ${cold['backing_used_bytes']} used`)
      console.log(`# ${cold['cold_bytes']} bytes on disk, ${cold['backing_used_bytes']} used: ${run('/usr/lib/agentmem/agentmem-backing', 'show').trim()}`)
      same((await ask('resume 4'))['same'], true, 'what it reads from there')
      await ask('suspend 4')
      await until('units to lie on it again', () => figure(asRoot().total, 'cold_bytes') > 0, 60_000)
      writeFileSync('/sys/module/agentmem/parameters/warm_most_bytes', '0')
      same(good(await helper(DEV, 'Undo', { runId: run1, cause: 'user-undo' }), 'Undo')['state'], 'undone', 'the run')
      same([asRoot().total['backing'], asRoot().total['backing_bytes'], asRoot().total['cold_bytes']], ['none', '0', '0'], 'what it says then')
      same(unitState(`agentmem-backing@${BACKING}.service`), 'success inactive', 'its unit then')
      same((await ask('resume 4'))['same'], true, 'what it reads then')
    },
  },
  {
    name: 'while it is used it is not unloaded, and who uses it is told',
    run: async () => {
      const plan = good(await helper(DEV, 'Plan', { settings: unload, agents: [] }), 'Plan') as { steps?: unknown[]; skipped?: { reason: string }[] }
      check(plan.steps?.length === 0 && /in use by fleet-0 \(\d+\)/u.test(plan.skipped?.[0]?.reason ?? ''), JSON.stringify(plan))
      const undone = good(await helper(DEV, 'Undo', { runId, cause: 'user-undo' }), 'Undo')
      same(undone['state'], 'partly-undone', 'the run')
      check(loaded() && JSON.stringify(undone['undo']).includes('fleet-0'), JSON.stringify(undone['undo']))
      same((await ask('check'))['same'], true, 'what the fleet reads')
    },
  },
  {
    name: 'unused it is unloaded clean by undoing the run again, and its service ends',
    run: async () => {
      await endFleet()
      await until('the module to be free', () => used() === 0)
      same([asRoot().total['agents'], asRoot().total['content_bytes'], asRoot().total['hot_bytes'], asRoot().total['warm_bytes']], ['0', '0', '0', '0'], 'what is left in it')
      same(good(await helper(DEV, 'Undo', { runId, cause: 'user-undo' }), 'Undo')['state'], 'undone', 'the run')
      check(!loaded() && !existsSync('/dev/agentmem') && !existsSync('/proc/agent_stats'), 'something of it is there')
      await until('agentmem-pressure to end', () => unitState('agentmem-pressure.service') === 'success inactive', 60_000)
    },
  },
  {
    name: 'without the module the same programs work as before, in the broker',
    run: async () => {
      same((await startFleet())['backends'], ['broker'], 'backend')
      await ask('suspend 3')
      same((await ask('resume 3'))['same'], true, 'what a resumed agent reads')
      same((await ask('check'))['same'], true, 'what the fleet reads')
      await endFleet()
    },
  },
  {
    name: 'a helper that is killed with it loaded and nobody having said keep: the next one unloads it',
    run: async () => {
      const open = await applyOpen(load)
      check(loaded(), 'it is not loaded')
      const pid = Number(good(await helper(DEV, 'Status'), 'Status')['pid'])
      run('kill', '-KILL', String(pid))
      await until('the run to be taken back', async () => (await helper(DEV, 'Status')).ok && (await stateOf(open)) === 'undone', 60_000)
      check(!loaded(), 'it is loaded still')
    },
  },
  {
    name: 'a module that was forbidden is not loaded, and the layer says by whom',
    run: async () => {
      writeFileSync('/etc/modprobe.d/guest.conf', 'blacklist agentmem\n')
      const { state, summary } = await layer()
      rmSync('/etc/modprobe.d/guest.conf')
      check(state === 'unavailable' && summary.includes('/etc/modprobe.d/guest.conf'), `${state}: ${summary}`)
    },
  },
]

/** Uninstalling, and what is left after it. */
export const moduleGoneTests: readonly Test[] = [
  {
    name: 'install.sh uninstalls with the module loaded and kept: it is unloaded first',
    run: async () => {
      good(await helper(DEV, 'Keep', { runId: await applyOpen(load) }), 'Keep')
      check(loaded(), 'it is not loaded')
      const { status, out } = tryRun('sh', [`${INSTALLED}/install.sh`, 'uninstall'], 120_000)
      console.log(`# ${out.trim().replaceAll('\n', ' / ')}`)
      same(status, 0, `install.sh uninstall: ${out.slice(-600)}`)
    },
  },
  {
    name: 'after uninstalling nothing of the module is there: sources, what DKMS built, units',
    run: async () => {
      const release = run('uname', '-r').trim()
      check(!loaded(), 'it is loaded')
      same(tryRun('dkms', ['status']).out.includes('agentmem'), false, 'dkms status names it')
      same(run('find', '/usr/src', '/lib/modules/', '/usr/lib/systemd', '-name', '*agentmem*').trim(), '', 'files')
      check(tryRun('modprobe', ['--dry-run', 'agentmem']).status !== 0, `modprobe finds it for ${release}`)
    },
  },
]
