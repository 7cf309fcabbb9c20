/** The guard and open runs: what it takes back, and what it leaves alone. Real KSM files, each put back. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootId, cgroupRoot, connect, journalText, startTicks, until, withAgent, withGuard } from './guard-kit.mjs'

/** @typedef {import('./guard-kit.mjs').Context} Context */

const RUN = '20261121T010203Z-0a1b2c3d'
const SCAN = '/sys/kernel/mm/ksm/pages_to_scan'
const SLEEP = '/sys/kernel/mm/ksm/sleep_millisecs'
const ADVISOR = '/sys/kernel/mm/ksm/advisor_mode'

/** @param {string} path */
const value = (path) => {
  const text = readFileSync(path, 'utf8').trim()
  return /\[(\S+)\]/u.exec(text)?.[1] ?? text
}

/** Others on this machine may test with the same files: one at a time. */
const lockKernel = async () => {
  const holder = spawn('flock', ['/tmp/agentmem-kernel.lock', 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => holder.stdout.once('data', resolve).once('close', () => reject(new Error('expected flock to take /tmp/agentmem-kernel.lock'))))
  return () => holder.stdin.end()
}

/** @param {string} config @param {(context: Context, guard: any, client: any) => unknown} run */
const withKsm = (config, run) => async (/** @type {Context} */ context) => {
  if (process.getuid?.() !== 0 || !existsSync(SCAN)) return 'needs root and KSM: writes its scan rates'
  const unlock = await lockKernel()
  const before = [SCAN, SLEEP, ADVISOR].filter((path) => existsSync(path)).map((path) => [path, value(path)])
  try {
    if (existsSync(ADVISOR)) writeFileSync(ADVISOR, 'none')
    writeFileSync(SCAN, '100')
    writeFileSync(SLEEP, '20')
    await withGuard(context, config, async (guard) => {
      const client = await connect(guard.socket)
      await client.good('hello 1 own')
      await run(context, guard, client)
      client.end()
    })
  } finally {
    for (const [path, old] of before.toReversed()) writeFileSync(path, old)
    unlock()
  }
  return undefined
}

/** @param {any} guard @param {any} client @param {string} text @param {string[]} paths */
const arm = async (guard, client, text, paths = [SCAN, SLEEP]) => {
  const path = join(guard.journals, `${RUN}.open`)
  writeFileSync(path, text, { mode: 0o600 })
  await client.good(`run ${RUN} 1000 ${path}`, ...paths.map((file) => `file ${RUN} ${file}`), `armed ${RUN}`)
  return path
}

const BOTH = [`1 now write ${SCAN} 100 1000`, `2 now write ${SLEEP} 20 50`]
const setBoth = () => {
  writeFileSync(SCAN, '1000')
  writeFileSync(SLEEP, '50')
}

/** @param {any} guard @param {string} what */
const saw = (guard, what) => until(() => guard.words().some((/** @type {any} */ word) => word.what === what), `the word ${what}`)

export const tests = [
  {
    name: 'guard: parts that look at text and numbers',
    run: (/** @type {Context} */ context) => {
      const out = spawnSync(join(context.testDir, 'test-guard-parts'), [], { encoding: 'utf8' })
      assert.equal(out.status, 0, out.stderr)
    },
  },
  {
    name: 'guard: a helper that dies has its open run taken back, last line first',
    run: withKsm('', async (_context, guard, client) => {
      await arm(guard, client, journalText(RUN, [...BOTH, `3 now write ${SCAN} 1000 2000`, '4 when-it-fits swapoff /dev/zram77 - on']))
      setBoth()
      writeFileSync(SCAN, '2000')
      client.end()
      await until(() => value(SCAN) === '100' && value(SLEEP) === '20', 'the old values')
      await saw(guard, 'undone')
      const undone = guard.words().find((/** @type {any} */ word) => word.what === 'undone')
      assert.deepEqual([undone.runId, undone.uid, undone.text], [RUN, 1000, 'Took back 3 settings.'])
      assert.ok(existsSync(join(guard.journals, `${RUN}.open`)), 'closing the journal is for the helper')
      assert.ok(!existsSync(join(dirname(guard.journals), 'lock')))
    }),
  },
  {
    name: 'guard: gives the lock of undoers back after the second run it stands for, as after the first',
    run: withKsm('', async (_context, guard, client) => {
      const first = await arm(guard, client, journalText(RUN, BOTH))
      renameSync(first, first.replace('.open', '.kept'))
      // It may have seen by itself that the run is decided.
      assert.match(await client.ask(`done ${RUN}`), /^(?:ok|error unknown) /u)
      await arm(guard, client, journalText(RUN, BOTH))
      setBoth()
      client.end()
      await saw(guard, 'undone')
      await until(() => !existsSync(join(dirname(guard.journals), 'lock')), 'the lock to be free')
      assert.equal(value(SCAN), '100')
    }),
  },
  {
    name: 'guard: a value that somebody else changed is left alone, and one that was never written too',
    run: withKsm('', async (_context, guard, client) => {
      await arm(guard, client, journalText(RUN, [...BOTH, `3 now write ${SLEEP} 50 60`]))
      writeFileSync(SCAN, '777')
      writeFileSync(SLEEP, '50')
      client.end()
      await saw(guard, 'undone')
      assert.equal(value(SCAN), '777')
      assert.equal(value(SLEEP), '20', 'the line before the one never carried out is undone')
      assert.match(guard.words().at(-1).text, /^Took back 1 setting; left alone 1 /u)
    }),
  },
  {
    name: 'guard: torn and damaged lines are passed over, a foreign boot undoes nothing',
    run: async (/** @type {Context} */ context) => {
      const skipped = await withKsm('', async (_context, guard, client) => {
        const [first = '', second = ''] = journalText(RUN, BOTH).split('\n').slice(1)
        const header = journalText(RUN, [])
        await arm(guard, client, `${header}${first}\n${second.replace('now', 'now ')}\n${journalText(RUN, [`3 now write ${SLEEP} 20 60`]).split('\n')[1]}`)
        setBoth()
        client.end()
        await saw(guard, 'undone')
        assert.equal(value(SCAN), '100')
        assert.equal(value(SLEEP), '50', 'nothing is guessed from a damaged or torn line')
        assert.match(guard.words().at(-1).text, /a part of the journal could not be used/u)
      })(context)
      if (skipped !== undefined) return skipped
      await withKsm('', async (_context, guard, client) => {
        // The boot id is part of what is summed up: this one is whole, and of another boot.
        const path = join(guard.journals, `${RUN}.open`)
        const text = journalText(RUN, BOTH)
        const { crc32 } = await import('node:zlib')
        const head = text.slice(0, text.indexOf('\n')).replace(bootId, bootId.replace(/^./u, bootId.startsWith('0') ? '1' : '0')).slice(0, -9)
        writeFileSync(path, `${head} ${crc32(head).toString(16).padStart(8, '0')}${text.slice(text.indexOf('\n'))}`)
        await client.good(`run ${RUN} - ${path}`, `armed ${RUN}`)
        setBoth()
        client.end()
        await saw(guard, 'undone')
        assert.deepEqual([value(SCAN), value(SLEEP)], ['1000', '50'])
        setBoth()
      })(context)
      return undefined
    },
  },
  {
    name: 'guard: a journal whose first line is not to be trusted undoes nothing, and says so',
    run: withKsm('', async (_context, guard, client) => {
      await arm(guard, client, journalText(RUN, BOTH).replace('agentmem', 'agentmen'))
      setBoth()
      client.end()
      await saw(guard, 'problem')
      assert.deepEqual([value(SCAN), value(SLEEP)], ['1000', '50'])
    }),
  },
  {
    name: 'guard: a journal cannot make it write another file or take merged pages apart',
    run: withKsm('', async (_context, guard, client) => {
      const file = join(guard.folder, 'file')
      writeFileSync(file, '1\n')
      await arm(guard, client, journalText(RUN, [`1 now write ${file} 0 1`, '2 now write /proc/sys/vm/overcommit_ratio 51 50', '6 now write /proc/sys/vm/nr_hugepages 1 0', '7 now write /proc/sys/vm/overcommit_memory 2 0', `3 now write /sys/kernel/mm/ksm/run 2 ${value('/sys/kernel/mm/ksm/run')}`, ...BOTH]), [file, SCAN])
      const untouched = () => [...['overcommit_ratio', 'nr_hugepages', 'overcommit_memory'].map((name) => value(`/proc/sys/vm/${name}`)), value('/sys/kernel/mm/ksm/run')]
      const before = untouched()
      setBoth()
      client.end()
      await until(() => value(SCAN) === '100', 'the old value')
      await saw(guard, 'problem')
      assert.equal(readFileSync(file, 'utf8'), '1\n')
      assert.deepEqual(untouched(), before)
    }),
  },
  {
    name: 'guard: tunables come back, a ratio that bytes stood over too, and one somebody else changed does not',
    run: async (/** @type {Context} */ context) => {
      const vm = (/** @type {string} */ name) => `/proc/sys/vm/${name}`
      const bytes = vm('dirty_background_bytes')
      const ratio = vm('dirty_background_ratio')
      if (process.getuid?.() !== 0 || [bytes, ratio].map(value).join(' ') !== '0 10' || value(vm('page-cluster')) !== '3') return 'needs root, and page-cluster and dirty_background_ratio as the kernel sets them'
      const unlock = await lockKernel()
      try {
        for (const meanwhile of [null, '16777216']) {
          await withGuard(context, '', async (guard) => {
            const client = await connect(guard.socket)
            await client.good('hello 1 own')
            await arm(guard, client, journalText(RUN, [`1 now write ${vm('page-cluster')} 3 2`, `2 now write ${bytes} 10%25 8388608`]), [vm('page-cluster'), bytes, ratio])
            writeFileSync(vm('page-cluster'), '2')
            writeFileSync(bytes, meanwhile ?? '8388608')
            client.end()
            await saw(guard, 'undone')
            assert.deepEqual([value(vm('page-cluster')), value(bytes), value(ratio)], ['3', ...(meanwhile === null ? ['0', '10'] : [meanwhile, '0'])])
            assert.match(guard.words().at(-1)?.text ?? '', meanwhile === null ? /^Took back 2 settings\.$/u : /^Took back 1 setting; left alone 1 /u)
          })
        }
      } finally {
        writeFileSync(vm('page-cluster'), '3')
        writeFileSync(ratio, '10')
        unlock()
      }
      return undefined
    },
  },
  {
    name: 'guard: a kept run is left alone: the rename of its journal decides',
    run: withKsm('grace_ms=50\n', async (_context, guard, client) => {
      const path = await arm(guard, client, journalText(RUN, BOTH))
      setBoth()
      renameSync(path, path.replace('.open', '.kept'))
      client.end()
      await until(() => guard.child.exitCode !== null, 'the guard to end')
      assert.deepEqual([value(SCAN), value(SLEEP)], ['1000', '50'])
    }),
  },
  {
    name: 'guard: a run that is done, and leave with an open one',
    run: withKsm('grace_ms=50\n', async (_context, guard, client) => {
      await arm(guard, client, journalText(RUN, BOTH))
      assert.match(await client.ask('leave'), /^error refused /u)
      assert.deepEqual((await client.status()).runIds, [RUN])
      await client.good(`done ${RUN}`)
      setBoth()
      client.end()
      await until(() => guard.child.exitCode === 0, 'the guard to end')
      assert.deepEqual([value(SCAN), value(SLEEP)], ['1000', '50'])
    }),
  },
  {
    name: 'guard: a silent helper that holds the lock is ended before anything is taken back',
    run: withKsm('grace_ms=50\n', async (_context, guard) => {
      // It connects, arms, changes, holds the lock, and closes its connection without ending. Until it says hello the first client keeps the guard.
      const helper = spawn(process.execPath, ['-e', `
        const net = require('node:net'), fs = require('node:fs')
        const socket = net.createConnection(process.argv[1])
        const lines = process.argv[2].split('|')
        let answers = 0
        socket.on('connect', () => process.stdin.once('data', () => socket.write(lines.join('\\n') + '\\n')))
        socket.on('data', (text) => {
          answers += String(text).split('\\n').length - 1
          if (answers === lines.length) { socket.destroy(); setInterval(() => undefined, 1000) }
        })`, guard.socket, [`hello 1 own`, `run ${RUN} - ${join(guard.journals, `${RUN}.open`)}`, `armed ${RUN}`].join('|')], { stdio: ['pipe', 'inherit', 'inherit'] })
      helper.stdin.on('error', () => undefined)
      const lock = join(dirname(guard.journals), 'lock')
      try {
        writeFileSync(join(guard.journals, `${RUN}.open`), journalText(RUN, BOTH))
        setBoth()
        writeFileSync(`${lock}.own`, `${helper.pid} ${startTicks(/** @type {number} */ (helper.pid))} ${bootId}\n`)
        linkSync(`${lock}.own`, lock)
        // Now there is a journal to arm, and the lock is its own.
        helper.stdin.write('go\n')
        await until(() => helper.exitCode !== null || helper.signalCode !== null, 'the helper to end')
        assert.equal(helper.signalCode, 'SIGKILL')
        await until(() => value(SCAN) === '100' && value(SLEEP) === '20', 'the old values')
        await until(() => !existsSync(lock), 'the lock to be free')
        rmSync(`${lock}.own`)
      } finally {
        helper.kill('SIGKILL')
      }
    }),
  },
  {
    name: 'guard: a program that holds the lock and is no helper of ours is waited for, not ended',
    run: withKsm('grace_ms=50\n', async (_context, guard, client) => {
      const other = spawn('sleep', ['60'])
      const lock = join(dirname(guard.journals), 'lock')
      writeFileSync(lock, `${other.pid} ${startTicks(/** @type {number} */ (other.pid))} ${bootId}\n`)
      await arm(guard, client, journalText(RUN, BOTH))
      setBoth()
      client.end()
      await sleep(500)
      assert.equal(other.exitCode, null)
      assert.equal(value(SCAN), '1000', 'one undoer at a time')
      other.kill('SIGKILL')
      await until(() => value(SCAN) === '100', 'the old value, once the lock is free')
    }),
  },
  {
    name: 'guard: a critical service that ends has the open run taken back',
    run: withKsm('services=agentmem-svc\n', async (_context, guard, client) => {
      const service = spawn('bash', ['-c', 'echo -n agentmem-svc > /proc/self/comm; echo ready; read -r _'], { stdio: ['pipe', 'pipe', 'inherit'] })
      await new Promise((resolve) => service.stdout.once('data', resolve))
      await arm(guard, client, journalText(RUN, BOTH))
      setBoth()
      await sleep(400)
      assert.equal(value(SCAN), '1000')
      service.kill('SIGKILL')
      await until(() => value(SCAN) === '100' && value(SLEEP) === '20', 'the old values')
      await saw(guard, 'service-ended')
      assert.equal((await client.status()).runs, 0)
    }),
  },
  {
    name: 'guard: an out-of-memory kill has the open run taken back, frozen agents stay frozen',
    run: async (/** @type {Context} */ context) => {
      const limits = '/sys/fs/cgroup/memory/memory.limit_in_bytes'
      if (cgroupRoot() === null || !existsSync(dirname(limits))) return 'needs root, cgroup v2 to freeze and cgroup v1 to limit memory'
      return withKsm('', (inner, guard, client) =>
        withAgent(inner, async (agent) => {
          await agent.suspend(client)
          await arm(guard, client, journalText(RUN, BOTH))
          setBoth()
          const group = `/sys/fs/cgroup/memory/agentmem-test-${process.pid}`
          const hog = spawnSync('sh', ['-c', `mkdir ${group} && echo 16M > ${group}/memory.limit_in_bytes && { [ ! -e ${group}/memory.memsw.limit_in_bytes ] || echo 16M > ${group}/memory.memsw.limit_in_bytes; } && echo $$ > ${group}/cgroup.procs && exec dd if=/dev/zero of=/dev/null bs=64M count=1 status=none`], { encoding: 'utf8' })
          await until(() => spawnSync('rmdir', [group]).status === 0, 'an empty memory cgroup')
          assert.equal(hog.signal, 'SIGKILL', 'the kernel was to end it')
          await until(() => value(SCAN) === '100' && value(SLEEP) === '20', 'the old values')
          await saw(guard, 'oom-kill')
          assert.ok(agent.isFrozen(), 'thawing would take memory now')
        }))(context)
    },
  },
  {
    name: 'guard: with little memory the run is taken back, agents stay frozen for the next helper, and are thawed one by one when there is none',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return 'needs root and a cgroup v2 mount: freezes processes'
      // Any machine has less than this: memory is short from the first look on.
      return withKsm('low_memory_mib=65536\ngrace_ms=50\n', (inner, guard, client) =>
        withAgent(inner, (first) => withAgent(inner, async (second) => {
          await first.suspend(client)
          await second.suspend(client)
          // Written before the guard hears of the run: it takes it back at its first look, and what comes then stays.
          setBoth()
          await arm(guard, client, journalText(RUN, BOTH))
          await until(() => value(SCAN) === '100' && value(SLEEP) === '20', 'the old values')
          await saw(guard, 'low-memory')
          assert.ok(first.isFrozen() && second.isFrozen(), 'thawing would take memory now')
          client.end()
          await until(() => first.isFrozen() !== second.isFrozen(), 'one of them to be thawed first')
          await sleep(500)
          assert.ok(first.isFrozen() !== second.isFrozen(), 'the other one waits for memory')
          await until(() => !first.isFrozen() && !second.isFrozen(), 'both to be thawed in the end')
        })))(context)
    },
  },
  {
    name: 'guard: after one that was killed, its journals of agents tell what to thaw',
    run: async (/** @type {Context} */ context) => {
      if (cgroupRoot() === null) return 'needs root and a cgroup v2 mount: freezes processes'
      await withGuard(context, '', (guard) =>
        withAgent(context, async (agent) => {
          const client = await connect(guard.socket)
          await client.good('hello 1 own')
          const name = agent.id.replaceAll(':', '_')
          writeFileSync(join(guard.journals, 'agents', `${name}.open`), journalText(name, [`1 now thaw ${agent.freezePath} 0 1`, `2 now write ${SCAN} 1 ${value(SCAN)}`]))
          writeFileSync(join(guard.journals, 'agents', 'rubbish.open'), 'nothing\n')
          await agent.suspend(client)
          guard.child.kill('SIGKILL')
          await until(() => client.isClosed(), 'the end of the connection')
          assert.ok(agent.isFrozen())
          const scan = value(SCAN)
          const out = spawnSync(guard.path, [...guard.args, '--recover-held'], { encoding: 'utf8' })
          assert.equal(out.status, 0, out.stderr)
          assert.ok(!agent.isFrozen())
          assert.equal(value(SCAN), scan, 'settings are the helper\'s')
          assert.equal(guard.words().at(-1).what, 'thawed')
        }))
      return undefined
    },
  },
]
