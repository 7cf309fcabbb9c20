/** The guard at its limits and with rubbish: clear errors, and it goes on. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootId, cgroupRoot, connect, journalText, until, withAgent, withGuard } from './guard-kit.mjs'

/** @typedef {import('./guard-kit.mjs').Context} Context */

const MOST_AGENTS = 128

export const tests = [
  {
    name: 'guard: refuses wrong usage and a second one on the same socket',
    run: (/** @type {Context} */ context) =>
      withGuard(context, '', (guard) => {
        const run = (/** @type {string[]} */ args) => spawnSync(guard.path, args, { encoding: 'utf8' })
        for (const args of [[], ['--role'], ['--role', 'root', ...guard.args.slice(2)], ['--role', 'system', '--socket', 'g', '--journal', '/j', '--words', '/w'], [...guard.args, '--what', '1']]) {
          const out = run(args)
          assert.equal(out.status, 2, args.join(' '))
          assert.match(out.stderr, /usage: agentmem-guard/u)
        }
        const second = run(guard.args)
        assert.equal(second.status, 1)
        assert.match(second.stderr, /another guard answers on this socket/u)
        assert.equal(statSync(guard.socket).mode & 0o777, 0o600)
      }),
  },
  {
    name: 'guard: takes the place of one that was killed',
    run: (/** @type {Context} */ context) =>
      withGuard(context, '', async (guard) => {
        guard.child.kill('SIGKILL')
        await until(() => guard.child.signalCode !== null, 'the end of the first')
        const { spawn } = await import('node:child_process')
        const second = spawn(guard.path, guard.args, { stdio: 'ignore' })
        try {
          await until(async () => {
            try {
              const client = await connect(guard.socket)
              await client.good('hello 1 own')
              client.end()
              return true
            } catch {
              return false // not listening yet
            }
          }, 'an answer of the second')
        } finally {
          second.kill('SIGKILL')
        }
      }),
  },
  {
    name: 'guard: answers rubbish with what it expected, and goes on',
    run: (/** @type {Context} */ context) =>
      withGuard(context, '', async (guard) => {
        const client = await connect(guard.socket)
        assert.match(await client.ask('status'), /^error bad-request expected hello first/u)
        assert.match(await client.ask('hello 2 own'), /^error version /u)
        await client.good('hello 1 own')
        const wrong = [
          '', ' ', 'hold', 'hold a', 'hold a b 1 /x', 'hold a"b 0 - /sys/fs/cgroup/a/cgroup.freeze', `hold ${'a'.repeat(97)} 0 - /sys/fs/cgroup/a/cgroup.freeze`,
          'hold a 0 0 /sys/fs/cgroup/a/cgroup.freeze', 'hold a 0 - /sys/fs/cgroup/a%00/cgroup.freeze', 'hold a 0 - /etc/passwd', 'hold a 0 - /sys/fs/cgroup/../etc/cgroup.freeze',
          'range a 1 5', 'range a 1 5-x', 'wake', 'wake a b c', 'holder - 1 1', 'holder 0 0 1', 'process a 0 1', 'run r x /y', 'leave now', 'exec sh', 'x '.repeat(81),
        ]
        for (const line of wrong) assert.match(await client.ask(line), /^error bad-request /u, line)
        assert.match(await client.ask('hold a 0 - /sys/fs/cgroup/not-there/cgroup.freeze'), /^error refused /u)
        assert.match(await client.ask('wake nobody key'), /^error unknown /u)
        assert.match(await client.ask('range nobody 1 1000-2000'), /^error unknown /u)
        assert.match(await client.ask('done nothing'), /^error unknown /u)
        assert.match(await client.ask('holder 0 4194304 1'), /^error gone /u)
        assert.match(await client.ask('a'.repeat(5000)), /^error bad-request expected lines of less than 4096/u)
        assert.match(await client.ask('nul\0byte'), /^error bad-request expected text without zero bytes/u)
        const other = await connect(guard.socket)
        other.socket.write(randomBytes(100_000))
        other.socket.end()
        const third = await connect(guard.socket)
        await third.good('hello 1 look')
        assert.match(await third.ask('wake a key'), /^error not-owner /u)
        assert.equal((await client.status()).pid, guard.pid)
        third.end()
        client.end()
      }),
  },
  {
    name: 'guard: opens no journal outside of its folder, no link, and nobody else\'s',
    run: (/** @type {Context} */ context) =>
      withGuard(context, '', async (guard) => {
        const client = await connect(guard.socket)
        await client.good('hello 1 own')
        const outside = join(guard.folder, 'r.open')
        writeFileSync(outside, journalText('r', []))
        symlinkSync(outside, join(guard.journals, 'link.open'))
        mkdirSync(join(guard.journals, 'folder.open'))
        for (const path of [outside, join(guard.journals, 'link.open'), join(guard.journals, 'folder.open'), `${guard.journals}/../../r.open`, join(guard.journals, 'none.open')]) {
          assert.match(await client.ask(`run r - ${path}`), /^error refused /u, path)
        }
        for (let i = 0; i < 16; i += 1) {
          writeFileSync(join(guard.journals, `${i}.open`), journalText(String(i), []))
          await client.good(`run ${i} - ${join(guard.journals, `${i}.open`)}`)
        }
        assert.match(await client.ask(`run more - ${join(guard.journals, '1.open')}`), /^error full /u)
        assert.match(await client.ask(`run 3 - ${join(guard.journals, '3.open')}`), /^error exists /u)
        client.end()
      }),
  },
  {
    name: 'guard: holds 128 agents with 16 processes each, refuses one more, and stays small',
    run: async (/** @type {Context} */ context) => {
      const root = cgroupRoot()
      if (root === null) return 'needs root and a cgroup v2 mount: freezes processes'
      return withGuard(context, '', (guard) =>
        withAgent(context, async (agent) => {
          const client = await connect(guard.socket)
          await client.good('hello 1 own')
          const ranges = Array.from({ length: 512 }, (_unused, index) => `${(0x10_0000_0000 + index * 0x2000).toString(16)}-${(0x10_0000_1000 + index * 0x2000).toString(16)}`)
          // Names are all the guard tells them apart by: one cgroup will do.
          for (let i = 0; i < MOST_AGENTS; i += 1) {
            const id = `${bootId}:${i + 1}:1`
            await client.good(
              `hold ${id} ${i} ${agent.pid} ${agent.freezePath}`,
              ...Array.from({ length: 16 }, () => `process ${id} ${agent.pid} ${agent.ticks}`),
              ...Array.from({ length: 8 }, (_unused, part) => `range ${id} ${agent.pid} ${ranges.slice(part * 64, part * 64 + 64).join(' ')}`),
              `held ${id}`,
            )
          }
          const id = `${bootId}:999:1`
          assert.match(await client.ask(`hold ${id} 0 - ${agent.freezePath}`), /^error full the guard holds 128 agents already$/u)
          const first = `${bootId}:1:1`
          assert.match(await client.ask(`hold ${first} 0 - ${agent.freezePath}`), /^error exists /u)
          await client.good(`release ${first}`, `hold ${id} 0 - ${agent.freezePath}`)
          assert.match(await client.ask(`range ${id} ${agent.pid} 1000-2001`), /^error bad-request expected START-END of whole pages/u)
          const status = await client.status()
          assert.equal(status.held.length, MOST_AGENTS - 1)
          if (context.kind === 'hardened') {
            assert.ok(status.pssBytes < 2_000_000, `expected less than 2 MB, got ${status.pssBytes}`)
            assert.match(readFileSync(`/proc/${guard.pid}/status`, 'utf8'), /^Threads:\s+1$/mu)
          }
          client.end()
        }))
    },
  },
  {
    name: 'guard: refuses a cgroup nobody is in',
    run: async (/** @type {Context} */ context) => {
      const root = cgroupRoot()
      if (root === null) return 'needs root and a cgroup v2 mount: freezes processes'
      const empty = join(root, `agentmem-test-empty-${process.pid}`)
      mkdirSync(empty)
      try {
        return await withGuard(context, '', async (guard) => {
          const client = await connect(guard.socket)
          await client.good('hello 1 own')
          await client.good(`hold a 0 - ${empty}/cgroup.freeze`)
          assert.match(await client.ask('held a'), /^error gone /u)
          assert.deepEqual((await client.status()).held, [])
          client.end()
        })
      } finally {
        rmdirSync(empty)
      }
    },
  },
]
