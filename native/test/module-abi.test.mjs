/** kmod/uapi: what was given out stays, and says the same as the library and the core; for programs of 32 bits too. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { frozenHeader, namesIn, presentHeader, valuesOf } from './module-abi-frozen.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const kmod = join(dirname(dirname(here)), 'kmod')
const compiler = [process.env['CC'], 'cc', 'gcc', 'clang'].find((name) => name !== undefined && name !== '' && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) ?? 'cc'

export const tests = [
  {
    name: 'module ABI: the same numbers as the library and the core',
    run: (/** @type {{ testDir: string }} */ { testDir }) => {
      const out = spawnSync(join(testDir, 'test-module-abi'), { encoding: 'utf8' })
      assert.equal(out.status, 0)
      assert.equal(out.stdout, 'ABI 1\n')
    },
  },
  {
    name: 'module ABI: the same layout for 32 bits',
    run: (/** @type {{ kind: string }} */ { kind }) => {
      if (kind !== 'hardened') return
      const { status, stderr } = spawnSync(compiler, ['-m32', '-std=c17', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-I', kmod, '-idirafter', '/usr/include/x86_64-linux-gnu', '-x', 'c', join(here, 'module-abi-layout.h')], { encoding: 'utf8' })
      assert.equal(status, 0, stderr)
    },
  },
  {
    name: 'module ABI: all of the first header stays as it was',
    run: (/** @type {{ kind: string }} */ { kind }) => {
      if (kind !== 'hardened') return
      const names = namesIn(frozenHeader)
      const first = valuesOf(names, frozenHeader, compiler)
      const present = valuesOf(names, presentHeader, compiler)
      assert.ok(names.structs.length >= 17 && first.length > 150, `only ${first.length} lines of ${names.structs.length} structs were read`)
      assert.equal(first.length, present.length)
      for (const [index, line] of first.entries()) {
        const now = present[index] ?? ''
        // Structs grow at their ends alone.
        if (line.startsWith('sizeof ')) assert.ok(Number(now.split(' ')[2]) >= Number(line.split(' ')[2]), `${line} at first, now ${now}`)
        else assert.equal(now, line)
      }
    },
  },
]
