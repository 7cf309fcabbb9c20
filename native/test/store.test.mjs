/** The cold store: what it answers, and what is left of it after kills, power cuts, full disks and damage. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: 'hardened' | 'sanitized' | 'threaded' }} Context */

export const threaded = true

/** A folder in memory, for what writes much and needs no disk; else on the disk. */
const memoryDir = () => {
  try {
    accessSync('/dev/shm', constants.W_OK | constants.X_OK)
    return '/dev/shm'
  } catch {
    return tmpdir()
  }
}

/**
 * `test-store WHAT FOLDER NUMBER`; the reason where it cannot be tested here.
 * @param {Context} context @param {string} what @param {number} [number] @param {string} [parent]
 */
const run = (context, what, number, parent = tmpdir()) => {
  const folder = mkdtempSync(join(parent, 'agentmem-store-'))
  try {
    const args = [what, join(folder, 'store'), ...(number === undefined ? [] : [String(number)])]
    const { status, signal, stdout, stderr } = spawnSync(join(context.testDir, 'test-store'), args, { encoding: 'utf8', timeout: 120_000 })
    if (status === 77) return stdout.trim()
    assert.deepEqual([status, signal, stderr], [0, null, ''])
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Sanitizers are slow, and look at each round more closely. @param {Context} context @param {number} hardened @param {number} otherwise */
const rounds = (context, hardened, otherwise) => context.kind === 'hardened' ? hardened : otherwise

/** One thread is at work there: nothing for ThreadSanitizer. @param {(context: Context) => string | undefined} test */
const single = (test) => (/** @type {Context} */ context) => context.kind === 'threaded' ? undefined : test(context)

export const tests = [
  { name: 'store answers as its header says, and refuses what is not its own', run: single((context) => run(context, 'parts')) },
  { name: 'store holds what a model of it holds, through changes and reopening', run: (/** @type {Context} */ context) => run(context, 'model', rounds(context, 20, 6)) },
  { name: 'store keeps what it acknowledged when killed at any moment', run: single((context) => run(context, 'kill', rounds(context, 200, 80))) },
  { name: 'store keeps what it acknowledged when the power fails, whatever of the unsynced was written', run: single((context) => run(context, 'power', rounds(context, 800, 200), memoryDir())) },
  { name: 'store cuts a torn index off, and refuses one that is damaged before its end', run: single((context) => run(context, 'tears', undefined, memoryDir())) },
  { name: 'store survives each of its writes failing', run: single((context) => run(context, 'errors', rounds(context, 1, 3), memoryDir())) },
  { name: 'store is changed and read in the middle of commits', run: (/** @type {Context} */ context) => run(context, 'between', rounds(context, 800, 200), memoryDir()) },
  { name: 'store is used by many threads at once', run: (/** @type {Context} */ context) => run(context, 'threads', rounds(context, 200, 100)) },
  { name: 'store says that the disk is full, and goes on when there is room', run: single((context) => run(context, 'full')) },
  { name: 'store works where io_uring is refused', run: single((context) => run(context, 'refused')) },
  { name: 'store is 500 GB to look at, and gives disk back for what is freed', run: single((context) => run(context, 'sparse')) },
]
