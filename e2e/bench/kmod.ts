/**
 * The kernel module beside what the kernel has for the same, as ratios of one
 * run in a guest of one kernel of the matrix: calls and mappings beside memfds,
 * by time and by instructions; conversations beside zram; a hundred agents;
 * an agent under pressure beside the kernel's own LRU; what lies on a device
 * beside a raw read. Needs root and a Debian
 * mirror once, as `npm run test:kmod`.
 *
 * --kernel 6.1|6.12|7.2, --only PART,PART (calls, map, talks, hundred, evict, cold; this one last, it overwrites the disk).
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { program, projectDir, textFolder } from './parts/broker.ts'
import { createRows } from './parts/rows.ts'

const CONVERSATIONS = 12
/** Of them on the disk: agents under pressure read more text than conversations are packed. */
const WRITTEN = 30
const CONVERSATION_BYTES = 4_000_000
const { values } = parseArgs({ options: { kernel: { type: 'string', default: '6.12' }, only: { type: 'string', default: 'calls,map,talks,hundred,evict,cold' } } })
const parts = values.only.split(',')
const rows = createRows('kmod')

/** A program's figures, by what stands before the value: lines "name value unit" or "run name value unit". */
const figuresOf = (command: string, args: readonly string[]): Map<string, number> => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout.slice(-2000)}${stderr.slice(-6000)}`)
  return new Map([...stdout.matchAll(/^(?:(timed|counted) )?([a-z][\w-]*) (\S+)/gmu)].map(([, run, name, value]) => [run === undefined ? `${name}` : `${run} ${name}`, Number(value)]))
}

const folder = mkdtempSync('/var/tmp/agentmem-bench-')
let seen: Map<string, number>
try {
  const disk = join(folder, 'disk')
  const corpus = figuresOf(program('bench-kmod-corpus', 'native-bench'), [textFolder, disk, String(WRITTEN), String(CONVERSATION_BYTES)])
  seen = new Map([...corpus, ...figuresOf(process.execPath, [join(projectDir, 'tools/kmod/bench.mjs'), disk, String(CONVERSATIONS), String(CONVERSATION_BYTES), values.kernel, ...parts])])
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const figure = (name: string): number => {
  const value = seen.get(name)
  if (value === undefined || Number.isNaN(value)) throw new Error(`the guest told no ${name}; it told ${[...seen.keys()].join(', ')}`)
  return value
}

const calls = (): void => {
  rows.atMost('allocate of known content by digest, beside memfd_create and close', figure('timed alloc-ratio'), 1.5, 'x')
  rows.atMost('  by instructions', figure('counted alloc-ratio'), 1.5, 'x')
  rows.atMost('  with a descriptor that can be mapped', figure('timed alloc-fd-ratio'), 1.5, 'x')
  rows.shown('  allocate and free', figure('counted alloc-digest'), 'instructions')
  rows.shown('  peer: memfd_create and close', figure('counted memfd-create-close'), 'instructions')
}

const map = (): void => {
  rows.atMost('map and first touch of a hot unit, beside a memfd', figure('timed map-ratio'), 1.2, 'x')
  rows.atMost('  by instructions', figure('counted map-ratio'), 1.2, 'x')
  rows.shown('  all of its pages, 1 MiB', figure('counted map-all-ratio'), 'x')
  rows.shown('  map and touch', figure('counted map-unit'), 'instructions')
  rows.shown('  peer: map and touch of a memfd', figure('counted map-memfd'), 'instructions')
}

const talks = (): void => {
  rows.atLeast(`${CONVERSATIONS} conversations as units, plain to stored`, figure('timed talks-ratio'), 4.5, 'to-1')
  rows.shown('  plain', figure('timed talks-plain'), 'MB')
  rows.shown('  by what the machine has less free', figure('timed talks-plain') / figure('timed talks-taken'), 'to-1')
  rows.shown('  peer: zram zstd, the same pages', figure('timed zram-used-ratio'), 'to-1')
  rows.shown('  peer: zstd -1 by page', figure('corpus-page-ratio'), 'to-1')
  rows.shown('  peer: zstd -3 by megabyte', figure('corpus-megabyte-ratio'), 'to-1')
}

const hundred = (): void => {
  rows.atLeast("100 agents' prompts and tools: duplicate bytes gone", figure('timed hundred-gone'), 95, '%')
  rows.shown('  plain', figure('timed hundred-plain'), 'MB')
  rows.shown('  stored, or less free in the machine if that is more', figure('timed hundred-taken'), 'MB')
  rows.shown('  with a conversation each, plain', figure('timed hundred-all-plain'), 'MB')
  rows.shown('    all suspended: less free in the machine', figure('timed hundred-suspended'), 'MB')
  rows.atMost('  contents left when all have gone', figure('timed hundred-left'), 0, '')
}

const evict = (): void => {
  rows.atMost("refaults of who works, beside the kernel's own LRU", figure('timed refaults-units') / figure('timed refaults-lru'), 0.1, 'x')
  rows.shown('  as units', figure('timed refaults-units'), 'pages')
  rows.shown('  peer: as ordinary memory with swap', figure('timed refaults-lru'), 'pages')
}

/** Of noise, which lies there as it is, and of text, which lies there compressed. */
const cold = (): void => {
  rows.atMost('64 KiB back from the backing device by touching, beside a raw O_DIRECT read into fresh memory', figure('timed cold-plain-touched-ratio'), 1.3, 'x')
  rows.atMost('  by READ, beside a raw read into memory that was there', figure('timed cold-plain-read-ratio'), 1.3, 'x')
  for (const kind of ['plain', 'text']) {
    for (const way of ['touched', 'read']) {
      if (kind === 'text') rows.shown(`  ${kind}, ${way}`, figure(`timed cold-${kind}-${way}-ratio`), 'x')
      rows.shown(`  ${kind}, ${way}: of the quickest tenth`, figure(`timed cold-${kind}-${way}-quiet`), 'x')
      rows.shown('    back', figure(`timed cold-${kind}-${way}`), 'us')
      rows.shown('    peer: raw read', figure(`timed cold-${kind}-${way}-raw`), 'us')
    }
  }
}

const all: Readonly<Record<string, () => void>> = { calls, map, talks, hundred, evict, cold }
for (const part of parts) all[part]?.()
rows.print()
