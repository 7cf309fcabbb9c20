import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Answer, CallName, EventName, Payload, Request } from '../../electron/contract/channels.ts'
import { asUser, makeFolder, type FleetUser } from '../fixtures/fleet/ground.ts'
import { projectDir, startProgram, type Running } from './world.ts'

export interface AppHost {
  /** A use-case of the real app, as its window would ask for it. */
  call<K extends CallName>(name: K, request: Request<K>): Promise<Answer<K>>
  /** Hears an event of the app until `stop` is called. */
  on<K extends EventName>(name: K, listener: (payload: Payload<K>) => void): void
  readonly pid: number
  log(): string
  stop(): Promise<void>
}

export interface AppHostOptions {
  readonly user: FleetUser
  /** Holds the user's HOME, configuration, history and sockets. */
  readonly folder: string
  /** A Node that every user can start. */
  readonly node: string
  /** Left out: the machine's own. */
  readonly systemBus?: string
  /** Left out: none, as over SSH. */
  readonly sessionBus?: string
  /** Puts the app elsewhere, into other namespaces say: answers with the command to start in place of this one. */
  readonly within?: (command: string, args: readonly string[]) => [string, string[]]
  /** Command prefix that becomes the user; without it programs that become root do not work. */
  readonly become?: readonly string[]
}

export const userEnvironment = (options: Pick<AppHostOptions, 'user' | 'folder' | 'systemBus' | 'sessionBus'>): NodeJS.ProcessEnv => ({
  HOME: join(options.folder, 'home'),
  USER: options.user.name,
  LOGNAME: options.user.name,
  SHELL: '/bin/bash',
  XDG_CONFIG_HOME: join(options.folder, 'config'),
  XDG_STATE_HOME: join(options.folder, 'state'),
  XDG_RUNTIME_DIR: join(options.folder, 'run'),
  XDG_DATA_DIRS: '/usr/share',
  DBUS_SYSTEM_BUS_ADDRESS: options.systemBus,
  DBUS_SESSION_BUS_ADDRESS: options.sessionBus,
})

export const makeUserFolders = async (folder: string, user: FleetUser): Promise<void> => {
  await makeFolder(folder, user)
  for (const name of ['home', 'config', 'state', 'run', 'project']) await makeFolder(join(folder, name), user)
}

/**
 * Command line that runs a program of the checkout as another user. The tree
 * may lie where only root may go, or be such a place itself: what is in it is
 * shown to the program in a folder of the user's, in a mount namespace of the
 * program's own.
 */
export const asUserInTree = (user: FleetUser, folder: string, command: (tree: string) => readonly string[], become = asUser(user)): [string, string[]] => {
  const tree = join(folder, 'project')
  const script = [
    'mount -t tmpfs -o mode=0755 tmpfs "$2"',
    'for entry in "$1"/*; do shown=$2/${entry##*/}; if [ -d "$entry" ]; then mkdir "$shown"; else : >"$shown"; fi; mount --rbind "$entry" "$shown"; done',
    'shift 2',
    'exec "$@"',
  ].join('\n')
  return ['unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', projectDir, tree, ...become, ...command(tree)]]
}

/** The user's own session bus. */
export const startSessionBus = async (user: FleetUser, folder: string): Promise<{ address: string; stop(): Promise<void> }> => {
  const address = `unix:path=${join(folder, 'run', 'bus')}`
  const line = ['dbus-daemon', '--session', '--nofork', '--nopidfile', '--print-address=2', `--address=${address}`]
  const running = await startProgram('env', ['--', ...asUser(user), ...line], { ready: /unix:path=/u, env: { HOME: join(folder, 'home') } })
  return { address, stop: () => running.stop() }
}

/** Reads `event:` and `data:` lines of the app's event stream. */
const readEvents = async (response: Response, heard: (name: string, payload: unknown) => void): Promise<void> => {
  if (response.body === null) throw new Error('the event stream has no body')
  let rest = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    rest += chunk
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const name = /^event: (.*)$/mu.exec(block)?.[1]
      const data = /^data: (.*)$/mu.exec(block)?.[1]
      if (name !== undefined && data !== undefined) heard(name, JSON.parse(data))
    }
  }
}

/** Starts the app in its browser host as the user and signs in with its one-time address. */
export const startAppHost = async (options: AppHostOptions): Promise<AppHost> => {
  await mkdir(options.folder, { recursive: true })
  const [command, args] = asUserInTree(options.user, options.folder, (tree) => [options.node, join(tree, 'electron', 'browser', 'main.ts'), '--no-open'], options.become)
  const [program, words] = options.within?.(command, args) ?? [command, args]
  const running: Running = await startProgram(program, words, { ready: /http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/u, env: userEnvironment(options) })
  const url = /http:\/\/127\.0\.0\.1:\d+\/\?token=\S+/u.exec(running.log())?.[0] ?? ''
  const origin = new URL(url).origin
  const signedIn = await fetch(url)
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  if (!signedIn.ok || cookie === '') throw new Error(`signing in failed: ${signedIn.status} ${await signedIn.text()}`)
  const listeners: ((name: string, payload: unknown) => void)[] = []
  const leave = new AbortController()
  const events = await fetch(`${origin}/events`, { headers: { cookie }, signal: leave.signal })
  readEvents(events, (name, payload) => {
    for (const listener of listeners) listener(name, payload)
  }).catch(() => undefined) // ends with the app
  return {
    pid: running.pid,
    log: () => running.log(),
    call: async <K extends CallName>(name: K, request: Request<K>) => {
      const answer = await fetch(`${origin}/call/${name}`, {
        method: 'POST',
        headers: { cookie, origin, 'content-type': 'application/json' },
        body: JSON.stringify(request),
        // An undo may take minutes.
        signal: AbortSignal.timeout(280_000),
      })
      return (await answer.json()) as Answer<K>
    },
    on: (wanted, listener) => {
      listeners.push((name, payload) => {
        if (name === wanted) listener(payload as never)
      })
    },
    stop: async () => {
      leave.abort()
      await running.stop()
    },
  }
}
