/** Agents of the guest: real processes of `dev`, started where a terminal would start them. */
import { spawn } from 'node:child_process'
import { appendFileSync, chownSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { check, read, run, tryRun, until } from './harness.ts'
import { asUser, DEV, INSTALLED, type User } from './users.ts'
import { bootId, cgroupOf, startTicks } from './world.ts'

export interface FakeAgent {
  readonly pid: number
  readonly id: string
  readonly folder: string
  /** As requests name it. */
  readonly target: { id: string; title: string; idleMs: number; kind: string; processes: { pid: number; startTimeTicks: number }[] }
  beats(): number
  order(text: string): Promise<void>
  end(): Promise<void>
}

let count = 0

/**
 * Starts one; `how` says what starts it: a service of the user's systemd, as a
 * desktop does, a login session, or `agentmemctl run` in a service of the user's.
 */
export const startAgent = async (heapMib: number, how: 'user-service' | 'login' | 'run' = 'user-service', user: User = DEV): Promise<FakeAgent> => {
  count += 1
  const home = `/home/${user.name}`
  const folder = `${home}/agent-${count}`
  const PACKAGE = `${home}/node_modules/@google/gemini-cli`
  rmSync(folder, { recursive: true, force: true })
  for (const path of [`${home}/node_modules`, `${home}/node_modules/@google`, PACKAGE, folder]) {
    mkdirSync(path, { recursive: true })
    chownSync(path, user.uid, user.uid)
  }
  for (const file of ['gemini.mjs', 'tool.py']) copyFileSync(`/mnt/guest/inside/${file}`, `${PACKAGE}/${file}`)
  writeFileSync(`${folder}/orders`, '')
  const command = [`${INSTALLED}/node`, `${PACKAGE}/gemini.mjs`, folder, String(heapMib)]
  const unit = `terminal-${count}`
  const launcher = how === 'run' ? [`${INSTALLED}/node`, '/mnt/guest/cli/run.mjs'] : []
  if (how !== 'login') {
    // In a terminal: an agent without one is taken for somebody else's tool. In a shell, which keeps the scope that tmux makes for it: without one there is nowhere to go back to.
    const terminal = ['/usr/bin/tmux', '-L', unit, 'new-session', '-d', '-x', '80', '-y', '24', `${[...launcher, ...command].join(' ')}; exit`]
    const [program = '', ...args] = asUser(user, 'systemd-run', '--user', '--quiet', '--collect', `--unit=${unit}`, '--property=Type=forking', '--property=KillMode=process', `--working-directory=${folder}`, ...terminal)
    run(program, ...args)
  } else {
    // Through PAM, as login does: logind makes a session of it. In a shell: systemd's keeper of that session is a child of what it starts.
    spawn('systemd-run', ['--quiet', '--collect', `--unit=${unit}`, '--property=PAMName=login', `--property=User=${user.name}`, `--working-directory=${folder}`, '/bin/sh', '-c', `${command.join(' ')}; exit`], { stdio: 'ignore' })
  }
  await until(`agent ${count} to start`, () => Number(read(`${folder}/ready`)) > 0, 60_000)
  const pid = Number(read(`${folder}/ready`))
  const ticks = startTicks(pid)
  const id = `${bootId()}:${pid}:${ticks}`
  const agent: FakeAgent = {
    pid,
    id,
    folder,
    target: { id, title: 'Gemini CLI', idleMs: 600_000, kind: 'gemini-cli', processes: [{ pid, startTimeTicks: ticks }] },
    beats: () => Number(read(`${folder}/heart`) || 0),
    order: async (text) => {
      appendFileSync(`${folder}/orders`, `${text}\n`)
      await until(`agent to take "${text}"`, () => read(`${folder}/did`) === text, 30_000)
    },
    end: async () => {
      const before = cgroupOf(pid)
      for (const victim of [pid, ...tryRun('pgrep', ['-f', `${PACKAGE}/tool.py`]).out.split('\n').map(Number).filter((one) => one > 0)]) tryRun('kill', ['-KILL', String(victim)])
      await until(`agent ${pid} of ${before} to end`, () => !existsSync(`/proc/${pid}`))
    },
  }
  await until('its heart', () => agent.beats() > 0)
  return agent
}

/** For one that should run: as soon as it does, which takes a while where its memory comes back first. */
export const hearBeat = async (agent: FakeAgent): Promise<void> => {
  const before = agent.beats()
  await until(`a beat of agent ${agent.pid} in ${cgroupOf(agent.pid)}`, () => agent.beats() > before)
}

/** For one that should stand still. */
export const isBeating = async (agent: FakeAgent, forMs = 1200): Promise<boolean> => {
  const before = agent.beats()
  const end = Date.now() + forMs
  while (Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100))
  return agent.beats() > before
}

export const isFrozen = (folder: string): boolean => read(`${folder}/cgroup.freeze`) === '1'

/** Every cgroup of the machine that is frozen now. */
export const frozenGroups = (): string[] => run('sh', '-c', 'grep -lx 1 $(find /sys/fs/cgroup -name cgroup.freeze) || true').split('\n').filter((line) => line !== '')

export const checkNothingFrozen = (): void => check(frozenGroups().length === 0, `still frozen: ${frozenGroups().join(' ')}`)
