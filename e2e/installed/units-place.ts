import { spawn, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { asUser, makeFolder, removeFolder, type FleetUser } from '../fixtures/fleet/ground.ts'
import { runCommand } from '../fixtures/fleet/packages.ts'
import { asUserInTree, makeUserFolders, startAppHost, startSessionBus, userEnvironment, type AppHost } from './app-host.ts'
import { installHelper, type InstalledHelper } from './installed-helper.ts'
import { undoList } from './undo.ts'
import { projectDir } from './world.ts'

/** A program that does what it is told, a line each. */
export interface Talker {
  readonly child: ChildProcess
  /** Its own, not that of what started it: says so itself where another started it. */
  readonly pid: number
  /** The next line it says, after this one was said to it. */
  ask(line: string): Promise<string>
  next(): Promise<string>
  /** Closes its input and waits for its end; answers with its exit code. */
  end(): Promise<number | null>
}

export interface UnitsPlace {
  readonly helper: InstalledHelper
  /** Where the bundle was installed: .../usr/lib/agentmem */
  readonly lib: string
  /** For programs of the test, which everybody may start. */
  readonly programs: string
  readonly user: FleetUser
  readonly other: FleetUser
  readonly app: AppHost
  /** The user's folders: config, state, run. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** A C program of the checkout, built as a user of the installed library builds one. */
  compile(source: string): Promise<string>
  /** Runs to its end as the user, with nothing of the test's own environment; throws where it fails. */
  run(command: readonly string[], as?: FleetUser): Promise<string>
  /** agentmemctl as the user types it, with the checkout in a folder of the user's. */
  ctl(...words: string[]): Promise<string>
  talk(command: readonly string[], as?: FleetUser): Talker
  talkCtl(...words: string[]): Talker
  /** Brokers of this installation that run: `deleted` once its file is gone. */
  brokers(): number[]
  stop(): Promise<void>
}

const talker = (command: string, args: readonly string[], env: NodeJS.ProcessEnv): Talker => {
  const child = spawn(command, args, { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const lines = on(createInterface({ input: child.stdout }), 'line', { close: ['close'] })
  const next = async (): Promise<string> => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`${command} ${args.join(' ')} ended: ${complaint.trim()}`)
    const [text] = line.value as [string]
    return text
  }
  return {
    child,
    pid: child.pid ?? -1,
    next,
    ask: (line) => {
      child.stdin.write(`${line}\n`)
      return next()
    },
    end: async () => {
      child.stdin.end()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      return child.exitCode
    },
  }
}

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

const numbersIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/u.test(name))
  } catch {
    return []
  }
}

/** Processes whose program's file has this path, there or removed. */
export const processesOf = (program: string): number[] =>
  numbersIn('/proc').filter((pid) => [program, `${program} (deleted)`].includes(linkOf(`/proc/${pid}/exe`))).map(Number)

/** Processes of a user; one that has ended has no program any more, collected or not. */
export const processesOfUser = (uid: number): string[] =>
  numbersIn('/proc').flatMap((pid) => {
    try {
      const program = linkOf(`/proc/${pid}/exe`)
      return program !== '' && statSync(`/proc/${pid}`).uid === uid ? [`${pid} ${program}`] : []
    } catch {
      return []
    }
  })

/** Memory files that these processes have open, each once: bytes that are resident or in swap. */
export const memfdBytes = (pids: readonly number[]): number => {
  const found = new Map<string, number>()
  for (const pid of pids) {
    for (const fd of numbersIn(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${fd}`
      if (!linkOf(path).startsWith('/memfd:')) continue
      const { dev, ino, blocks } = statSync(path)
      found.set(`${dev}:${ino}`, blocks * 512)
    }
  }
  return [...found.values()].reduce((sum, bytes) => sum + bytes, 0)
}

/** Proportional memory of processes; of it, what is shared memory files. */
export const pssBytes = async (pids: readonly number[]): Promise<{ all: number; shmem: number }> => {
  const sum = { all: 0, shmem: 0 }
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
    sum.all += Number(/^Pss:\s+(\d+)/mu.exec(text)?.[1]) * 1024
    sum.shmem += Number(/^Pss_Shmem:\s+(\d+)/mu.exec(text)?.[1]) * 1024
  }
  return sum
}

/** The bundle installed by its script, an ordinary user with an app in the browser host, and somebody else. */
export const startUnitsPlace = async (): Promise<UnitsPlace> => {
  const undo = undoList()
  try {
    const user = await undo.user('agentmem-e2e-units')
    const other = await undo.user('agentmem-e2e-other')
    const base = await mkdtemp('/tmp/agentmem-units-')
    undo.push(() => removeFolder(base))
    await chmod(base, 0o755)
    const programs = join(base, 'programs')
    await makeFolder(programs, { ...user, uid: 0, gid: 0 })
    await chmod(programs, 0o755)
    const helper = await installHelper("polkit.addRule(function (action) { if (action.id === 'org.agentmem.look') return polkit.Result.YES })")
    undo.push(() => helper.stop())
    const lib = join(helper.place, 'usr/lib/agentmem')
    const brokers = (): number[] => processesOf(join(lib, 'agentmem-broker'))
    undo.push(async () => {
      for (const pid of brokers()) process.kill(pid, 'SIGKILL')
    })
    const folder = join(base, 'user')
    await makeUserFolders(folder, user)
    const bus = await startSessionBus(user, folder)
    undo.push(() => bus.stop())
    const places = { user, folder, systemBus: helper.bus.address, sessionBus: bus.address }
    // A Node that the user can start and that outlives uninstalling.
    const node = join(programs, 'node')
    await runCommand('cp', [join(lib, 'node'), node])
    const app = await startAppHost({ ...places, node })
    undo.push(() => app.stop())
    const env = { PATH: '/usr/bin:/bin', ...userEnvironment(places) }

    const started = (command: readonly string[], as: FleetUser): [string, string[]] => {
      const [program = '', ...args] = [...asUser(as), ...command]
      return [program, args]
    }
    const inTree = (words: readonly string[]): [string, string[]] => asUserInTree(user, folder, (tree) => [node, join(tree, 'electron/cli/agentmemctl.ts'), ...words])
    return {
      helper, lib, programs, user, other, app, folder, env, brokers, stop: undo.run,
      compile: async (source) => {
        const program = join(programs, source.replace(/^.*\//u, '').replace(/\.c$/u, ''))
        await runCommand('cc', ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-Wno-misleading-indentation', `-I${join(lib, 'include')}`, '-o', program, join(projectDir, source), join(lib, 'libagentmem.so.1'), `-Wl,-rpath,${lib}`])
        return program
      },
      run: (command, as = user) => runCommand(...started(command, as), { env, cwd: '/' }),
      ctl: (...words) => runCommand(...inTree(words), { env, cwd: '/' }),
      talk: (command, as = user) => talker(...started(command, as), env),
      talkCtl: (...words) => talker(...inTree(words), env),
    }
  } catch (error) {
    await undo.run().catch((problem: unknown) => console.error(problem))
    throw error
  }
}

/** Puts a file of the user's own in place. */
export const putFile = async (path: string, data: string | Uint8Array, user: FleetUser): Promise<void> => {
  await writeFile(path, data)
  await runCommand('chown', [`${user.uid}:${user.gid}`, path])
}
