/** The broker's front: requests right and wrong, hostile clients, agents that come and go, how it starts and ends. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { descriptorsOf, endBroker, has, listens, memoryOf, play, programs, startBroker, until, withBroker, withFolder } from './broker-kit.mjs'

/** @typedef {import('./broker-kit.mjs').Context} Context */

/** ThreadSanitizer looks at what threads share: fuzzing less there finds as much of it. */
export const threaded = true

const scenarios = /** @type {const} */ ([
  ['requests', 'each request does what it says'],
  ['wrong', 'each wrong request gets its error, and its connection goes on'],
  ['domains', 'content of another domain is found by nothing'],
  ['claims', 'known content is had by who has its bytes alone'],
  ['quotas', 'an agent holds no more than its quota'],
  ['lists', 'lists go on from page to page'],
  ['settings', 'settings hold for all, and are not set by who is kept apart'],
  ['tokens', 'a token makes a process part of its agent, another one does not'],
  ['gone', 'an agent that says goodbye is freed at once'],
  ['again', 'who names a token is its agent, and told whether anybody was before'],
  ['afterlife', 'what an ended agent asked for is not charged to the next of its token'],
  ['race', 'two that hand in the same at once hold one unit'],
  ['descriptors', 'descriptors of all wrong kinds are refused'],
  ['many-descriptors', 'more descriptors than one are refused'],
  ['deaf', 'who never reads is cut off, and holds up nobody'],
  ['hasty', 'many requests at once are all answered, those of the dead are undone'],
  ['many', '200 connections at once'],
])

export const tests = [
  ...programs.map((program) => ({
    name: `broker: ${program} answers clients of all kinds and keeps no descriptor of theirs`,
    run: (/** @type {Context} */ context) =>
      withBroker(context, { program, args: ['--grace-ms', '50'] }, async (broker) => {
        await play(context, broker.socket, 'requests')
        await until(() => descriptorsOf(broker.pid) < 60, 'descriptors that were closed')
        const before = descriptorsOf(broker.pid)
        // Long lists take the double long under ThreadSanitizer, and it has no threads.
        const left = new Set(['settings', ...(program === 'broker-double' && context.kind === 'threaded' ? ['lists'] : [])])
        for (const [scenario] of scenarios.filter(([name]) => !left.has(name))) await play(context, broker.socket, scenario)
        // Agents of clients that have ended go with their grace.
        await until(() => descriptorsOf(broker.pid) <= before, `the descriptors of before (${before}), not ${descriptorsOf(broker.pid)}`)
        await play(context, broker.socket, 'settings')
      }),
  })),
  ...programs.map((program) => ({
    name: `broker: ${program} is not harmed by messages at random`,
    run: (/** @type {Context} */ context) =>
      withBroker(context, { program }, async (broker) => {
        const seed = String(Date.now() % 1_000_000_000)
        try {
          await play(context, broker.socket, 'fuzz', { BROKER_RAW_TIMES: context.kind === 'hardened' ? '30000' : '8000', BROKER_RAW_SEED: seed })
        } catch (error) {
          assert.fail(`seed ${seed}: ${String(error)}; the broker: ${broker.said()}`)
        }
      }),
  })),
  {
    name: 'broker: lets agents in where others only take up room',
    run: (/** @type {Context} */ context) => {
      if (Number(/^Max open files\s+\d+\s+(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]) < 8500) return 'needs 8500 open files'
      return withBroker(context, {}, (broker) => play(context, broker.socket, 'crowd'))
    },
  },
  {
    name: 'broker: frees what dead agents held, after their grace',
    run: (/** @type {Context} */ context) =>
      withBroker(context, { program: 'agentmem-broker', args: ['--grace-ms', '2000'] }, async (broker) => {
        for (const scenario of ['death', 'forked', 'closed', 'killed']) await play(context, broker.socket, scenario)
      }),
  },
  {
    name: 'broker: answers that come late reach the right client, or nobody',
    run: (/** @type {Context} */ context) =>
      withBroker(context, { args: ['--grace-ms', '50'], env: { CONTENT_DOUBLE_DELAY_MS: '3' } }, async (broker) => {
        for (const scenario of ['requests', 'hasty', 'gone', 'again', 'afterlife', 'domains', 'quotas']) await play(context, broker.socket, scenario)
      }),
  },
  ...programs.map((program) => ({
    name: `broker: ${program} says so when it has no descriptors left, and loses nothing`,
    run: (/** @type {Context} */ context) => {
      if (!has('prlimit')) return 'needs prlimit (util-linux)'
      return withBroker(context, { program, launcher: ['prlimit', '--nofile=60:60', '--'] }, (broker) => play(context, broker.socket, 'shortage'))
    },
  })),
  {
    name: 'broker: refuses other users, also where its socket was opened for them',
    run: (/** @type {Context} */ context) => {
      if (process.getuid?.() !== 0 || !has('setpriv')) return 'needs root and setpriv'
      return withBroker(context, {}, async (broker) => {
        assert.equal(statSync(broker.socket).mode & 0o777, 0o700)
        chmodSync(broker.folder, 0o755)
        const other = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
        await assert.rejects(play(context, broker.socket, 'refused', {}, other), /expected a connection \(13\)/u)
        chmodSync(broker.socket, 0o777)
        await play(context, broker.socket, 'refused', {}, other)
        await play(context, broker.socket, 'tokens')
      })
    },
  },
  ...programs.map((program) => ({
    name: `broker: ${program} knows agents of an earlier one by their tokens`,
    run: (/** @type {Context} */ context) =>
      withFolder(async (folder) => {
        const records = join(folder, 'store', program === 'broker-double' ? 'records' : 'store.index')
        const options = { program, env: { CONTENT_DOUBLE_RECORDS: records } }
        const first = await startBroker(context, folder, options)
        await play(context, first.socket, 'remember')
        await endBroker(first)
        const welcome = readFileSync(`${first.socket}.token`)
        assert.ok(readFileSync(records).includes('remembered'))
        assert.ok(!readFileSync(records).includes(welcome.subarray(24, 40)), 'expected a token that is not written down')
        const second = await startBroker(context, folder, options)
        await play(context, second.socket, 'return')
        await endBroker(second)
      }),
  })),
  {
    name: 'broker: gives who names its token the number it had under a broker that is forgotten',
    run: (/** @type {Context} */ context) =>
      withFolder(async (folder) => {
        const first = await startBroker(context, folder, {})
        await play(context, first.socket, 'remember')
        await endBroker(first)
        const second = await startBroker(context, folder, {})
        await play(context, second.socket, 'anew')
        await endBroker(second)
      }),
  },
  {
    name: 'broker: goes to the background once it listens, and is one a socket',
    run: (/** @type {Context} */ context) =>
      withFolder(async (folder) => {
        const socket = join(folder, 'inner', 'broker.sock')
        const start = () => spawnSync(join(context.binDir, 'broker-double'), ['--socket', socket, '--no-store', '--grace-ms', '50', '--linger-ms', '3000'], { encoding: 'utf8', env: { ...process.env, XDG_CONFIG_HOME: folder } })
        const started = start()
        assert.deepEqual([started.status, started.stderr], [0, ''])
        assert.ok(existsSync(socket))
        assert.equal(statSync(join(folder, 'inner')).mode & 0o777, 0o700)
        assert.match(start().stderr, /another broker answers/u)
        await play(context, socket, 'tokens')
        // Nobody is left, and nothing is held: it ends by itself.
        await until(() => !existsSync(socket), 'a broker that ends')
        await until(() => start().stderr === '', 'a new broker in its place')
        await until(() => !existsSync(socket), 'a broker that ends')
      }),
  },
  {
    name: 'broker: stays while somebody may come back for what it holds',
    run: (/** @type {Context} */ context) =>
      withBroker(context, { args: ['--grace-ms', '8000', '--linger-ms', '2000'] }, async (broker) => {
        await play(context, broker.socket, 'remember')
        // Longer than it lingers, and well within the grace.
        await new Promise((resolve) => setTimeout(resolve, 4000))
        assert.equal(broker.child.exitCode, null)
        // In its grace the agent still has a unit; behind it nothing keeps the broker.
        assert.equal(await broker.ended, 0, broker.said())
        assert.ok(!existsSync(broker.socket))
      }),
  },
  {
    name: 'broker: takes over a socket of systemd, and leaves it there',
    run: (/** @type {Context} */ context) => {
      if (!has('systemd-socket-activate')) return 'needs systemd-socket-activate'
      return withFolder(async (folder) => {
        const socket = join(folder, 'broker.sock')
        const line = ['--listen', socket, '--seqpacket', ...['CONTENT_DOUBLE_DELAY_MS=0', `XDG_CONFIG_HOME=${folder}`].flatMap((pair) => ['--setenv', pair]), join(context.binDir, 'broker-double'), '--no-store', '--grace-ms', '50', '--linger-ms', '2000']
        const child = spawn('systemd-socket-activate', line, { stdio: 'ignore' })
        const ended = new Promise((resolve) => child.once('exit', resolve))
        try {
          await until(() => listens(socket), 'a socket that is listened on')
          await play(context, socket, 'tokens')
          assert.equal(await ended, 0)
          assert.ok(existsSync(socket))
        } finally {
          child.kill('SIGKILL')
        }
      })
    },
  },
  {
    name: 'broker: takes a dead broker\'s place, and no folder that others may write in',
    run: (/** @type {Context} */ context) =>
      withFolder(async (folder) => {
        const first = await startBroker(context, folder, {})
        first.child.kill('SIGKILL')
        await first.ended
        assert.ok(existsSync(first.socket))
        const second = await startBroker(context, folder, {})
        await until(() => spawnSync(join(context.testDir, 'broker-raw'), [second.socket, 'tokens']).status === 0, 'an answer')
        await endBroker(second)
        const open = join(folder, 'open')
        mkdirSync(open)
        chmodSync(open, 0o777)
        const refused = spawnSync(join(context.binDir, 'broker-double'), ['--socket', join(open, 'b.sock'), '--no-store', '--foreground'], { encoding: 'utf8' })
        assert.equal(refused.status, 1)
        assert.match(refused.stderr, /others may write in its folder/u)
        for (const args of [['--socket', 'relative'], ['--grace-ms', '-1'], ['--unknown', '1'], ['--socket']]) {
          const wrong = spawnSync(join(context.binDir, 'broker-double'), args, { encoding: 'utf8' })
          assert.equal(wrong.status, 2, args.join(' '))
          assert.match(wrong.stderr, /usage: agentmem-broker/u)
        }
      }),
  },
  {
    name: 'broker: greets nobody while the user has switched it off',
    run: (/** @type {Context} */ context) =>
      withFolder(async (folder) => {
        mkdirSync(join(folder, 'agentmem'))
        writeFileSync(join(folder, 'agentmem', 'broker.conf'), 'enabled=no\n')
        const broker = await startBroker(context, folder, {})
        await assert.rejects(play(context, broker.socket, 'tokens'), /got -19/u)
        await endBroker(broker)
      }),
  },
  {
    name: 'broker: is small while it holds little',
    run: (/** @type {Context} */ context) => {
      if (context.kind !== 'hardened') return undefined
      return withBroker(context, { program: 'agentmem-broker' }, async (broker) => {
        await play(context, broker.socket, 'many')
        await play(context, broker.socket, 'lists')
        await until(() => memoryOf(broker.pid, 'Private_Dirty') < 2048, `less than 2 MiB of its own, not ${memoryOf(broker.pid, 'Private_Dirty')} KiB`)
      })
    },
  },
  {
    name: 'broker: its parts do what they say',
    run: (/** @type {Context} */ context) => {
      const out = spawnSync(join(context.testDir, 'test-broker-parts'), [], { encoding: 'utf8' })
      assert.equal(out.status, 0, out.stderr)
    },
  },
]
