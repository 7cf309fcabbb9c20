/** What the broker keeps: every function, a random model beside it, and what is left after a kill. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const threaded = true

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

/** @param {Context} context @param {(folder: string, program: string) => unknown} use */
const withFolder = async (context, use) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-content-'))
  try {
    return await use(join(folder, 'store'), join(context.testDir, 'test-content'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param {string} program @param {string[]} args @param {string} [input] */
const run = (program, args, input = '') => {
  const out = spawnSync(program, args, { encoding: 'utf8', input, timeout: 120_000 })
  assert.deepEqual([out.status, out.signal, out.stderr], [0, null, ''], args.join(' '))
  return out.stdout
}

/** Works until it is killed; what it said. @param {string} program @param {string[]} args @param {number} milliseconds */
const kill = async (program, args, milliseconds) => {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (said += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
  const ended = new Promise((resolve) => child.once('close', resolve))
  await sleep(milliseconds)
  child.kill('SIGKILL')
  await ended
  assert.equal(errors, '', args.join(' '))
  return said
}

export const tests = [
  {
    name: 'content: every function does what it says, and says what is wrong',
    run: (/** @type {Context} */ context) => withFolder(context, (_folder, program) => {
      // What it prints is no reason to skip.
      run(program, ['functions', '-'])
    }),
  },
  {
    name: 'content: thousands of random operations give the bytes of a plain model, in memory and over restarts',
    run: (/** @type {Context} */ context) => withFolder(context, (folder, program) => {
      const operations = { hardened: '3000', sanitized: '1500', threaded: '700' }[context.kind] ?? '700'
      run(program, ['model', '-', '101', operations])
      const said = run(program, ['model', folder, '102', operations])
      const [, packed, restored, cold, kept] = /packed (\d+) bytes, (\d+) blocks restored, (\d+) cold reads, (\d+) units kept/u.exec(said) ?? []
      // What was never packed, read from disk or found again proves nothing.
      for (const number of [packed, restored, cold, kept]) assert.ok(Number(number) > 0, said)
    }),
  },
  {
    name: 'content: what was said to be cold is there after a kill, and no wrong byte with it',
    run: (/** @type {Context} */ context) => withFolder(context, async (folder, program) => {
      let had = 0
      for (let round = 0; round < 6; round += 1) {
        const said = await kill(program, ['crash', folder, String(200 + round)], context.kind === 'hardened' ? 300 + round * 120 : 900 + round * 200)
        const told = run(program, ['after', folder], said)
        had += Number(/(\d+) had to be there/u.exec(told)?.[1])
      }
      assert.ok(had > 0, 'no unit was cold before any kill')
    }),
  },
]
