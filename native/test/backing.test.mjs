/** agentmem-backing: where it would make a file and where not. What a real module makes of it is tested in the guest. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

const LEAST = String(64 * 1024 ** 2)
const TMPFS = 0x0102_1994

/** @param {Context} context @param {string[]} args */
const backing = (context, args) => spawnSync(join(context.binDir, 'agentmem-backing'), args, { encoding: 'utf8', timeout: 20_000 })

/** @param {(folder: string) => void} act */
const inFolder = (act) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-backing-'))
  try {
    act(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @type {{ name: string, run: (context: Context) => void }[]} */
export const tests = [
  {
    name: 'backing makes its file without a name, and says which file system it would not take',
    run: (context) => {
      inFolder((folder) => {
        const here = backing(context, ['check', LEAST, folder])
        if (statfsSync(folder).type === TMPFS) assert.match(here.stderr, /^file-system: /u)
        else assert.deepEqual([here.status, here.stderr], [0, ''])
        assert.deepEqual(readdirSync(folder), [])
      })
      assert.equal(statfsSync('/dev/shm').type, TMPFS)
      const memory = backing(context, ['check', LEAST, '/dev/shm'])
      assert.deepEqual([memory.status, memory.stderr], [1, 'file-system: /dev/shm lies on tmpfs, which is memory itself\n'])
    },
  },
  {
    name: 'backing keeps a gigabyte of the disk free, and says how much there is',
    run: (context) => {
      const { bavail, bsize, type } = statfsSync(tmpdir())
      if (type === TMPFS || bavail * bsize > 2 ** 40) return `needs a disk with less than a terabyte free under ${tmpdir()}`
      return inFolder((folder) => {
        const full = backing(context, ['check', String(2 ** 40), folder])
        assert.equal(full.status, 1)
        assert.match(full.stderr, /^no-room: \d+ MB are free in .*, and 1048576 MB with 1024 MB to spare are needed\n$/u)
      })
    },
  },
  {
    name: 'backing follows no link and takes no file for a folder',
    run: (context) =>
      inFolder((folder) => {
        writeFileSync(join(folder, 'file'), '')
        symlinkSync('.', join(folder, 'link'))
        for (const name of ['file', 'link', 'nothing']) {
          const out = backing(context, ['check', LEAST, join(folder, name)])
          assert.equal(out.status, 1)
          assert.match(out.stderr, /^refused: /u)
        }
      }),
  },
  {
    name: 'backing has nothing to take away where there is no module, and refuses what is none',
    run: (context) =>
      inFolder((folder) => {
        const gone = backing(context, ['take', join(folder, 'nothing')])
        assert.deepEqual([gone.status, gone.stderr], [0, ''])
        writeFileSync(join(folder, 'file'), '')
        for (const args of [['take'], ['show'], ['give', LEAST, folder]]) {
          const other = backing(context, [...args, join(folder, 'file')])
          assert.equal(other.status, 1)
          assert.match(other.stderr, /^refused: /u)
        }
        assert.deepEqual(readdirSync(folder), ['file'])
      }),
  },
  {
    name: 'backing says how it is called, and which sizes it takes',
    run: (context) => {
      for (const args of [[], ['give'], ['take', 'a', 'b'], ['check'], ['put', LEAST]]) {
        const out = backing(context, args)
        assert.equal(out.status, 2)
        assert.match(out.stderr, /^usage:/u)
      }
      for (const size of ['0', '-1', '4G', '67108863', String(2 ** 40 + 4096), '9'.repeat(30), '']) {
        const out = backing(context, ['check', size, '/'])
        assert.equal(out.status, 2)
        assert.match(out.stderr, /^bad-size: expected bytes from 67108864 to 1099511627776, got /u)
      }
    },
  },
]
