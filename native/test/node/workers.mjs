/** Worker threads: each its own, ended in every way. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, MessageChannel, parentPort, threadId, Worker, workerData } from 'node:worker_threads'
import { assert, backend, collectUntil, noise, open, packageDir, sameBytes, sleep } from './kit.mjs'

const large = noise(1 << 20, 11)

const work = async () => {
  const memory = await open({ name: `worker ${threadId}` })
  const unit = await memory.alloc('other', large)
  const mapped = await unit.map()
  sameBytes(mapped.data, large)
  const talk = await memory.alloc('conversation', '')
  for (let i = 0; i < 50; i += 1) await talk.append(`${threadId}`)
  assert.equal(Buffer.from(await talk.read()).toString(), String(threadId).repeat(50))
  if (workerData === 'close') {
    mapped.unmap()
    await memory.close()
  }
  // What belongs to this thread cannot be given away: Node refuses, or copies it (20).
  if (!mapped.isCopy && workerData !== 'close') {
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage(0, [mapped.data.buffer])
    } catch (error) {
      assert.equal(/** @type {Error} */ (error).name, 'DataCloneError')
    }
    port1.close()
    port2.close()
    sameBytes(mapped.data, large)
  }
  parentPort?.postMessage(workerData === 'close' ? new Uint8Array() : mapped.data, [])
  if (workerData === 'terminate') {
    const calls = async () => {
      for (;;) await Promise.all(Array.from({ length: 20 }, async () => (await unit.map()).unmap()))
    }
    void calls()
    await sleep(60_000)
  }
  if (workerData === 'exit') {
    await sleep(50)
    for (let i = 0; i < 20; i += 1) void unit.map()
    process.exit(0)
  }
}

/** @param {string} end */
const start = async (end) => {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: end, argv: [packageDir, backend] })
  const problem = new Promise((_resolve, reject) => worker.on('error', reject))
  const exit = new Promise((resolve) => worker.once('exit', resolve))
  const bytes = await Promise.race([new Promise((resolve) => worker.once('message', resolve)), problem])
  if (end === 'terminate') {
    await sleep(20)
    await worker.terminate()
  } else await Promise.race([exit, problem])
  if (end !== 'close') sameBytes(/** @type {Uint8Array} */ (bytes), large)
}

if (isMainThread) {
  const memory = await open({ name: 'main' })
  const unit = await memory.alloc('other', large)
  await Promise.all(['forget', 'close', 'terminate', 'exit', 'terminate'].map(start))
  // What they held is given back though this process goes on.
  sameBytes(await unit.read(), large)
  const maps = () => readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('memfd:')).length
  await collectUntil(() => maps() === 0)
  if (backend !== 'private') await collectUntil(async () => (await memory.agents()).every((line) => !line.name.startsWith('worker') || line.units === 0))
  assert.equal((await memory.stat()).units, 1)
  console.log('workers: done')
} else {
  await work()
}
