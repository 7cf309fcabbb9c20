/** The guard and agents whose user means harm: to other users, or to the machine. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootId, cgroupRoot, connect, startTicks, until, withAgent, withGuard } from './guard-kit.mjs'

/** @typedef {import('./guard-kit.mjs').Context} Context */

const needsCgroup = 'needs root and a cgroup v2 mount: freezes processes'

/**
 * In a cgroup of its own; killed with `use`.
 * @param {Context} context @param {string[]} args
 * @param {(agent: { id: string, pid: number, area: string, cgroup: string, hold: (terminal: string) => string[] }) => unknown} use
 */
const withHostile = async (context, args, use) => {
  const cgroup = join(cgroupRoot() ?? '', `agentmem-test-hostile-${process.pid}`)
  const child = spawn(join(context.testDir, 'guard-hostile'), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (said += text))
    await until(() => said.endsWith('\n') || child.exitCode !== null, 'an agent that is ready')
    if (child.exitCode === 3) return 'needs userfaultfd'
    const [, pidText = '', area = ''] = said.trim().split(' ')
    mkdirSync(cgroup)
    writeFileSync(join(cgroup, 'cgroup.procs'), pidText)
    const pid = Number(pidText)
    const id = `${bootId}:${pid}:${startTicks(pid)}`
    await use({ id, pid, area, cgroup, hold: (terminal) => [`hold ${id} 1000 ${terminal} ${cgroup}/cgroup.freeze`, `process ${id} ${pid} ${startTicks(pid)}`] })
    return undefined
  } finally {
    if (existsSync(cgroup)) writeFileSync(join(cgroup, 'cgroup.freeze'), '0')
    child.kill('SIGKILL')
    await ended
    if (existsSync(cgroup)) {
      await until(() => !/^populated 1$/mu.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8')), 'an empty cgroup')
      rmdirSync(cgroup)
    }
  }
}

/** What a process has open. @param {number} pid */
const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))

export const tests = [
  {
    name: 'guard: opens no terminal and no device that a process only names',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      return withGuard(context, '', (guard) =>
        withAgent(context, async (other) => {
          const terminal = readlinkSync(`/proc/${other.pid}/fd/0`)
          // Somebody else's that was handed down to it, as by su, is its own to be woken by.
          const client = await connect(guard.socket)
          await client.good('hello 1 own', `hold su 1000 ${other.pid} ${other.freezePath}`, `process su ${other.pid} ${other.ticks}`, 'held su', 'release su')
          client.end()
          for (const file of [terminal, '/dev/zero', '/dev/tty']) {
            await withHostile(context, ['path', file], async (agent) => {
              const hostile = await connect(guard.socket)
              await hostile.good('hello 1 own', ...agent.hold(String(agent.pid)))
              assert.ok(!openFiles(guard.pid).includes(file), file)
              assert.match(await hostile.ask(`held ${agent.id}`), /^error refused the standard input /u, file)
              hostile.end()
            })
          }
        }))
    },
  },
  {
    name: 'guard: takes the terminal from no process but one that it was told of',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      return withGuard(context, '', (guard) =>
        withAgent(context, (other) => withHostile(context, ['path', '/dev/null'], async (agent) => {
          const client = await connect(guard.socket)
          await client.good('hello 1 own', ...agent.hold(String(other.pid)))
          assert.match(await client.ask(`held ${agent.id}`), /^error refused the standard input /u)
          client.end()
        })))
    },
  },
  {
    name: 'guard: memory that never comes back holds up nobody but its own agent',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      return withGuard(context, '', (guard) => withHostile(context, ['stuck'], async (agent) => {
        const client = await connect(guard.socket)
        await client.good('hello 1 own', ...agent.hold('-'), `range ${agent.id} ${agent.pid} ${agent.area}`, `held ${agent.id}`)
        writeFileSync(join(agent.cgroup, 'cgroup.freeze'), '1')
        await client.good(`frozen ${agent.id}`)
        assert.match(await client.ask(`wake ${agent.id} user`), /^ok 0 /u)
        await withAgent(context, async (other) => {
          await other.suspend(client)
          other.type('x')
          await until(() => other.said.length > 0, 'another agent to read its key')
        }, 4)
        client.end()
      }))
    },
  },
  {
    name: 'guard: told to end, the process that brings memory back ends, and another takes its place',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      // Time enough for the one that takes its place: it is asked when it was only just started.
      return withGuard(context, 'prefault_ms=5000\n', (guard) => withAgent(context, async (agent) => {
        const client = await connect(guard.socket)
        await client.good('hello 1 own')
        const helpers = () => readFileSync(`/proc/${guard.pid}/task/${guard.pid}/children`, 'utf8').trim().split(' ').filter((one) => one !== '' && !readFileSync(`/proc/${one}/stat`, 'utf8').includes(') Z'))
        const [first] = helpers()
        // Once it sleeps it has begun its work.
        await until(() => readFileSync(`/proc/${first}/stat`, 'utf8').includes(') S'), 'a process that waits')
        process.kill(Number(first), 'SIGTERM')
        await until(() => helpers().length === 0, 'its end')
        await agent.suspend(client)
        assert.equal((await client.ask(`wake ${agent.id} user`)).split(' ')[1], '0', 'it is noticed at the next wake')
        await agent.suspend(client)
        assert.equal(helpers().length, 1)
        assert.equal(Number((await client.ask(`wake ${agent.id} user`)).split(' ')[1]), 4 * 1024 * 1024)
        client.end()
      }, 4))
    },
  },
  {
    name: 'guard: one user cannot take every place',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      return withGuard(context, '', (guard) => withHostile(context, ['path', '/dev/null'], async (agent) => {
        const client = await connect(guard.socket)
        await client.good('hello 1 own')
        for (let i = 0; i < 64; i += 1) await client.good(`hold a${i} 1000 - ${agent.cgroup}/cgroup.freeze`, `held a${i}`)
        assert.match(await client.ask(`hold b 1000 - ${agent.cgroup}/cgroup.freeze`), /^error full /u)
        await client.good(`hold c 1001 - ${agent.cgroup}/cgroup.freeze`, 'held c')
        client.end()
      }))
    },
  },
]
