/** The warm tier: never a wrong byte, little memory besides what it keeps. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

/** @param {string} name @param {string} program @param {string} what */
const part = (name, program, what) => ({
  name,
  run: (/** @type {Context} */ context) => {
    const out = spawnSync(join(context.testDir, program), [what], { encoding: 'utf8' })
    assert.equal(out.status, 0, `${out.stderr}${out.stdout}`)
  },
})

export const tests = [
  part('warm gives back what went in, of each kind, size and effort', 'test-warm-parts', 'kinds'),
  part('warm takes the largest block with the largest base, and nothing larger', 'test-warm-parts', 'largest'),
  part('warm packs against a base, and gives an error with another one', 'test-warm-parts', 'bases'),
  part('warm reads back what it saved, and nothing else', 'test-warm-parts', 'saving'),
  part('warm keeps within its bound however pieces come and go, and gives all back', 'test-warm-pool', 'memory'),
  part('warm holds working memory only while it works', 'test-warm-pool', 'rest'),
  part('warm learns dictionaries and brings them back with what needs them', 'test-warm-dictionaries', 'learning'),
  part('warm learns anew when content changes, and keeps what is needed', 'test-warm-dictionaries', 'versions'),
  part('warm gives a number of a dictionary away only when nothing needs it', 'test-warm-dictionaries', 'numbers'),
]
