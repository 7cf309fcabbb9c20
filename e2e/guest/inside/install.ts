import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeCallers } from './caller.ts'
import { checkNothingFrozen, hearBeat, isBeating, startAgent } from './fake-agent.ts'
import { check, read, run, same, tryRun, unitState, until, type Test } from './harness.ts'
import { known } from './own.ts'
import { differences, lookAtMachine } from './machine.ts'
import { DEV, EVE, INSTALLED, PRODUCT } from './users.ts'
import { allowDev, cgroupOf, good, helper, linger, session } from './world.ts'


/** What the machine was like before anything of ours came to it. */
let before: ReadonlySet<string> = new Set()

/** For what is compared after uninstalling; takes minutes under emulation. */
export const writtenDown: Test = {
  name: 'the machine before installing is written down',
  run: async () => {
    before = lookAtMachine()
    check(before.size > 5000, `only ${before.size} lines`)
  },
}

export const installTests: readonly Test[] = [
  {
    name: 'the kernel has what the tests need: memory control in cgroup v2, zram, PSI',
    run: async () => {
      check(read('/sys/fs/cgroup/cgroup.controllers').split(' ').includes('memory'), `controllers: ${read('/sys/fs/cgroup/cgroup.controllers')}`)
      check(read('/proc/pressure/memory').startsWith('some'), 'no pressure of memory')
      run('modprobe', 'zram', 'num_devices=1')
      check(existsSync('/sys/block/zram0'), 'no zram')
    },
  },
  {
    name: 'two users are logged in, one of whom may change what the helper changes',
    run: async () => {
      allowDev()
      await linger(DEV)
      await linger(EVE)
    },
  },
  writtenDown,
  {
    name: 'install.sh installs the bundle',
    // With DKMS in the guest the module is built on the way.
    limitMs: 45 * 60_000,
    run: async () => {
      const digest = createHash('sha256').update(readFileSync(`${PRODUCT}/MANIFEST`)).digest('hex')
      const { status, out } = tryRun('sh', [`${PRODUCT}/install.sh`, 'install', PRODUCT, digest], 10 * 60_000)
      check(status === 0, `install.sh ended with ${status}: ${out.slice(-800)}`)
      console.log(`# ${out.trim().replaceAll('\n', ' / ')}`)
      check(existsSync(`${INSTALLED}/node`), 'node is not there')
    },
  },
  {
    name: 'units are sound for systemd-analyze verify',
    run: async () => {
      const { out } = tryRun('systemd-analyze', ['verify', '--man=no', '/usr/lib/systemd/system/agentmem-helper.service', '/usr/lib/systemd/system/agentmem-recover.service', '/usr/lib/systemd/system/agentmem-pressure.service', '/usr/lib/systemd/system/agentmem-module@.service', '/usr/lib/systemd/system/agentmem-module-unload.service', '/usr/lib/systemd/system/agentmem-backing@.service'])
      same(out.split('\n').filter((line) => line.includes('agentmem')), [], 'complaints')
    },
  },
  {
    name: 'the bus starts the helper within its sandbox',
    run: async () => {
      const status = good(await helper(DEV, 'Status'), 'Status')
      same(status['role'], 'system', 'role')
      same(unitState('agentmem-helper.service'), 'success active', 'unit')
      const pid = Number(status['pid'])
      check(readlinkSync(`/proc/${pid}/exe`) === `${INSTALLED}/node`, `it runs ${readlinkSync(`/proc/${pid}/exe`)}`)
      same(/^NoNewPrivs:\s+(\d)/mu.exec(read(`/proc/${pid}/status`))?.[1], '1', 'NoNewPrivs')
      same(/^Seccomp:\s+(\d)/mu.exec(read(`/proc/${pid}/status`))?.[1], '2', 'Seccomp')
    },
  },
  {
    name: 'the helper sees the machine from inside its sandbox',
    run: async () => {
      const probe = JSON.stringify(good(await helper(DEV, 'Probe'), 'Probe'))
      check(probe.includes('"memoryController":true'), `no memory controller in ${probe.slice(0, 600)}`)
    },
  },
  {
    name: 'the session bus starts the session role',
    run: async () => {
      const status = good(await session(DEV, 'Status'), 'Status')
      same(status['role'], 'session', 'role')
      const state = tryRun('runuser', ['-u', 'dev', '--', 'env', 'XDG_RUNTIME_DIR=/run/user/1000', 'systemctl', '--user', 'is-active', 'agentmem-session.service'])
      same(state.out.trim(), 'active', 'unit')
    },
  },
  {
    name: 'polkit denies who is not allowed, and lets look',
    run: async () => {
      good(await helper(EVE, 'Status'), 'Status')
      const answer = await helper(EVE, 'DropCaches', { level: 1 })
      check(!answer.ok && answer.error.code.startsWith('authorization-'), JSON.stringify(answer))
    },
  },
  {
    name: 'polkit allows who is allowed by a rule',
    run: async () => {
      good(await helper(DEV, 'DropCaches', { level: 1 }), 'DropCaches')
    },
  },
  {
    name: 'the recover unit runs',
    run: async () => {
      run('systemctl', 'start', 'agentmem-recover.service')
      await until('the recover unit to end', () => unitState('agentmem-recover.service').includes('inactive'))
      check(unitState('agentmem-recover.service').startsWith('success'), unitState('agentmem-recover.service'))
    },
  },
]

export const uninstallTests: readonly Test[] = [
  {
    name: 'install.sh uninstalls while agents are suspended and limited: all of them run, without limits, where they were',
    run: async () => {
      const [frozen, limited, own] = [await startAgent(10), await startAgent(10), await startAgent(10, 'user-service', EVE)]
      const homes = [frozen, limited, own].map((agent) => cgroupOf(agent.pid))
      good(await helper(DEV, 'Suspend', { agent: frozen.target, cause: 'user' }), 'Suspend')
      good(await helper(DEV, 'Limit', { agent: limited.target, limits: { highBytes: 300 * 1024 * 1024 }, cause: 'user' }), 'Limit')
      await until('the session role to be back', async () => (await session(EVE, 'Status')).ok)
      await known(own)
      good(await session(EVE, 'Limit', { id: own.id, limits: { highBytes: 300 * 1024 * 1024 } }), 'Limit')
      check(!(await isBeating(frozen)), 'it runs')
      console.log(`# ${run('sh', `${INSTALLED}/install.sh`, 'uninstall').trim().replaceAll('\n', ' / ')}`)
      for (const agent of [frozen, limited, own]) await hearBeat(agent)
      same([frozen, limited, own].map((agent) => cgroupOf(agent.pid)), homes, 'where they are')
      checkNothingFrozen()
      for (const agent of [frozen, limited, own]) await agent.end()
    },
  },
  {
    name: 'after uninstalling the machine is as it was: files, units, control groups, limits, settings',
    run: async () => {
      await closeCallers()
      let found = differences(before, lookAtMachine())
      // A unit that has ended is forgotten a moment later.
      for (let again = 0; again < 5 && found.length > 0; again += 1) {
        await sleep(1000)
        found = differences(before, lookAtMachine())
      }
      for (const line of found) console.log(`# ${line}`)
      same(found.length, 0, `differences, the first of them ${found.slice(0, 3).join(' / ')}`)
    },
  },
]
