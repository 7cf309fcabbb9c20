/** kmod/core: each part against something written by the book, and that all of it needs nothing but the compiler. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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

/** What the kernel's headers bring along that could stand in the way. */
const kernelHeaders = {
  'types.h': `#include <stdbool.h>
    typedef __SIZE_TYPE__ size_t; typedef __UINT64_TYPE__ u64; typedef __UINT32_TYPE__ u32; typedef __UINT8_TYPE__ u8;
    #define NULL ((void *)0)
    struct list_head { struct list_head *next, *prev; }; struct callback_head { struct callback_head *next; };`,
  'string.h': `void *memcpy(void *, const void *, size_t); void *memset(void *, int, size_t); int memcmp(const void *, const void *, size_t);
    #define swap(a, b) do { __auto_type kept = (a); (a) = (b); (b) = kept; } while (0)
    #define min(x, y) ((x) < (y) ? (x) : (y))
    #define max(x, y) ((x) > (y) ? (x) : (y))
    #define likely(x) __builtin_expect(!!(x), 1)
    #define unlikely(x) __builtin_expect(!!(x), 0)
    #define barrier() __asm__ volatile("" : : : "memory")
    struct node; struct page; unsigned long fls(int); u32 hash_32(u32, unsigned); u64 rol64(u64, unsigned);`,
}

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
        mkdirSync(join(folder, 'linux'))
        for (const [name, text] of Object.entries(kernelHeaders)) writeFileSync(join(folder, 'linux', name), text)
        for (const source of sources) outputOf(compiler, [...kernelFlags(), '-D__KERNEL__', `-I${folder}`, '-c', source, '-o', join(folder, 'kernel.o')])
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
