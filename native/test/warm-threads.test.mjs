/** The warm tier under many threads. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

export const threaded = true

export const tests = [
  {
    name: 'warm packs, reads, learns, saves and rests in many threads at once',
    run: (/** @type {Context} */ context) => {
      const out = spawnSync(join(context.testDir, 'test-warm-threads'), { encoding: 'utf8' })
      assert.equal(out.status, 0, `${out.stderr}${out.stdout}`)
    },
  },
]
