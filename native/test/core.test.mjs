/** kmod/core: each part against something written by the book, and that all of it needs nothing but the compiler. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {{ binDir: string, testDir: string, kind: string }} Context */

const kmod = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'kmod')
const compiler = [process.env['CC'], 'cc', 'gcc', 'clang'].find((name) => name !== undefined && name !== '' && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) ?? 'cc'

/** @param {string} command @param {string[]} args */
const outputOf = (command, args) => {
  const out = spawnSync(command, args, { encoding: 'utf8' })
  assert.equal(out.status, 0, `${command} ${args.join(' ')}: ${out.error?.message ?? out.stderr}`)
  return out.stdout
}

/** @param {string} name @param {string} program */
const part = (name, program) => ({
  name,
  run: (/** @type {Context} */ context) => {
    const out = spawnSync(join(context.testDir, program), { encoding: 'utf8' })
    assert.equal(out.status, 0, `${out.stderr}${out.stdout}`)
  },
})

/** Flags of code inside a kernel: no header but the compiler's own stdbool.h, no floating point, small frames. */
const kernelFlags = () => [
  '-std=gnu11', '-O2', '-ffreestanding', '-nostdinc', '-isystem', outputOf(compiler, ['-print-file-name=include']).trim(), '-mgeneral-regs-only', '-fno-stack-protector', '-fno-PIE', '-fno-strict-aliasing',
  '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion', '-Wstrict-prototypes', '-Wvla', '-Wdeclaration-after-statement', '-Wframe-larger-than=2048',
]

export const tests = [
  part('core cuts where the header says, streamed or whole', 'test-core-chunk'),
  part('core finds blocks that are alike, and none that are not', 'test-core-sketch'),
  part('core finds what is in its table', 'test-core-table'),
  part('core keeps the promises of its policy', 'test-core-policy'),
  {
    name: 'core needs the compiler alone',
    run: () => {
      const folder = mkdtempSync(join(tmpdir(), 'agentmem-core-'))
      try {
        const sources = globSync(join(kmod, 'core', '*.c'))
        assert.ok(sources.length >= 7)
        const objects = sources.map((source) => {
          const object = join(folder, `${basename(source)}.o`)
          outputOf(compiler, [...kernelFlags(), '-c', source, '-o', object])
          return object
        })
        const all = join(folder, 'core.o')
        outputOf(compiler, ['-r', '-nostdlib', '-no-pie', '-o', all, ...objects])
        const wanted = outputOf('nm', ['-u', all]).split('\n').map((line) => line.trim().replace(/^U /u, '')).filter((name) => name !== '')
        assert.deepEqual(wanted.filter((name) => !['memcpy', 'memset', 'memcmp'].includes(name)), [])
        const shown = outputOf('nm', ['-g', '--defined-only', all]).trim().split('\n').map((line) => line.split(' ').at(-1) ?? '')
        assert.ok(shown.includes('am_table_open'))
        assert.deepEqual(shown.filter((name) => !name.startsWith('am_')), [])
        // Data that could be written would be state besides what the host lends.
        assert.match(outputOf('size', ['-A', all]), /^\.data +0 /mu)
        assert.match(outputOf('size', ['-A', all]), /^\.bss +0 /mu)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  },
]
