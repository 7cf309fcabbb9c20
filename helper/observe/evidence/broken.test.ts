import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { evidenceSchema } from '../../contract/evidence.ts'
import { makeRoot } from '../../test/proc-tree.ts'
import { readEvidence } from './read.ts'

const MACHINE = new URL('../../test/machines/debian-13-linux-6.12-zswap', import.meta.url).pathname

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'agentmem-broken-'))
  cpSync(MACHINE, root, { recursive: true, filter: (path) => !path.includes('/looks') })
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** The same numbers for the same seed, so that what fails can be done again. */
const numbers = (seed: number) => {
  let state = seed * 2_654_435_761 % 4_294_967_296
  return (below: number): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return Math.floor((state / 4_294_967_296) * below)
  }
}

const STRANGE = ['', '\n', '-1', '99999999999999999999999', '0x', 'kB', ' ', '[', '\0', '�', 'max', ':', ',', '1e9', '../..', 'Node 0, zone   Normal\n', 'NaN']

const garble = (text: string, random: (below: number) => number): string => {
  const at = random(text.length + 1)
  const strange = STRANGE[random(STRANGE.length)] ?? ''
  switch (random(4)) {
    case 0: return text.slice(0, at)
    case 1: return text.slice(0, at) + strange + text.slice(at)
    case 2: return text.slice(0, at) + strange + text.slice(at + random(20))
    default: return strange
  }
}

test.each(Array.from({ length: 12 }, (_, i) => i + 10))('files that read other than expected cost their own figures alone, seed %i', async (seed) => {
  const random = numbers(seed + 1)
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const path = join(root, name)
    // Without memory figures it is no machine; captured.json is ours, and its schema refuses other text.
    if (!statSync(path).isFile() || name === 'captured.json' || name === 'proc/meminfo' || random(3) > 0) continue
    writeFileSync(path, garble(readFileSync(path, 'utf8'), random))
  }
  const evidence = evidenceSchema.safeParse(await readEvidence(root, { uid: null, privileged: true }))
  expect(evidence.error?.issues).toBeUndefined()
})

test('processes that vanish or show nonsense cost nobody else', async () => {
  const made = makeRoot()
  try {
    made.run({ pid: 100, argv: ['a'] }, { pid: 101, argv: ['b'] }, { pid: 102, argv: ['c'] }, { pid: 103, argv: ['d'] })
    made.put('/proc/100/stat', '100 (a')
    made.put('/proc/101/status', 'Uid: x\n')
    made.put('/proc/102/status', 'Uid:\t1000\t1000\nVmRSS:\t99999999999999999999 kB\n')
    rmSync(join(made.root, 'proc/103/cmdline'))
    const evidence = evidenceSchema.parse(await readEvidence(made.root, { uid: null, privileged: false }))
    expect(evidence.processes.map(({ ref, title, rssBytes }) => [ref.pid, title, rssBytes.value])).toEqual([[102, 'c', null], [103, 'd', null]])
  } finally {
    made.remove()
  }
})
