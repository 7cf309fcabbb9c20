/** agentmem-reclaim: only the caller's own live processes, and what was really won. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */
/** @typedef {{ pid: number, rssBeforeBytes: number | null, rssAfterBytes: number | null, anonBeforeBytes: number | null, anonAfterBytes: number | null, advisedBytes: number, error: string | null }} Row */

const OTHER_UID = 65534
const MIB = 1024 * 1024
const uid = process.getuid?.() ?? 0
const isRoot = uid === 0
const needsRoot = 'needs root: process_madvise of another process'

/** @param {Context} context @param {string[]} args */
const reclaim = (context, args) => {
  const out = spawnSync(join(context.binDir, 'agentmem-reclaim'), args, { encoding: 'utf8', maxBuffer: 64 * MIB })
  const rows = out.stdout.split('\n').filter((line) => line !== '').map((line) => /** @type {Row} */ (JSON.parse(line)))
  return { ...out, rows }
}

/** Field 22 of stat, read after the last ")". @param {number} pid */
const startTicks = (pid) => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/** @param {Context} context @param {string[]} args @param {(subject: import('node:child_process').ChildProcess, ref: string) => unknown} use @param {number} [asUid] */
const withSubject = async (context, args, use, asUid = uid) => {
  const subject = spawn(join(context.testDir, 'test-subject'), args, { stdio: ['pipe', 'pipe', 'inherit'], ...(asUid === uid ? {} : { uid: asUid, gid: asUid }) })
  try {
    await once(subject.stdout, 'data')
    return await use(subject, `${subject.pid}:${startTicks(/** @type {number} */ (subject.pid))}`)
  } finally {
    subject.kill('SIGKILL')
    if (subject.exitCode === null && subject.signalCode === null) await once(subject, 'exit')
  }
}

const hasSwap = () => readFileSync('/proc/swaps', 'utf8').trim().split('\n').length > 1

export const tests = [
  {
    name: 'parsers read what kernels write and refuse the rest',
    run: (/** @type {Context} */ context) => {
      const out = spawnSync(join(context.testDir, 'test-parsers'), [], { encoding: 'utf8' })
      assert.equal(out.status, 0, out.stderr)
    },
  },
  {
    name: 'reclaim refuses wrong usage before touching anything',
    run: (/** @type {Context} */ context) => {
      const own = `${process.pid}:${startTicks(process.pid)}`
      const wrong = [
        [], ['--advice'], ['--advice', 'free', '--uid', '0', own], ['--advice', 'cold', own], ['--uid', '0', own],
        ['--advice', 'cold', '--uid', '-1', own], ['--advice', 'cold', '--uid', '4294967295', own], ['--advice', 'cold', '--uid', '0'],
        ['--advice', 'cold', '--uid', '0', own, 'x'], ['--advice', 'cold', '--uid', '0', '0:1'], ['--advice', 'cold', '--uid', '0', '12'],
        ['--advice', 'cold', '--uid', '0', '12:'], ['--advice', 'cold', '--uid', '0', '12:3x'], ['--advice', 'cold', '--uid', '0', '4194305:1'],
        ['--advice', 'cold', '--uid', '0', '12: 3'], ['--what', '1', '--uid', '0', own],
        ['--advice', 'cold', '--pages', 'some', '--uid', '0', own], ['--advice', 'cold', '--most-bytes', '-1', '--uid', '0', own], ['--advice', 'cold', '--most-bytes', '1k', '--uid', '0', own],
        ['--advice', 'list', '--most-bytes', '1', '--uid', '0', own], ['--advice', 'list', '--pages', 'anonymous', '--uid', '0', own],
      ]
      for (const args of wrong) {
        const out = reclaim(context, args)
        assert.equal(out.status, 2, args.join(' '))
        assert.equal(out.stdout, '', args.join(' '))
        assert.match(out.stderr, /usage:/u)
      }
    },
  },
  {
    name: 'reclaim tells a gone process and a reused number from a live one',
    run: async (/** @type {Context} */ context) => {
      const gone = spawnSync('true')
      const first = reclaim(context, ['--advice', 'cold', '--uid', String(uid), `${gone.pid}:1`])
      assert.equal(first.status, 1)
      assert.deepEqual(first.rows.map((row) => [row.pid, row.error, row.advisedBytes, row.rssAfterBytes]), [[gone.pid, 'process-gone', 0, null]])
      await withSubject(context, ['4', '4'], (subject, ref) => {
        const [pid, ticks] = ref.split(':')
        const other = reclaim(context, ['--advice', 'pageout', '--uid', String(uid), `${pid}:${Number(ticks) + 1}`])
        assert.deepEqual(other.rows.map((row) => [row.error, row.advisedBytes]), [['process-gone', 0]])
      })
    },
  },
  {
    name: 'reclaim refuses processes of another user',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return 'needs root: starts a process of another user'
      await withSubject(context, ['4', '4'], (_subject, ref) => {
        const out = reclaim(context, ['--advice', 'pageout', '--uid', String(OTHER_UID), ref])
        assert.equal(out.status, 1)
        assert.deepEqual(out.rows.map((row) => [row.error, row.advisedBytes]), [['not-yours', 0]])
      })
      return undefined
    },
  },
  {
    name: 'reclaim advises thousands of areas, skips what the kernel refuses, and goes on',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      // More areas than one call takes (1024), the first of them locked: the kernel answers EINVAL for it.
      await withSubject(context, ['32', '2500'], (_subject, ref) => {
        const out = reclaim(context, ['--advice', 'cold', '--uid', String(OTHER_UID), '1:1', ref, ref])
        assert.equal(out.status, 1)
        assert.deepEqual(out.rows.map((row) => row.error), ['process-gone', null, null])
        const row = out.rows[1]
        assert.ok(row !== undefined && row.advisedBytes >= 27 * MIB, `expected at least 27 MiB advised, got ${row?.advisedBytes}`)
        assert.ok(row.advisedBytes < 1024 * MIB, 'a reservation nobody can access is not advised')
        assert.ok(row.rssBeforeBytes !== null && row.rssBeforeBytes >= 29 * MIB)
        assert.ok(row.anonBeforeBytes !== null && row.anonBeforeBytes <= row.rssBeforeBytes)
      }, OTHER_UID)
      return undefined
    },
  },
  {
    name: 'reclaim reports what was won: nothing of anonymous memory without swap',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      const before = hasSwap()
      const row = await withSubject(context, ['24', '6'], (_subject, ref) => reclaim(context, ['--advice', 'pageout', '--uid', String(uid), ref]).rows[0])
      if (before !== hasSwap()) return 'needs swap to stay as it is: it changed during the test'
      assert.ok(row !== undefined && row.error === null && row.anonBeforeBytes !== null && row.anonAfterBytes !== null)
      assert.ok(row.advisedBytes >= 20 * MIB)
      const won = row.anonBeforeBytes - row.anonAfterBytes
      if (before) assert.ok(won > 8 * MIB, `with swap most goes out, got ${won} bytes`)
      else assert.ok(won < MIB, `without swap nothing goes out, got ${won} bytes`)
      return undefined
    },
  },
  {
    name: 'list says where anonymous memory lies, in at most 512 ranges',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      if (hasSwap()) return 'needs a machine without swap: all of it must be in memory'
      for (const areas of ['4', '2500']) {
        const out = await withSubject(context, ['32', areas], (_subject, ref) => reclaim(context, ['--advice', 'list', '--uid', String(uid), ref, '1:1']))
        assert.equal(out.status, 1)
        const [row, gone] = /** @type {{ anonBytes: number, ranges: [string, string][], error: string | null }[]} */ (/** @type {unknown} */ (out.rows))
        assert.ok(row !== undefined && gone !== undefined)
        assert.deepEqual([row.error, gone.error, gone.ranges], [null, 'process-gone', []])
        assert.ok(row.anonBytes >= 28 * MIB && row.anonBytes < 40 * MIB, `got ${row.anonBytes}`)
        assert.ok(row.ranges.length > 0 && row.ranges.length <= 512, `got ${row.ranges.length} ranges`)
        let last = 0
        let bytes = 0
        for (const [start, end] of row.ranges.map((range) => range.map((text) => Number.parseInt(text, 16)))) {
          assert.ok(start !== undefined && end !== undefined && start >= last && end > start && start % 4096 === 0, `${start}-${end} after ${last}`)
          last = end
          bytes += end - start
        }
        assert.ok(bytes <= 64 * MIB && bytes >= 8 * MIB, `got ${bytes} bytes in ranges`)
      }
      return undefined
    },
  },
  {
    name: 'reclaim keeps to its bound, over all processes together',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      await withSubject(context, ['16', '4'], async (_one, first) => {
        await withSubject(context, ['16', '4'], (_other, second) => {
          const of = (/** @type {number} */ most) => reclaim(context, ['--advice', 'cold', '--most-bytes', String(most), '--uid', String(uid), first, second]).rows.map((row) => row.advisedBytes)
          assert.deepEqual(of(0), [0, 0])
          const [some, none] = of(2 * MIB + 100)
          assert.ok(some !== undefined && some > 0 && some <= 2 * MIB && none === 0, `got ${some} and ${none}`)
          const all = of(24 * MIB)
          assert.ok(all.every((bytes) => bytes > 0) && all.reduce((sum, bytes) => sum + bytes, 0) <= 24 * MIB, `got ${all.join()}`)
        })
      })
      return undefined
    },
  },
  {
    name: 'reclaim leaves pages of files alone where it is told to',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      await withSubject(context, ['8', '2'], (_subject, ref) => {
        const [all, anonymous] = ['all', 'anonymous'].map((pages) => reclaim(context, ['--advice', 'cold', '--pages', pages, '--uid', String(uid), ref]).rows[0]?.advisedBytes ?? 0)
        assert.ok(anonymous !== undefined && all !== undefined && anonymous >= 3 * MIB && anonymous + MIB < all, `got ${anonymous} of ${all}`)
      })
      return undefined
    },
  },
  {
    name: 'reclaim brings memory back ahead of use with willneed',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return needsRoot
      const out = await withSubject(context, ['8', '2'], (_subject, ref) => reclaim(context, ['--advice', 'willneed', '--uid', String(uid), ref]))
      assert.equal(out.status, 0, JSON.stringify(out.rows))
      return undefined
    },
  },
  {
    name: 'reclaim needs root for a process of the same user, and says so',
    run: async (/** @type {Context} */ context) => {
      if (!isRoot) return 'needs root: drops its own rights'
      await withSubject(context, ['2', '2'], (_subject, ref) => {
        const out = spawnSync(join(context.binDir, 'agentmem-reclaim'), ['--advice', 'cold', '--uid', String(OTHER_UID), ref], { encoding: 'utf8', uid: OTHER_UID, gid: OTHER_UID })
        const row = /** @type {Row} */ (JSON.parse(out.stdout))
        assert.equal(row.error, 'not-permitted')
      }, OTHER_UID)
      return undefined
    },
  },
]
