/** Thousands of calls at once, closing in their midst, and ending with everything open. */
import { createHash } from 'node:crypto'
import { assert, how, open, noise, sameBytes } from './kit.mjs'

const memory = await open()
const contents = Array.from({ length: 50 }, (_, i) => noise(1000 + i * 4001, i + 1))
const digests = contents.map((content) => createHash('sha256').update(content).digest('hex'))
const talk = await memory.alloc('conversation', '')

const rounds = 250

/** @param {number} i */
const one = async (i) => {
  const content = /** @type {Uint8Array} */ (contents[i % 50])
  const unit = await memory.alloc('tool-result', content)
  await talk.append(`${i}\n`)
  const [stat, read, mapped] = await Promise.all([unit.stat(), unit.read(i, 100), unit.map()])
  assert.equal(stat.digest, digests[i % 50])
  sameBytes(read, content.subarray(i, i + 100))
  sameBytes(mapped.data, content)
  mapped.unmap()
  const fork = await talk.fork()
  await fork.append('end')
  await Promise.all([unit.free(), fork.free()])
}
// Eight calls each, all begun before the first is answered
await Promise.all(Array.from({ length: rounds }, (_, i) => one(i)))
const lines = Buffer.from(await talk.read()).toString().split('\n').filter((line) => line !== '')
assert.deepEqual(lines.map(Number).toSorted((a, b) => a - b), Array.from({ length: rounds }, (_, i) => i))
assert.equal((await memory.stat()).units, 1)

// Closed while calls of all kinds run: each ends, well or with EBADF
for (let round = 0; round < 10; round += 1) {
  const short = await open()
  const unit = await short.alloc('conversation', 'x'.repeat(100_000))
  const begun = [unit.map(), unit.read(), unit.fork(), unit.append('y'), short.agents(), short.units(), unit.stat(), short.alloc('other', contents[round] ?? '')]
  await short.close()
  for (const result of await Promise.allSettled(begun)) assert.ok(result.status === 'fulfilled', String(result.status === 'rejected' && result.reason))
}

// The end of the process with everything open and on its way
const open1 = await open()
const unit = await open1.alloc('other', noise(2 << 20, 77))
globalThis.mapped = [await unit.map(), await unit.map({ copy: true }), unit, open1]
console.log('many: done')
for (let i = 0; i < 50; i += 1) void unit.map().then((mapped) => mapped.unmap(), () => {})
if (how === 'exit') process.exit(0)
