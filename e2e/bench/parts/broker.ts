/** A broker of a bench's own: its socket, store and settings in a folder that goes with it. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const projectDir = join(import.meta.dirname, '..', '..', '..')
/** Text for the corpus: what any checkout of the project has. */
export const textFolder = join(projectDir, 'node_modules')

let isBuilt = false
/** A program of ours, built where it is missing or old: `native` what users get, `native-bench` and `native-tests-hardened` what is for us alone. */
export const program = (name: string, folder: 'native' | 'native-bench' | 'native-tests-hardened' = 'native'): string => {
  if (!isBuilt) {
    const built = spawnSync(process.execPath, [join(projectDir, 'tools/native.mjs'), 'bench'], { encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`the native programs cannot be built:\n${built.stderr}`)
    isBuilt = true
  }
  return join(projectDir, 'build', folder, name)
}

export interface Broker {
  readonly pid: number
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly stop: () => Promise<void>
}

/** `settings`: lines of broker.conf. The folder is below /var/tmp, which is a disk where /tmp may be memory. */
export const startBroker = async (settings: Readonly<Record<string, string | number>> = {}): Promise<Broker> => {
  const path = process.env['BENCH_BROKER'] ?? program('agentmem-broker')
  const folder = mkdtempSync('/var/tmp/agentmem-bench-')
  mkdirSync(join(folder, 'config/agentmem'), { recursive: true })
  writeFileSync(join(folder, 'config/agentmem/broker.conf'), Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''))
  const socket = join(folder, 'broker.sock')
  const env = { ...process.env, AGENTMEM_SOCKET: socket, AGENTMEM_BROKER: path, XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state'), XDG_RUNTIME_DIR: folder }
  const child = spawn(path, ['--foreground', '--socket', socket, '--store', join(folder, 'store')], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = once(child, 'exit')
  for (let turn = 0; turn < 100 && !existsSync(socket) && child.exitCode === null; turn += 1) await sleep(50)
  if (child.pid === undefined || !existsSync(socket)) throw new Error(`the broker did not start; exit code ${child.exitCode}`)
  return {
    pid: child.pid,
    folder,
    env,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Figures = Readonly<Record<string, number>>

const parse = (text: string): Figures => Object.fromEntries([...text.matchAll(/^(\S+) (\S+) ?.*$/gmu)].map(([, name = '', value]) => [name, Number(value)]))

/** Runs a bench program; it prints a figure a line: name, value, unit. Throws where it fails. */
export const figures = async (name: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Figures> => {
  const child = spawn(program(name, 'native-bench'), words, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${name} ${words.join(' ')} ended with ${code}:\n${text}`)
  return parse(text)
}

/** A figure that a program printed; throws for one it did not. */
export const figure = (from: Figures, name: string): number => {
  const value = from[name]
  if (value === undefined || Number.isNaN(value)) throw new Error(`expected the figure ${name}, got ${Object.keys(from).join(', ')}`)
  return value
}

/** Pss of a process by its parts, in bytes. */
export const pssBytes = (pid: number, field = 'Pss'): number => {
  const { stdout } = spawnSync('cat', [`/proc/${pid}/smaps_rollup`], { encoding: 'utf8' })
  return Number(new RegExp(`^${field}: +(\\d+)`, 'mu').exec(stdout)?.[1] ?? Number.NaN) * 1024
}
