/** What the guard's tests share: a guard of their own, its socket, cgroups, agents, journals. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

export const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

/** @param {() => unknown} condition @param {string} what */
export const until = async (condition, what) => {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await condition()) return
    await sleep(10)
  }
  assert.fail(`expected within ten seconds: ${what}`)
}

/** Field 22 of stat, read after the last ")". @param {number} pid */
export const startTicks = (pid) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19])
}

/** Where cgroup v2 is mounted and may be written; null otherwise. */
export const cgroupRoot = () => {
  const mount = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')).find((fields) => fields[2] === 'cgroup2')?.[1]
  return mount !== undefined && process.getuid?.() === 0 ? mount : null
}

/** Lines to and from a guard. @param {string} path */
export const connect = async (path) => {
  const socket = createConnection(path)
  /** @type {string[]} */
  const told = []
  /** @type {((line: string) => void)[]} */
  const waiting = []
  let rest = ''
  let closed = false
  socket.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (/^(?:ok|error) /u.test(line)) waiting.shift()?.(line)
      else told.push(line)
    }
  })
  socket.on('close', () => {
    closed = true
    for (const answer of waiting.splice(0)) answer('closed')
  })
  await new Promise((resolve, reject) => socket.once('connect', () => resolve(null)).once('error', reject))
  socket.on('error', () => undefined)
  /** @param {string} line @returns {Promise<string>} */
  const ask = (line) => new Promise((resolve) => {
    waiting.push(resolve)
    socket.write(`${line}\n`)
  })
  return {
    socket, told, ask,
    isClosed: () => closed,
    /** @param {string[]} lines */
    good: async (...lines) => {
      for (const line of lines) assert.match(await ask(line), /^ok /u, line)
    },
    status: async () => JSON.parse((await ask('status')).slice(3)),
    end: () => socket.destroy(),
  }
}

/**
 * A guard with folders of its own; ended and removed with `use`.
 * @param {Context} context @param {string} config
 * @param {(guard: { folder: string, socket: string, journals: string, pid: number, child: import('node:child_process').ChildProcess, words: () => { what: string, text: string, runId: string | null, agentId: string | null, uid: number | null }[], args: string[], path: string }) => unknown} use
 */
export const withGuard = async (context, config, use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-guard-'))
  const journals = join(folder, 'state', 'journal')
  mkdirSync(join(journals, 'agents'), { recursive: true })
  writeFileSync(join(folder, 'guard.conf'), `services=\npsi_some_percent=100\npsi_full_percent=100\n${config}`, { mode: 0o600 })
  const socket = join(folder, 'guard.sock')
  // What others do to this machine meanwhile is no part of the tests.
  const wordsFile = join(folder, 'words.jsonl')
  const path = join(context.binDir, 'agentmem-guard')
  const args = ['--role', 'system', '--socket', socket, '--journal', journals, '--words', wordsFile, '--config', join(folder, 'guard.conf')]
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => (said += String(text)))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    await until(() => existsSync(socket) || child.exitCode !== null, `a socket; the guard said: ${said}`)
    const words = () => (existsSync(wordsFile) ? readFileSync(wordsFile, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [])
    const result = await use({ folder, socket, journals, pid: /** @type {number} */ (child.pid), child, words, args, path })
    assert.ok(!/Sanitizer|runtime error/u.test(said), said)
    return result
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  }
}

/** A journal as docs/journal.md says. @param {string} run @param {string[]} records */
export const journalText = (run, records) =>
  [`agentmem-journal 1 ${bootId} ${run} system`, ...records].map((line) => `${line} ${crc32(line).toString(16).padStart(8, '0')}\n`).join('')

let agents = 0

/**
 * An agent at its prompt in a cgroup of its own, with a terminal.
 * @param {Context} context @param {(agent: Awaited<ReturnType<typeof makeAgent>>) => unknown} use @param {number} [mib]
 */
export const withAgent = async (context, use, mib = 0) => {
  const agent = await makeAgent(context, mib)
  try {
    return await use(agent)
  } finally {
    await agent.remove()
  }
}

/** @param {Context} context @param {number} mib */
export const makeAgent = async (context, mib) => {
  const root = cgroupRoot()
  assert.ok(root !== null)
  agents += 1
  const folder = join(root, `agentmem-test-${process.pid}`)
  const cgroup = join(folder, `agent-${agents}`)
  mkdirSync(cgroup, { recursive: true })
  const child = spawn(join(context.testDir, 'guard-subject'), [String(mib)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  /** @type {string[]} */
  const said = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    said.push(...lines)
  })
  await until(() => said.length > 0, 'an agent that is ready')
  const [, pidText = '', area = ''] = (said.shift() ?? '').split(' ')
  const pid = Number(pidText)
  writeFileSync(join(cgroup, 'cgroup.procs'), pidText)
  const freezePath = join(cgroup, 'cgroup.freeze')
  const isFrozen = () => /^frozen 1$/mu.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8'))
  const ticks = startTicks(pid)
  const id = `${bootId}:${pid}:${ticks}`
  const freeze = async () => {
    writeFileSync(freezePath, '1')
    await until(isFrozen, 'a frozen cgroup')
  }
  return {
    id, pid, ticks, area, cgroup, freezePath, said, isFrozen, freeze,
    holdLines: [`hold ${id} 0 ${pid} ${freezePath}`, `process ${id} ${pid} ${ticks}`, ...(mib === 0 ? [] : [`range ${id} ${pid} ${area}`]), `held ${id}`],
    /** @param {string} bytes */
    type: (bytes) => child.stdin.write(`${Buffer.from(bytes).toString('hex')}\n`),
    hangUp: () => child.stdin.write('hangup\n'),
    /** @param {Awaited<ReturnType<typeof connect>>} client */
    suspend: async (client) => {
      await client.good(`hold ${id} 0 ${pid} ${freezePath}`, `process ${id} ${pid} ${ticks}`, ...(mib === 0 ? [] : [`range ${id} ${pid} ${area}`]), `held ${id}`)
      await freeze()
      await client.good(`frozen ${id}`)
    },
    kill: () => process.kill(pid, 'SIGKILL'),
    remove: async () => {
      if (existsSync(freezePath)) writeFileSync(freezePath, '0')
      child.kill('SIGKILL')
      await ended
      await until(() => !existsSync(cgroup) || !/^populated 1$/mu.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8')), 'an empty cgroup')
      if (existsSync(cgroup)) rmdirSync(cgroup)
      try {
        rmdirSync(folder)
      } catch {
        // Another agent of this test is still there.
      }
    },
  }
}
