/** What the broker's tests share: a broker of their own, and clients that play a scenario against it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */
/** @typedef {{ folder: string, socket: string, pid: number, child: import('node:child_process').ChildProcess, said: () => string, ended: Promise<number | null> }} Broker */

/** The broker, and its front with plain memory behind it. */
export const programs = ['agentmem-broker', 'broker-double']

/** @param {() => unknown} condition @param {string} what */
export const until = async (condition, what) => {
  for (let tries = 0; tries < 2000; tries += 1) {
    if (await condition()) return
    await sleep(10)
  }
  assert.fail(`expected within twenty seconds: ${what}`)
}

/** Connections to it are taken: the file is there a moment before. @param {string} socket */
export const listens = (socket) => readFileSync('/proc/net/unix', 'utf8').split('\n').some((line) => line.endsWith(` ${socket}`) && line.split(/\s+/u)[3] === '00010000')

/** @param {(folder: string) => unknown} use */
export const withFolder = async (use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-broker-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * What it says on stderr is a failure unless the test takes it: sanitizers speak there.
 * @param {Context} context @param {string} folder
 * @param {{ program?: string, args?: string[], env?: NodeJS.ProcessEnv, launcher?: string[] }} options
 * @returns {Promise<Broker>}
 */
export const startBroker = async (context, folder, { program = 'broker-double', args = [], env = {}, launcher = [] }) => {
  const socket = join(folder, 'broker.sock')
  // Where records of the double lie is the one place it may write in.
  const store = program === 'broker-double' && env['CONTENT_DOUBLE_RECORDS'] === undefined ? ['--no-store'] : ['--store', join(folder, 'store')]
  const line = [...launcher, join(context.binDir, program), '--socket', socket, ...store, '--foreground', '--grace-ms', '400', '--linger-ms', '600000', '--stuck-ms', '400', ...args]
  const child = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, XDG_CONFIG_HOME: folder, ...env } })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ more) => (text += more))
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)))
  await until(() => listens(socket) || child.exitCode !== null || child.signalCode !== null, `a broker that listens; it says ${text}`)
  assert.equal(child.exitCode ?? child.signalCode, null, text)
  return { folder, socket, pid: child.pid ?? 0, child, said: () => text, ended }
}

/** Ends well, and without a word. @param {Broker} broker */
export const endBroker = async (broker) => {
  broker.child.kill('SIGTERM')
  assert.equal(await broker.ended, 0, broker.said())
  assert.equal(broker.said(), '')
}

/**
 * @param {Context} context @param {Parameters<typeof startBroker>[2]} options
 * @param {(broker: Broker) => unknown} use
 */
export const withBroker = (context, options, use) =>
  withFolder(async (folder) => {
    const broker = await startBroker(context, folder, options)
    let used = false
    try {
      const result = await use(broker)
      used = true
      return result
    } finally {
      if (used) await endBroker(broker)
      else broker.child.kill('SIGKILL')
    }
  })

/** Fails with what the client expected. @param {Context} context @param {string} socket @param {string} scenario @param {NodeJS.ProcessEnv} [env] @param {string[]} [launcher] */
export const play = async (context, socket, scenario, env = {}, launcher = []) => {
  const line = [...launcher, join(context.testDir, 'broker-raw'), socket, scenario]
  const child = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ more) => (text += more))
  const status = await new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  assert.equal(status, 0, `${scenario}: ${text}`)
}

/** What it has open. @param {number} pid */
export const descriptorsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length

/** Lines of smaps_rollup, in KiB. @param {number} pid @param {string} name */
export const memoryOf = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'mu').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? Number.NaN)

/** @param {string} program */
export const has = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
