/** agentmem-pressure: judges, tells, and ends when there is nobody to tell. What a real module hears is tested in the guest. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

/** @param {Context} context @param {string[]} args */
const pressure = (context, args) => spawnSync(join(context.binDir, 'agentmem-pressure'), args, { encoding: 'utf8', timeout: 20_000 })

/** @type {{ name: string, run: (context: Context) => void }[]} */
export const tests = [
  {
    name: 'pressure is judged by stalls and by what is available',
    run: (context) => {
      const out = spawnSync(join(context.testDir, 'test-pressure'), [], { encoding: 'utf8' })
      assert.equal(out.status, 0, out.stderr)
    },
  },
  {
    name: 'pressure ends well where there is no module, and badly where something else stands in its place',
    run: (context) => {
      const folder = mkdtempSync(join(tmpdir(), 'agentmem-pressure-'))
      try {
        const gone = pressure(context, [join(folder, 'nothing')])
        assert.deepEqual([gone.status, gone.stderr], [0, ''])
        writeFileSync(join(folder, 'file'), '')
        const other = pressure(context, [join(folder, 'file')])
        assert.equal(other.status, 1)
        assert.match(other.stderr, /does not take it/u)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  },
  {
    name: 'pressure says how it is called',
    run: (context) => {
      for (const args of [['a', 'b'], ['relative']]) {
        const out = pressure(context, args)
        assert.equal(out.status, 2)
        assert.match(out.stderr, /^usage:/u)
      }
    },
  },
]
