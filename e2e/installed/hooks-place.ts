import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { sessionRequests, type SessionMethod, type SessionRequest, type SessionResponse } from '../../helper/contract/requests.ts'
import type { Fleet } from '../fixtures/fleet/fleet.ts'
import { asUser } from '../fixtures/fleet/ground.ts'
import { makeUserFolders, startSessionBus } from './app-host.ts'
import { projectDir, startCaller, startProgram, type BusCaller } from './world.ts'

/** The session role of the fleet's user, asked as its window would ask it. */
export interface SessionOf {
  call<M extends SessionMethod>(method: M, request: SessionRequest<M>): Promise<SessionResponse<M>>
  /** All it wrote to standard error. */
  log(): string
  stop(): Promise<void>
}

/** One line of agentmem-hook. */
export interface HookLine {
  readonly pid: number
  readonly kind: string
  readonly event: string
  readonly session: string | null
}

/** The built bundle where the fleet's user can start it: its hook and launcher too. */
export const putBundle = (fleet: Pick<Fleet, 'ground' | 'user'>): string => {
  const built = spawnSync(process.execPath, [join(projectDir, 'tools', 'helper-bundle.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  const place = join(fleet.ground.folder, 'program')
  const node = join(projectDir, 'build', 'helper', 'node')
  cpSync(join(projectDir, 'build', 'helper'), place, { recursive: true, filter: (from) => from !== node })
  spawnSync('chown', ['-R', `${fleet.user.uid}:${fleet.user.gid}`, place])
  return place
}

/** Starts it on a session bus of its own, in the fleet's network as on a user's machine; `env` says whose HOME it is. */
export const startSessionOf = async (fleet: Pick<Fleet, 'ground' | 'packages' | 'user'>, bundle: string, folder: string, env: NodeJS.ProcessEnv = {}): Promise<SessionOf> => {
  const { user } = fleet
  await makeUserFolders(folder, user)
  const bus = await startSessionBus(user, folder)
  let caller: BusCaller | null = null
  try {
    const role = await startProgram('nsenter', [`--net=/proc/${fleet.ground.serverPid}/ns/net`, 'env', '-i', `PATH=${process.env['PATH']}`, ...Object.entries({
      HOME: join(folder, 'home'),
      SHELL: '/bin/bash',
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_STATE_HOME: join(folder, 'state'),
      XDG_RUNTIME_DIR: join(folder, 'run'),
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(folder, 'run', 'no-such-bus')}`,
      ...env,
    }).map(([key, value]) => `${key}=${value}`), ...asUser(user), join(fleet.packages.folder, 'bin', 'node'), join(bundle, 'session.js'), '--bus', bus.address, '--idle-exit-seconds', '0'], { ready: /agentmem session helper .* on /u })
    const asking = await startCaller({ address: bus.address, folder }, user.uid, 'Session1')
    caller = asking
    return {
      call: async (method, request) => {
        const answer = await asking.call(method, request)
        if (!answer.ok) throw new Error(`${method}: ${answer.error?.code} ${answer.error?.message}`)
        return sessionRequests[method].response.parse(answer.value) as SessionResponse<typeof method>
      },
      log: () => role.log(),
      stop: async () => {
        await asking.stop()
        await role.stop()
        await bus.stop()
      },
    }
  } catch (error) {
    await caller?.stop()
    await bus.stop()
    throw error
  }
}

/** Stands where the agents' hooks report, keeps what they say, and hands each line on unchanged. */
export const listenBetween = async (socketPath: string, realPath: string, uid: number): Promise<{ lines: HookLine[]; stop(): void }> => {
  const lines: HookLine[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (agent) => {
    const real = connect({ path: realPath, allowHalfOpen: true })
    agent.on('data', (chunk: Buffer) => {
      const [, pid, kind = '', event = '', session = '-'] = chunk.toString('latin1').trim().split(' ')
      lines.push({ pid: Number(pid), kind, event, session: session === '-' ? null : session })
    })
    agent.pipe(real)
    real.pipe(agent)
    for (const socket of [agent, real]) socket.on('error', () => { agent.destroy(); real.destroy() })
    real.on('close', () => agent.destroy())
  })
  rmSync(socketPath, { force: true })
  await new Promise<void>((resolve) => { server.listen(socketPath, resolve) })
  chownSync(socketPath, uid, uid)
  return { lines, stop: () => server.close() }
}
