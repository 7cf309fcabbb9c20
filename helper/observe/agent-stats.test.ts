import { expect, test } from 'vitest'
import { moduleStatsSchema } from '../contract/kernel-module.ts'
import { parseAgentStats } from './agent-stats.ts'

const head = 'agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain\n'
const total = 'total agents 2 units 3 bytes 700 contents 2 content_bytes 400 hot_bytes 300 warm_bytes 40 compressor zstd-scomp\n'

test('agents and sums are read, names with what a word cannot hold', () => {
  const stats = parseAgentStats(`${head}1 42 1000 active 50 2 400 300 300 100 7 two\\040words -\n7 0 1001 suspended 0 1 300 300 0 300 90000 b\\134c customer\n${total}`)
  expect(moduleStatsSchema.parse(stats)).toEqual({
    agents: [
      { number: '1', pid: 42, uid: 1000, state: 'active', importance: 50, units: 2, bytes: 400, sharedBytes: 300, hotBytes: 300, warmBytes: 100, coldBytes: 0, idleMs: 7, name: 'two words', domain: '' },
      { number: '7', pid: null, uid: 1001, state: 'suspended', importance: 0, units: 1, bytes: 300, sharedBytes: 300, hotBytes: 0, warmBytes: 300, coldBytes: 0, idleMs: 90_000, name: String.raw`b\c`, domain: 'customer' },
    ],
    totals: { agents: 2, units: 3, bytes: 700, contents: 2, contentBytes: 400, hotBytes: 300, warmBytes: 40, coldBytes: 0, driver: 'zstd-scomp', backing: null },
  })
})

test('columns and sums of a later version are found by their names', () => {
  const stats = parseAgentStats('agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes cold_bytes idle_ms wonders name domain\n1 42 0 idle 50 2 400 300 200 100 100 7 12 x -\ntotal agents 1 units 2 bytes 400 contents 2 content_bytes 400 hot_bytes 200 warm_bytes 40 cold_bytes 30 wonders 12 compressor lz4\n')
  expect(stats?.agents[0]).toMatchObject({ coldBytes: 100, idleMs: 7, name: 'x', domain: '' })
  expect(stats?.totals).toMatchObject({ coldBytes: 30, driver: 'lz4' })
})

test.each([
  ['none backing_bytes 0 backing_used_bytes 0', null],
  ['in-use backing_bytes 4294967296 backing_used_bytes 4096', { state: 'in-use', mostBytes: 4_294_967_296, usedBytes: 4096 }],
  ['failing backing_bytes 8192 backing_used_bytes 8192', { state: 'failing', mostBytes: 8192, usedBytes: 8192 }],
  ['in-use', null],
])('the backing file is read: %s', (words, backing) => {
  expect(parseAgentStats(`${head}${total.trim()} backing ${words}\n`)?.totals.backing).toEqual(backing)
})

test.each([
  ['nothing', ''],
  ['no totals', head],
  ['another first line', `pid agent\n${total}`],
  ['a line cut short', `${head}1 42 1000 active 50\n${total}`],
  ['a state nobody knows', `${head}1 42 1000 asleep 50 2 400 300 300 100 7 a -\n${total}`],
  ['a figure that is none', `${head}1 42 1000 active 50 2 -4 300 300 100 7 a -\n${total}`],
])('%s is no such file', (_, text) => {
  expect(parseAgentStats(text)).toBeNull()
})
