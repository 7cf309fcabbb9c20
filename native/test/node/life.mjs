/** What is collected gives back what it held, and nothing before. Needs --expose-gc. */
import { randomFill } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { assert, backend, collectUntil, isZeroCopy, noise, open, refuses, sameBytes, sleep } from './kit.mjs'

const memory = await open()
const large = noise(3 << 20, 5)

/** Pages of ours in this process: of sealed memfds that a program may write to. */
const ownMaps = () => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => /rw-p .*memfd:/u.test(line)).length
/** Mappings of the library's, of which one is kept for each that is mapped. */
const libraryMaps = () => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => /r--[sp] .*memfd:/u.test(line)).length

// Units that alloc() and fork() gave are freed; find() and attach() hold nothing; keep() keeps
const lasting = await memory.alloc('other', large)
const kept = await (async () => {
  for (let i = 0; i < 100; i += 1) {
    const talk = await memory.alloc('conversation', `talk ${i}`)
    await talk.fork(3)
  }
  for (let i = 0; i < 10; i += 1) await memory.alloc('other', large)
  for (let i = 0; i < 10; i += 1) await memory.attach(lasting.id)
  const unit = await memory.alloc('tool-result', 'kept')
  return unit.keep().id
})()
await collectUntil(async () => (await memory.stat()).units === 2)
await sleep(50)
sameBytes(await lasting.read(), large)
assert.equal(Buffer.from(await (await memory.attach(kept)).read()).toString(), 'kept')

// A mapping outlives its object and its unit, for as long as one view is there
const view = await (async () => {
  const unit = await memory.alloc('other', noise(1 << 20, 6))
  const mapped = await unit.map()
  assert.equal(mapped.isCopy, !isZeroCopy)
  await unit.free()
  return mapped.data.subarray(1000, 2000)
})()
for (let i = 0; i < 20; i += 1) {
  globalThis.gc?.()
  await sleep(5)
}
sameBytes(view, noise(1 << 20, 6).subarray(1000, 2000))

// Writing changes this mapping alone
const first = await lasting.map()
const second = await lasting.map()
first.data.fill(7)
first.data[100] = 8
sameBytes(second.data, large)
sameBytes(await lasting.read(), large)
assert.deepEqual([first.data[99], first.data[100]], [7, 8])
if (isZeroCopy) assert.ok(ownMaps() >= 3, 'mapped, not copied')

// unmap() empties every view at once, twice is no harm, and copies do the same
for (const options of [{}, { copy: true }]) {
  const mapped = await lasting.map(options)
  assert.equal(mapped.isCopy, !isZeroCopy || 'copy' in options)
  sameBytes(mapped.data, large)
  const { data } = mapped
  const part = data.subarray(5, 10)
  const words = new DataView(data.buffer)
  mapped.unmap()
  mapped.unmap()
  mapped[Symbol.dispose]()
  assert.deepEqual([data.length, part.length, data.buffer.byteLength], [0, 0, 0])
  data[0] = 1
  assert.equal(data[0], undefined)
  assert.throws(() => words.getUint8(0), TypeError)
}

// Threads that are still at it when the bytes are taken away read and write something, and no more
const filled = promisify(/** @type {(buffer: Uint8Array, done: (error: Error | null) => void) => void} */ (randomFill))
const zero = await openFile('/dev/zero')
const nothing = await openFile('/dev/null', 'w')
for (const options of [{}, { copy: true }]) {
  const working = []
  for (let i = 0; i < 9; i += 1) {
    const mapped = await lasting.map(options)
    working.push(i % 3 === 0 ? filled(mapped.data) : i % 3 === 1 ? zero.read(mapped.data) : nothing.write(mapped.data))
    mapped.unmap()
    globalThis.gc?.()
  }
  await Promise.all(working)
}
await zero.close()
await nothing.close()
sameBytes(await lasting.read(), large)

// Handed on inside JavaScript: the bytes go with the new buffer
if ('transfer' in ArrayBuffer.prototype) {
  await (async () => {
    const mapped = await lasting.map()
    const moved = new Uint8Array(mapped.data.buffer.transfer())
    mapped.unmap()
    for (let i = 0; i < 10; i += 1) {
      globalThis.gc?.()
      await sleep(2)
    }
    sameBytes(moved, large)
  })()
}
const clone = structuredClone(second.data)
clone[0] = (large[0] ?? 0) ^ 1
sameBytes(second.data, large)
assert.equal((await (await memory.alloc('conversation', '')).map()).data.length, 0)

// All are given back: those unmapped, those forgotten, their library mappings too
first.unmap()
second.unmap()
await (async () => {
  for (let i = 0; i < 50; i += 1) {
    const mapped = await lasting.map()
    if (i % 2 === 0) mapped.unmap()
  }
})()
const expected = isZeroCopy ? 1 : 0
await collectUntil(() => ownMaps() === expected && libraryMaps() <= expected)
assert.equal(view.length, 1000)

// Mapped ones stay when the library is closed, and are unmapped without it
const other = await open()
const unit = await other.alloc('other', large)
const open1 = await unit.map()
const open2 = await unit.map()
open2.unmap()
const closing = other.close()
await refuses('EBADF', () => unit.map())
await closing
sameBytes(open1.data, large)
open1.unmap()
await collectUntil(() => ownMaps() === expected && libraryMaps() <= expected)

// One that is closed frees what it owns and what was not kept, and so does one that is forgotten
if (backend !== 'private') {
  /** @param {bigint} agent */
  const unitsOf = async (agent) => (await memory.agents()).find((line) => line.agent === agent)?.units ?? 0
  const closed = await open()
  const held = [await closed.alloc('other', large), await closed.alloc('other', large), await closed.alloc('tool-result', 'of another'), await closed.alloc('conversation', 'kept')]
  held[3]?.keep()
  const same = await open({ token: closed.token ?? new Uint8Array() })
  assert.equal(same.agent, closed.agent)
  await (await same.attach(held[2]?.id ?? 0n)).free()
  await closed.close()
  assert.equal(await unitsOf(closed.agent), 1)
  assert.equal(Buffer.from(await (await same.attach(held[3]?.id ?? 0n)).read()).toString(), 'kept')
  const agents = await Promise.all(Array.from({ length: 20 }, async () => {
    const short = await open()
    // With a call on its way it is closed after that.
    void short.alloc('other', large)
    const unit = await short.alloc('conversation', 'forgotten')
    assert.equal((await unit.stat()).bytes, 9)
    return short.agent
  }))
  await collectUntil(async () => (await Promise.all(agents.map(unitsOf))).every((units) => units === 0))
}
await memory.close()
console.log('life: done')
