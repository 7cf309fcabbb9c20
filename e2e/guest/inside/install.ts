import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { check, read, run, same, tryRun, until, type Test } from './harness.ts'
import { allowDev, DEV, EVE, good, helper, INSTALLED, linger, PRODUCT, session } from './world.ts'

const unitState = (unit: string): string => run('systemctl', 'show', '--property=ActiveState,Result', '--value', unit).trim().replaceAll('\n', ' ')

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
    name: 'install.sh installs the bundle',
    run: async () => {
      const digest = createHash('sha256').update(readFileSync(`${PRODUCT}/MANIFEST`)).digest('hex')
      run('sh', `${PRODUCT}/install.sh`, 'install', PRODUCT, digest)
      check(existsSync(`${INSTALLED}/node`), 'node is not there')
      allowDev()
      await linger(DEV)
      await linger(EVE)
    },
  },
  {
    name: 'units are sound for systemd-analyze verify',
    run: async () => {
      const { out } = tryRun('systemd-analyze', ['verify', '--man=no', '/usr/lib/systemd/system/agentmem-helper.service', '/usr/lib/systemd/system/agentmem-recover.service'])
      same(out.split('\n').filter((line) => line.includes('agentmem')), [], 'complaints')
    },
  },
  {
    name: 'the bus starts the helper within its sandbox',
    run: async () => {
      const status = good(helper(DEV, 'Status'), 'Status')
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
      const probe = JSON.stringify(good(helper(DEV, 'Probe'), 'Probe'))
      check(probe.includes('"memoryController":true'), `no memory controller in ${probe.slice(0, 600)}`)
    },
  },
  {
    name: 'the session bus starts the session role',
    run: async () => {
      const status = good(session(DEV, 'Status'), 'Status')
      same(status['role'], 'session', 'role')
      const state = tryRun('runuser', ['-u', 'dev', '--', 'env', 'XDG_RUNTIME_DIR=/run/user/1000', 'systemctl', '--user', 'is-active', 'agentmem-session.service'])
      same(state.out.trim(), 'active', 'unit')
    },
  },
  {
    name: 'polkit denies who is not allowed, and lets look',
    run: async () => {
      good(helper(EVE, 'Status'), 'Status')
      const answer = helper(EVE, 'DropCaches', { level: 1 })
      check(!answer.ok && answer.error.code.startsWith('authorization-'), JSON.stringify(answer))
    },
  },
  {
    name: 'polkit allows who is allowed by a rule',
    run: async () => {
      good(helper(DEV, 'DropCaches', { level: 1 }), 'DropCaches')
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
    name: 'install.sh uninstalls everything it brought',
    run: async () => {
      run('sh', `${INSTALLED}/install.sh`, 'uninstall')
      const left = run('sh', '-c', 'find / -xdev \\( -path /proc -o -path /mnt \\) -prune -o -name "*agentmem*" -print').trim().split('\n')
      same(left.filter((path) => !/agentmem-guest|^$|^\/var\/log|^\/tmp\/|\/home\//u.test(path)), [], 'files left')
    },
  },
]
