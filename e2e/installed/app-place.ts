import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FleetUser } from '../fixtures/fleet/ground.ts'
import { asUserInTree, makeUserFolders, startAppHost, type AppHost } from './app-host.ts'
import { projectDir, startProgram, worldProblem } from './world.ts'

/** Why the app cannot be watched installing the helper here; null when it can. */
export const appPlaceProblem = (): string | null => {
  const worldless = worldProblem()
  if (worldless !== null) return worldless
  if (!existsSync('/usr/bin/pkexec')) return 'needs pkexec: sudo apt install pkexec'
  if ((spawnSync('stat', ['--format=%a', '/usr/bin/pkexec'], { encoding: 'utf8' }).stdout.trim().padStart(4, '0')[0] ?? '0') !== '4') return 'needs a pkexec that may become root'
  if (/^NoNewPrivs:\s*1$/mu.test(readFileSync('/proc/self/status', 'utf8'))) return 'needs to be started where programs may become root'
  if (!readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n')) return 'needs overlayfs: nothing is written to the real /usr'
  if (existsSync('/usr/lib/agentmem')) return 'needs a machine where the helper is not installed'
  if (!existsSync('/etc/polkit-1/rules.d')) return 'needs /etc/polkit-1/rules.d, where polkit looks for rules'
  return null
}

/** A file, folder or link; '-' where a file of the machine was taken away. */
export interface PlaceEntry {
  readonly type: 'f' | 'd' | 'l' | '-'
  readonly mode: string
  readonly owner: string
  readonly sizeBytes: number
}

export interface AppPlace {
  /** All below /usr and /var/lib that is otherwise in the place than on the machine, by path. */
  changes(): Map<string, PlaceEntry>
  /** Runs a program in the place, as root unless a user is given; throws when it fails. */
  run(command: string, args: readonly string[], user?: FleetUser): string
  /** The app of this user until `stop`, over SSH as it were: no desktop, no session bus. `setUp` is shell, run before it as root in its own mount namespace. */
  openApp(user: FleetUser, setUp?: string): Promise<AppHost>
  /** Process of a user's app, as the place numbers it. */
  appPid(user: FleetUser): string
  /** Starts a script of the checkout in the place as the user. */
  start(user: FleetUser, script: string, args: readonly string[], ready: RegExp): ReturnType<typeof startProgram>
  stop(): Promise<void>
}

/** Unlike `asUser`, leaves the right to start programs that become root, as logging in does. */
const become = (user: FleetUser): string[] => ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']

/** `rules` is JavaScript for polkit. */
export const startAppPlace = async (rules: string): Promise<AppPlace> => {
  const base = mkdtempSync(join(tmpdir(), 'agentmem-place-'))
  chmodSync(base, 0o755)
  const ruleFolder = join(base, 'rules')
  mkdirSync(ruleFolder)
  chmodSync(ruleFolder, 0o755)
  writeFileSync(join(ruleFolder, '10-test.rules'), rules, { mode: 0o644 })
  const built = spawnSync(process.execPath, [join(projectDir, 'tools', 'helper-bundle.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  const bundle = join(base, 'bundle')
  cpSync(join(projectDir, 'build', 'helper'), bundle, { recursive: true })
  // As it comes with a packed app: never older than the sources, so the app does not build it.
  const later = new Date(Date.now() + 24 * 3_600_000)
  utimesSync(join(bundle, 'MANIFEST'), later, later)
  // The node of the bundle can be read by everybody, whoever made this one.
  const nodeIn = (tree: string): string => join(tree, 'build', 'helper', 'node')
  const hold = await startProgram('unshare', ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', join(projectDir, 'e2e/installed/app-place.sh'), projectDir, ruleFolder, bundle], { ready: /^ready$/mu })
  const first = readFileSync(`/proc/${hold.pid}/task/${hold.pid}/children`, 'utf8').trim()
  const enter = (command: string, args: readonly string[]): [string, string[]] => ['nsenter', [`--target=${first}`, '--mount', '--root', '--pid', '--', command, ...args]]
  const folderOf = (user: FleetUser): string => join(base, user.name)
  const run: AppPlace['run'] = (command, args, user) => {
    const [program, words] = enter('env', ['-u', 'DBUS_SYSTEM_BUS_ADDRESS', ...(user === undefined ? [] : become(user)), command, ...args])
    const out = spawnSync(program, words, { encoding: 'utf8', cwd: '/', maxBuffer: 256 * 1024 ** 2 })
    if (out.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${out.status}\n${out.stdout.slice(-2000)}${out.stderr.slice(-2000)}`)
    return out.stdout
  }
  const apps: AppHost[] = []
  const changes: AppPlace['changes'] = () => {
    const found = new Map<string, PlaceEntry>()
    for (const [layer, top] of [['usr', '/usr'], ['lib', '/var/lib']] as const) {
      for (const line of run('find', [`/run/layers/${layer}`, '-mindepth', '1', '-printf', String.raw`%y\t%m\t%U:%G\t%s\t%P\n`]).split('\n')) {
        if (line === '') continue
        const [type = '', mode = '', owner = '', size = '', name = ''] = line.split('\t')
        const path = join(top, name)
        // A folder that the machine has too is in the layer for what is in it.
        if (type === 'd' && existsSync(path)) continue
        found.set(path, { type: type === 'f' || type === 'd' || type === 'l' ? type : '-', mode, owner, sizeBytes: type === 'd' ? 0 : Number(size) })
      }
    }
    return found
  }
  return {
    changes,
    run,
    openApp: async (user, setUp = ':') => {
      const folder = folderOf(user)
      await makeUserFolders(folder, user)
      const app = await startAppHost({
        user,
        folder,
        node: nodeIn(join(folder, 'project')),
        become: become(user),
        within: (command, args) => enter('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', `${setUp}\nexec "$@"`, 'sh', command, ...args]),
      })
      apps.push(app)
      return app
    },
    appPid: (user) => run('pgrep', ['--uid', String(user.uid), '--full', 'electron/browser/main.ts']).trim(),
    start: (user, script, args, ready) => {
      const [program, words] = enter(...asUserInTree(user, folderOf(user), (tree) => [nodeIn(tree), join(tree, script), ...args]))
      return startProgram(program, words, { ready })
    },
    stop: async () => {
      // The place ends with its first process, and with the place all that ran in it.
      hold.child.stdin?.end()
      await hold.ended
      for (const app of apps) await app.stop()
      rmSync(base, { recursive: true, force: true })
    },
  }
}
