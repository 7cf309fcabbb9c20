/** agentmem-share.so: programs cannot tell that it is there, whatever they do and whatever the broker does. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */
/** @typedef {{ folder: string, file: string, socket: string, context: Context }} Place */

const WHOLE = 8 << 20
const OLD = new Date('2020-01-01')

/** Bytes that repeat nowhere, the same each time. @param {number} bytes */
const numbers = (bytes) => {
  const words = new Uint32Array(bytes / 4)
  let state = 1
  for (let at = 0; at < words.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words[at] = state
  }
  return Buffer.from(words.buffer)
}

/** @param {Context} context @param {(place: Place) => unknown} use */
const inPlace = async (context, use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-shim-'))
  try {
    const place = { folder, file: join(folder, 'file'), socket: join(folder, 'broker.sock'), context }
    writeFileSync(place.file, numbers(WHOLE))
    utimesSync(place.file, OLD, OLD)
    writeFileSync(`${place.file}.sparse`, 'begin')
    truncateSync(`${place.file}.sparse`, WHOLE)
    utimesSync(`${place.file}.sparse`, OLD, OLD)
    return await use(place)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A broker of the test's own; stops when `use` ends. @param {Place} place @param {string} mode @param {() => unknown} use @returns {Promise<string>} what it held at the end */
const withBroker = async (place, mode, use) => {
  rmSync(place.socket, { force: true })
  const broker = spawn(join(place.context.testDir, 'shim-broker'), [place.socket, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  broker.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (said += text))
  const ended = new Promise((resolve) => broker.on('close', resolve))
  await new Promise((resolve) => broker.stdout.once('data', resolve))
  try {
    await use()
  } finally {
    broker.kill('SIGTERM')
    await ended
  }
  return said.replace('ready\n', '').trim()
}

/** Its environment with the shim, loaded as agentmem-run does. @param {Place} place @param {NodeJS.ProcessEnv} [more] */
const launched = (place, more = {}) => ({ ...process.env, AGENTMEM_SOCKET: place.socket, AGENTMEM_SHARE_LOG: '2', ...more })

/** @param {Place} place @param {string[]} command @param {NodeJS.ProcessEnv} [more] */
const withShim = (place, command, more) => {
  const { status, signal, stdout, stderr } = spawnSync(join(place.context.binDir, 'agentmem-run'), ['--no-merge', '--share', '--', ...command], { encoding: 'utf8', env: launched(place, more) })
  return { status, signal, stdout, stderr: stderr.replace(/^(?:found|handed in) \d+\n/gmu, ''), done: stderr.match(/^(?:found|handed in) \d+$/gmu) ?? [] }
}

/** @param {string[]} command */
const without = (command) => {
  const { status, signal, stdout, stderr } = spawnSync(/** @type {string} */ (command[0]), command.slice(1), { encoding: 'utf8' })
  return { status, signal, stdout, stderr }
}

/** The case's own files afresh. @param {Place} place @param {string} name */
const subject = (place, name) => {
  copyFileSync(place.file, `${place.file}.changing`)
  utimesSync(`${place.file}.changing`, OLD, OLD)
  return [join(place.context.testDir, 'shim-subject'), name, place.file]
}

/** @param {Place} place @param {string} name @returns {string[]} what the shim did */
const sameAsWithout = (place, name) => {
  const plain = without(subject(place, name))
  assert.equal(plain.status, 0, `${name}: ${JSON.stringify(plain)}`)
  const { done, ...shimmed } = withShim(place, subject(place, name))
  assert.deepEqual(shimmed, plain, name)
  return done
}

/** Whether the case is to be shared at all. */
const cases = {
  whole: true, calls: true, places: false, sizes: true, 'changed-file': true, forks: true, 'other-files': true, advice: true, rights: true, locked: true,
  limits: false, descriptors: true, signals: true, cancelled: true, filter: true, threads: true, writer: true, 'pipe-pages': false, many: true,
}

export const tests = [
  {
    name: 'shim: what programs see of large reads is the same with it',
    run: (/** @type {Context} */ context) =>
      inPlace(context, async (place) => {
        for (const [name, shared] of Object.entries(cases)) {
          let done = /** @type {string[]} */ ([])
          await withBroker(place, 'good', () => (done = sameAsWithout(place, name)))
          assert.equal(done.length > 0, shared, `${name}: ${done.join(', ')}`)
        }
      }),
  },
]
