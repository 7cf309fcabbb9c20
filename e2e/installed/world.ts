import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/**
 * A private world for tests of the installed program: a system bus of its own,
 * a real polkitd on it with rules of its own, and the helper. Nothing of the
 * machine's bus or polkit is touched. Whoever starts a thing stops it.
 */
export const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const POLKITD = ['/usr/lib/polkit-1/polkitd', '/usr/libexec/polkitd', '/usr/libexec/polkit-1/polkitd', '/usr/lib/policykit-1/polkitd'].find((path) => existsSync(path))

/** Why such a world cannot be made here; null when it can. */
export const worldProblem = (): string | null => {
  if (process.getuid?.() !== 0) return 'needs root: a real polkitd and a helper that runs as root'
  if (!existsSync('/usr/bin/dbus-daemon')) return 'needs dbus-daemon: sudo apt install dbus'
  if (POLKITD === undefined) return 'needs polkitd: sudo apt install polkitd'
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'needs mount namespaces: polkitd gets rules of its own'
  return null
}

export interface Running {
  pid: number
  child: ChildProcess
  /** All that it wrote to standard error so far. */
  log(): string
  /** Exit code or signal, once it has ended. */
  ended: Promise<number | NodeJS.Signals>
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts a program and keeps what it says; `ready` is looked for in its standard error or output. */
export const startProgram = async (
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number; ready?: RegExp; cwd?: string } = {},
): Promise<Running> => {
  const identity = options.uid === undefined ? {} : { uid: options.uid, gid: options.gid ?? options.uid }
  const child = spawn(command, args, { env: { ...process.env, ...options.env }, cwd: options.cwd ?? '/', stdio: ['pipe', 'pipe', 'pipe'], ...identity })
  let log = ''
  const { ready } = options
  const started = Promise.withResolvers<void>()
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'))
    child.on('error', reject)
  })
  const hear = (chunk: Buffer): void => {
    log += chunk.toString('utf8')
    if (ready?.test(log) === true) started.resolve()
  }
  child.stderr.on('data', hear)
  if (ready !== undefined) {
    child.stdout.on('data', hear)
    void ended.then((how) => started.reject(new Error(`${command} ended with ${how} before it was ready:\n${log}`)), started.reject)
    await started.promise
  }
  return {
    pid: child.pid ?? -1,
    child,
    log: () => log,
    ended,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await ended
    },
  }
}

export interface PrivateBus {
  /** For DBUS_SYSTEM_BUS_ADDRESS. */
  address: string
  /** Removed by stop(). */
  folder: string
  stop(): Promise<void>
}

/** A system bus that can be killed and comes back at the same address, as init would see to it. */
export interface PrivateSystemBus extends PrivateBus {
  /** kill -9, and a new daemon in its place; everybody who was on it has lost their connection. */
  crash(): Promise<void>
}

// The rules of /usr/share/dbus-1/system.conf, which every system bus has.
const busConfig = (folder: string, includes: readonly string[]): string => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
  </policy>
${includes.map((file) => `  <include>${file}</include>`).join('\n')}
</busconfig>
`

/** A system bus of its own with the policies of polkit and of the helper; `busPolicies` adds more files. */
export const startPrivateSystemBus = async (busPolicies: readonly string[] = []): Promise<PrivateSystemBus> => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-bus-'))
  chmodSync(folder, 0o755)
  const polkitPolicy = ['/usr/share/dbus-1/system.d', '/etc/dbus-1/system.d'].map((place) => join(place, 'org.freedesktop.PolicyKit1.conf')).find((path) => existsSync(path))
  const includes = [join(projectDir, 'assets', 'system', 'org.agentmem.Helper1.conf'), ...(polkitPolicy === undefined ? [] : [polkitPolicy]), ...busPolicies]
  const config = join(folder, 'bus.conf')
  writeFileSync(config, busConfig(folder, includes))
  const start = (): Promise<Running> => startProgram('/usr/bin/dbus-daemon', ['--nofork', '--print-address=2', '--nopidfile', `--config-file=${config}`], { ready: /unix:path=/u })
  try {
    let daemon = await start()
    return {
      address: `unix:path=${folder}/bus`,
      folder,
      crash: async () => {
        await daemon.stop('SIGKILL')
        rmSync(join(folder, 'bus'), { force: true })
        daemon = await start()
      },
      stop: async () => {
        await daemon.stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** A session bus of this user alone. */
export const startSessionBus = async (): Promise<PrivateBus> => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-session-'))
  const daemon = await startProgram('/usr/bin/dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address=2', `--address=unix:path=${folder}/bus`], { ready: /unix:path=/u })
  return {
    address: `unix:path=${folder}/bus`,
    folder,
    stop: async () => {
      await daemon.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * A real polkitd on that bus. `rules` is JavaScript for polkit ("polkit.addRule(...)").
 * Its folders of actions and rules are replaced in a mount namespace of its own.
 */
export const startPolkitd = async (bus: PrivateBus, rules: string, policyFiles = [join(projectDir, 'assets', 'system', 'org.agentmem.policy')]): Promise<Running> => {
  if (POLKITD === undefined) throw new Error('polkitd is not installed')
  const actions = join(bus.folder, 'actions')
  const ownRules = join(bus.folder, 'rules.d')
  const noRules = join(bus.folder, 'no-rules')
  for (const folder of [actions, ownRules, noRules]) {
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o755)
  }
  for (const file of policyFiles) copyFileSync(file, join(actions, file.slice(file.lastIndexOf('/') + 1)))
  writeFileSync(join(ownRules, '10-test.rules'), rules, { mode: 0o644 })
  const mounts = ['/usr/share/polkit-1/actions', '/etc/polkit-1/rules.d', '/usr/share/polkit-1/rules.d']
  const script = 'for pair; do [ ! -d "${pair#*=}" ] || mount --bind "${pair%%=*}" "${pair#*=}"; done; exec "$POLKITD" --no-debug'
  const pairs = [`${actions}=${mounts[0]}`, `${ownRules}=${mounts[1]}`, `${noRules}=${mounts[2]}`]
  const daemon = await startProgram('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', ...pairs], {
    env: { DBUS_SYSTEM_BUS_ADDRESS: bus.address, POLKITD },
  })
  // It says nothing when it is ready: its name on the bus does.
  for (let tries = 0; tries < 200; tries += 1) {
    const asked = spawnSync('dbus-send', [`--bus=${bus.address}`, '--print-reply=literal', '--dest=org.freedesktop.DBus', '/', 'org.freedesktop.DBus.NameHasOwner', 'string:org.freedesktop.PolicyKit1'], { encoding: 'utf8' })
    if (asked.stdout.includes('true')) return daemon
    if (daemon.child.exitCode !== null) throw new Error(`polkitd ended:\n${daemon.log()}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
  await daemon.stop()
  throw new Error(`polkitd did not take its name:\n${daemon.log()}`)
}

export interface HelperOptions {
  bus: PrivateBus
  /** Kernel files: "/" or a captured tree. */
  root?: string
  /** Journal and runs; below the bus folder when left out. */
  stateDir?: string
  idleExitSeconds?: number
  args?: readonly string[]
  env?: NodeJS.ProcessEnv
  /** Program and first arguments; the checkout's helper/system.ts when left out. */
  command?: readonly [string, ...string[]]
}

/** The helper's system role on that bus, as root; ready when this returns. */
export const startSystemHelper = async ({ bus, root = '/', stateDir = join(bus.folder, 'state'), idleExitSeconds = 0, args = [], env = {}, command }: HelperOptions): Promise<Running> => {
  const [program, ...first] = command ?? ([process.execPath, join(projectDir, 'helper', 'system.ts')] as const)
  return startProgram(program, [...first, '--root', root, '--state-dir', stateDir, '--bus', bus.address, '--idle-exit-seconds', String(idleExitSeconds), ...args], {
    ready: /agentmem system helper .* on /u,
    env: { DBUS_SYSTEM_BUS_ADDRESS: bus.address, ...env },
  })
}

export interface Signalled {
  signal: string
  payload: unknown
}

/** A caller of its own: another process, another user, another name on the bus. */
export interface BusCaller {
  uid: number
  pid: number
  /** Unique name on the bus. */
  name: string
  /** Sends a request as it is; `text` overrides the JSON of `request`, `signature` and `body` the whole message. Answers with the Result. */
  call(method: string, request: unknown, options?: { mayAsk?: boolean; text?: string; signature?: string; body?: unknown[] }): Promise<{ ok: boolean; value?: unknown; error?: { code: string; message: string; advice?: string } }>
  /** Registers as the authentication agent of itself; each dialog is answered as told. */
  answerDialogs(how: 'cancel' | 'wrong-password' | 'right-password' | 'never'): Promise<void>
  /** For 'right-password': ends the dialog after polkit was told. */
  finishDialog(): Promise<void>
  /** For a caller that is root: tells polkit that the user of a dialog knew the password. */
  vouch(uid: number, cookie: string): Promise<void>
  /** Actions for which a dialog was opened, in order. */
  dialogs(): Promise<string[]>
  signals(): Promise<Signalled[]>
  waitForSignal(test: (signal: Signalled) => boolean): Promise<Signalled>
  stop(): Promise<void>
}

export interface CallerProgram {
  node: string
  script: string
}

/** A package and what it needs, from our node_modules into another one. */
const copyPackage = (name: string, into: string): void => {
  const from = join(projectDir, 'node_modules', name)
  if (!existsSync(from) || existsSync(join(into, name))) return
  cpSync(from, join(into, name), { recursive: true })
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> }
  for (const needed of Object.keys(dependencies)) copyPackage(needed, into)
}

/**
 * Node and the caller's script where this user can run them: the checkout's
 * own, or copies below `folder` when the checkout lies in a closed home.
 */
export const callerProgram = (folder: string, uid: number): CallerProgram => {
  const own = { node: process.execPath, script: join(projectDir, 'e2e', 'installed', 'bus-caller.ts') }
  const asUser = uid === process.getuid?.() ? { cwd: '/' } : { uid, gid: uid, cwd: '/' }
  const canRead = (path: string): boolean => spawnSync('test', ['-r', path], asUser).status === 0
  const reachable = spawnSync(own.node, ['--version'], asUser).status === 0 && canRead(own.script) && canRead(join(projectDir, 'node_modules', 'dbus-next', 'package.json'))
  if (reachable) return own
  const place = join(folder, 'caller')
  const copied = { node: join(place, 'node'), script: join(place, 'bus-caller.ts') }
  if (!existsSync(copied.script)) {
    mkdirSync(join(place, 'node_modules'), { recursive: true })
    copyPackage('dbus-next', join(place, 'node_modules'))
    copyFileSync(own.node, copied.node)
    writeFileSync(join(place, 'package.json'), '{"type":"module"}')
    copyFileSync(own.script, copied.script)
    spawnSync('chmod', ['-R', 'a+rX', place])
    chmodSync(copied.node, 0o755)
  }
  return copied
}

export const startCaller = async (bus: Pick<PrivateBus, 'address' | 'folder'>, uid: number, role: 'Helper1' | 'Session1' = 'Helper1'): Promise<BusCaller> => {
  const own = uid === process.getuid?.() ? {} : { uid }
  const program = callerProgram(bus.folder, uid)
  const running = await startProgram(program.node, [program.script, bus.address, role], { ...own, env: { HOME: '/' } })
  const { stdin, stdout } = running.child
  if (stdin === null || stdout === null) throw new Error('the caller has no pipes')
  const waiting = new Map<number, (answer: unknown) => void>()
  const heard: Signalled[] = []
  const listeners = new Set<() => void>()
  const hello = Promise.withResolvers<string>()
  void running.ended.then((how) => hello.reject(new Error(`the caller ended with ${how}:\n${running.log()}`)))
  hello.promise.catch(() => undefined)
  createInterface({ input: stdout }).on('line', (line) => {
    const message = JSON.parse(line) as { id?: number; answer?: unknown; name?: string; signal?: string; payload?: unknown }
    if (message.name !== undefined) hello.resolve(message.name)
    else if (message.signal !== undefined) {
      heard.push({ signal: message.signal, payload: message.payload })
      for (const listener of listeners) listener()
    } else if (message.id !== undefined) waiting.get(message.id)?.(message.answer)
  })
  let serial = 0
  const ask = (what: string, more: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      serial += 1
      waiting.set(serial, resolve)
      void running.ended.then(() => reject(new Error(`the caller ended:\n${running.log()}`)))
      stdin.write(`${JSON.stringify({ id: serial, what, ...more })}\n`)
    })
  const name = await hello.promise
  return {
    uid,
    pid: running.pid,
    name,
    call: async (method, request, options = {}) => {
      const answer = await ask('call', { method, text: options.text ?? JSON.stringify(request), mayAsk: options.mayAsk ?? false, signature: options.signature, body: options.body })
      return JSON.parse(String(answer)) as Awaited<ReturnType<BusCaller['call']>>
    },
    answerDialogs: async (how) => {
      const said = await ask('agent', { how, uid })
      if (said !== 'registered') throw new Error(`no authentication agent: ${String(said)}`)
    },
    finishDialog: async () => {
      await ask('dialog-done', {})
    },
    vouch: async (ofUid, cookie) => {
      await ask('vouch', { uid: ofUid, cookie })
    },
    dialogs: async () => (await ask('dialogs', {})) as string[],
    signals: async () => {
      await ask('ping', {})
      return [...heard]
    },
    waitForSignal: (test) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = heard.find(test)
          if (found === undefined) return
          listeners.delete(look)
          resolve(found)
        }
        listeners.add(look)
        look()
      }),
    stop: async () => {
      stdin.end()
      await running.ended
    },
  }
}

/** Waits until the helper no longer owns its name. */
export const waitForEnd = async (running: Running): Promise<number | NodeJS.Signals> => {
  if (running.child.exitCode !== null) return running.child.exitCode
  if (running.child.signalCode !== null) return running.child.signalCode
  const [code, signal] = (await once(running.child, 'exit')) as [number | null, NodeJS.Signals | null]
  return code ?? signal ?? 'SIGKILL'
}
