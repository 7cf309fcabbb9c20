/** Readers of the core's table beside its writer. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

export const threaded = true

export const tests = [
  {
    name: 'core lets readers walk its table while it grows and shrinks',
    run: (/** @type {Context} */ context) => {
      const out = spawnSync(join(context.testDir, 'test-core-readers'), { encoding: 'utf8' })
      assert.equal(out.status, 0, `${out.stderr}${out.stdout}`)
    },
  },
]
