/** The user's broker under the user's own systemd: started by its socket, confined, ended when nobody needs it. */
import { existsSync, mkdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { check, read, run, same, tryRun, until, type Test } from './harness.ts'
import { logIn, logOut } from './ends.ts'
import { asUser, EVE, INSTALLED } from './users.ts'
import { runAs } from './world.ts'

const SOCKET = `/run/user/${EVE.uid}/agentmem/broker.sock`
const CLIENT = [`${INSTALLED}/node`, '/mnt/guest/inside/unit-client.mjs']
const HELD = `/home/${EVE.name}/held.json`

const systemctl = (...args: string[]): string => {
  const [program = '', ...rest] = asUser(EVE, 'systemctl', '--user', ...args)
  return tryRun(program, rest).out.trim()
}
const serviceState = (): string => systemctl('is-active', 'agentmem-broker.service')
const brokerPid = (): number => Number(systemctl('show', '-P', 'MainPID', 'agentmem-broker.service'))
const statusOf = (pid: number, name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'mu').exec(read(`/proc/${pid}/status`))?.[1] ?? ''

/** What a program of the user's says that hands in a prompt and reads it back. */
const useOnce = (): void => same(JSON.parse(runAs(EVE, ...CLIENT, 'once')), { backend: 'broker', same: true }, 'a program with a prompt')

const startHolder = (): void => {
  writeFileSync(HELD, '{}')
  run('chown', `${EVE.name}:`, HELD)
  runAs(EVE, 'systemd-run', '--user', '--quiet', '--collect', '--unit=unit-holder', ...CLIENT, 'hold', HELD)
}
const held = (): { tier?: string; same?: boolean; backend?: string } => {
  try {
    return JSON.parse(read(HELD) || '{}') as ReturnType<typeof held>
  } catch {
    return {} // read while it was written
  }
}

export const unitTests: readonly Test[] = [
  {
    name: 'the broker\'s user units are there, and sound for systemd-analyze verify',
    run: async () => {
      const files = ['service', 'socket'].map((kind) => `/usr/lib/systemd/user/agentmem-broker.${kind}`)
      for (const file of files) same([statSync(file).uid, statSync(file).mode & 0o777], [0, 0o644], file)
      const [program = '', ...args] = asUser(EVE, 'systemd-analyze', '--user', 'verify', '--man=no', ...files)
      same(tryRun(program, args).out.split('\n').filter((line) => line.includes('agentmem')), [], 'complaints')
      check(existsSync('/usr/lib/systemd/user/sockets.target.wants/agentmem-broker.socket'), 'nothing starts its socket at login')
    },
  },
  {
    name: 'the broker starts with the first connection to its socket, within its sandbox',
    run: async () => {
      systemctl('start', 'agentmem-broker.socket')
      same([statSync(SOCKET).uid, statSync(SOCKET).mode & 0o777], [EVE.uid, 0o600], SOCKET)
      same(serviceState(), 'inactive', 'before anybody connects it')
      useOnce()
      same(serviceState(), 'active', 'then it')
      const pid = brokerPid()
      same(readlinkSync(`/proc/${pid}/exe`), `${INSTALLED}/agentmem-broker`, 'its program')
      same(statusOf(pid, 'Uid'), [0, 0, 0, 0].map(() => EVE.uid).join('\t'), 'its user')
      same([statusOf(pid, 'NoNewPrivs'), statusOf(pid, 'Seccomp'), statusOf(pid, 'CapEff')], ['1', '2', '0000000000000000'], 'NoNewPrivs, Seccomp, capabilities')
      check(read(`/proc/${pid}/cgroup`).includes('/agentmem-broker.service'), read(`/proc/${pid}/cgroup`))
      check(tryRun('dmesg', []).out.includes('landlock: Up and running'), 'this kernel has no Landlock: writing outside of the store is not refused')
    },
  },
  {
    name: 'the broker ends when nobody needs it, and the next connection starts another',
    run: async () => {
      const first = brokerPid()
      await until('the broker to end', () => serviceState() === 'inactive', 90_000)
      same(systemctl('show', '-P', 'Result', 'agentmem-broker.service'), 'success', 'how it ended')
      same(systemctl('is-active', 'agentmem-broker.socket'), 'active', 'its socket')
      useOnce()
      check(brokerPid() !== first && brokerPid() > 0, `it is process ${brokerPid()} again`)
    },
  },
  {
    name: 'within its sandbox the broker keeps idle conversations on disk, in the user\'s own folder alone',
    run: async () => {
      mkdirSync(`/home/${EVE.name}/.config/agentmem`, { recursive: true })
      writeFileSync(`/home/${EVE.name}/.config/agentmem/broker.conf`, 'warm_after_ms=1000\ncold_after_ms=1500\n')
      run('chown', '-R', `${EVE.name}:`, `/home/${EVE.name}/.config`)
      systemctl('restart', 'agentmem-broker.service')
      startHolder()
      await until('its conversation to be on disk, and read back', () => held().same === true, 60_000)
      same(held().backend, 'broker', 'backend')
      const store = `/home/${EVE.name}/.local/state/agentmem/store`
      same([statSync(store).uid, statSync(store).mode & 0o777], [EVE.uid, 0o700], store)
      same([statSync(`${store}/store.data`).uid, statSync(`${store}/store.data`).mode & 0o777], [EVE.uid, 0o600], 'store.data')
    },
  },
  {
    name: 'logout ends the broker with its agents; after the next login its socket is there by itself',
    run: async () => {
      const pid = brokerPid()
      check(existsSync(`/proc/${pid}`), 'no broker')
      await logOut(EVE)
      check(!existsSync(`/proc/${pid}`), `broker ${pid} is there still`)
      const left = existsSync(SOCKET)
      rmSync(HELD, { force: true })
      rmSync(`/home/${EVE.name}/.config/agentmem`, { recursive: true, force: true })
      await logIn(EVE)
      check(!left, `${SOCKET} was there after the logout`)
      same(systemctl('is-active', 'agentmem-broker.socket'), 'active', 'its socket')
      useOnce()
    },
  },
]
