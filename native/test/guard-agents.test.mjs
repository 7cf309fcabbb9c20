/** The guard and frozen agents: what wakes them, and what does not. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readlinkSync, readdirSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { cgroupRoot, connect, startTicks, until, withAgent, withGuard } from './guard-kit.mjs'

/** @typedef {import('./guard-kit.mjs').Context} Context */

const needsCgroup = 'needs root and a cgroup v2 mount: freezes processes'

/** @param {string} config @param {(context: Context, guard: any, agent: any, client: any) => unknown} run */
const frozen = (config, run) => async (/** @type {Context} */ context) => {
  if (cgroupRoot() === null) return needsCgroup
  await withGuard(context, config, (guard) =>
    withAgent(context, async (agent) => {
      const client = await connect(guard.socket)
      await client.good('hello 1 own')
      await agent.suspend(client)
      await run(context, guard, agent, client)
      client.end()
    }, 4))
  return undefined
}

/** Time on a processor so far, in ticks. @param {number} pid */
const cpuTicks = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

/** Descriptors of terminals that the guard has open. @param {number} pid */
const terminals = (pid) => readdirSync(`/proc/${pid}/fd`).filter((fd) => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('/dev/pts/')
  } catch {
    return false // closed meanwhile
  }
}).length

/** Ended, whether or not somebody has collected it. @param {number} pid */
const hasEnded = (pid) => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z')

const MOTION = '\u001B[<35;40;12M'

export const tests = [
  {
    name: 'guard: a key wakes a frozen agent, which then reads it',
    run: frozen('', async (_context, guard, agent, client) => {
      assert.deepEqual((await client.status()).held, [agent.id])
      assert.equal(terminals(guard.pid), 1)
      agent.type('x')
      await until(() => agent.said.length > 0, 'the agent to read the key')
      assert.match(agent.said[0], /^read 78 /u)
      await until(() => client.told.some((/** @type {string} */ line) => line.startsWith(`woke ${agent.id} key `)), 'word of it')
      assert.equal(terminals(guard.pid), 0)
      assert.deepEqual((await client.status()).held, [])
      await until(() => guard.words().some((/** @type {any} */ word) => word.what === 'woke' && word.agentId === agent.id), 'the word in the file')
    }),
  },
  {
    name: 'guard: mouse motion does not wake, costs nothing, and a key behind it does',
    run: frozen('', async (_context, guard, agent, client) => {
      // Reports that a busy machine holds up for long come like something typed: in doubt the guard wakes. Then once more.
      for (let tries = 1; tries <= 5; tries += 1) {
        if (!agent.isFrozen()) await agent.suspend(client)
        for (let i = 0; i < 30; i += 1) {
          agent.type(MOTION)
          await sleep(15)
        }
        await sleep(400)
        if (agent.isFrozen()) break
        await until(async () => (await client.status()).held.length === 0, 'nothing held')
      }
      assert.ok(agent.isFrozen(), 'motion must not wake')
      agent.said.length = 0
      const before = cpuTicks(guard.pid)
      await sleep(500)
      assert.ok(cpuTicks(guard.pid) - before <= 2, 'bytes that are not read must not keep the guard busy')
      agent.type('q')
      await until(() => agent.said.join('').includes('71'), 'the agent to read the key')
    }),
  },
  {
    name: 'guard: text that is as long as a mouse report wakes',
    run: frozen('', async (_context, _guard, agent) => {
      agent.type('echo hello you')
      await until(() => agent.said.length > 0, 'the agent to read the paste')
      assert.match(agent.said[0], new RegExp(`^read ${Buffer.from('echo hello you').toString('hex')} `, 'u'))
    }),
  },
  {
    name: 'guard: keys before it is frozen are the agent\'s own, those while it freezes wake it',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      await withGuard(context, '', (guard) =>
        withAgent(context, async (agent) => {
          const client = await connect(guard.socket)
          await client.good('hello 1 own', ...agent.holdLines)
          agent.type('a')
          await until(() => agent.said.length === 1, 'the agent to read it by itself')
          assert.deepEqual((await client.status()).held, [agent.id])
          await agent.freeze()
          agent.type('b')
          await sleep(50)
          await client.good(`frozen ${agent.id}`)
          await until(() => agent.said.length === 2, 'the agent to read the key typed while it froze')
          client.end()
        }))
      return undefined
    },
  },
  {
    name: 'guard: wake brings memory back, thaws and tells what it cost',
    // Time enough for the process that brings memory back, which may only just have been started.
    run: frozen('prefault_ms=5000\n', async (_context, _guard, agent, client) => {
      const answer = await client.ask(`wake ${agent.id} user`)
      assert.match(answer, /^ok \d+ \d+$/u)
      assert.equal(Number(answer.split(' ')[1]), 4 * 1024 * 1024)
      assert.ok(!agent.isFrozen())
      assert.match(await client.ask(`wake ${agent.id} user`), /^error unknown /u)
    }),
  },
  {
    name: 'guard: a closed terminal and a signal to end wake an agent',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      await frozen('', async (_context, _guard, agent) => {
        agent.hangUp()
        await until(() => hasEnded(agent.pid), 'the agent to hear of it and end')
      })(context)
      await frozen('', async (_context, _guard, agent) => {
        process.kill(agent.pid, 'SIGTERM')
        await until(() => hasEnded(agent.pid), 'the agent to end')
      })(context)
      return undefined
    },
  },
  {
    name: 'guard: an agent that ends is forgotten and its terminal closed',
    run: frozen('', async (_context, guard, agent, client) => {
      agent.kill()
      await until(async () => (await client.status()).held.length === 0, 'nothing held')
      assert.equal(terminals(guard.pid), 0)
      assert.ok(client.told.includes(`gone ${agent.id}`))
    }),
  },
  {
    name: 'guard: a helper that goes without leave has its agents thawed; one that leaves does not',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return needsCgroup
      await withGuard(context, 'grace_ms=2000\n', (guard) =>
        withAgent(context, async (agent) => {
          const first = await connect(guard.socket)
          await first.good('hello 1 own')
          await agent.suspend(first)
          await first.good('leave')
          first.end()
          await sleep(3000)
          assert.ok(agent.isFrozen(), 'a helper may go and leave it frozen')
          const second = await connect(guard.socket)
          await second.good('hello 1 own')
          assert.deepEqual((await second.status()).held, [agent.id])
          second.end()
          const third = await connect(guard.socket)
          await third.good('hello 1 own')
          await sleep(3000)
          assert.ok(agent.isFrozen(), 'the next helper in time adopts it')
          third.end()
          await until(() => !agent.isFrozen(), 'a thawed agent')
          await until(() => guard.child.exitCode === 0, 'the guard to end by itself')
          assert.ok(!existsSync(guard.socket))
          assert.deepEqual(guard.words().map((/** @type {any} */ word) => word.what), ['helper-gone', 'thawed'])
        }))
      return undefined
    },
  },
  {
    name: 'guard: agents are thawed when the program that suspended them ends without another in its place',
    run: frozen('holder_grace_ms=2000\n', async (_context, guard, agent, client) => {
      const holders = [spawn('sleep', ['60']), spawn('sleep', ['60'])]
      const [first = '', second = ''] = holders.map((holder) => `holder 0 ${holder.pid} ${startTicks(/** @type {number} */ (holder.pid))}`)
      await client.good(first)
      holders[0]?.kill('SIGKILL')
      await client.good(second)
      await sleep(3000)
      assert.ok(agent.isFrozen(), 'another one took its place')
      holders[1]?.kill('SIGKILL')
      await until(() => !agent.isFrozen(), 'a thawed agent')
      await until(() => guard.words().some((/** @type {any} */ word) => word.what === 'owner-gone' && word.uid === 0), 'the word')
    }),
  },
  {
    name: 'guard: told to end, it thaws all it holds',
    run: frozen('', async (_context, guard, agent) => {
      guard.child.kill('SIGTERM')
      await until(() => guard.child.exitCode === 0, 'the guard to end')
      assert.ok(!agent.isFrozen())
    }),
  },
]
