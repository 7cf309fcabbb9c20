/** For the parts of node.test.mjs, each a program of its own: `NODE PART.mjs PACKAGE BACKEND [HOW]`. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

export const [packageDir = '', backend = '', how = ''] = process.argv.slice(2)

/** Whether map() has to give the memory that all have: not in the private backend, nor in the module, which gives nobody pages to write over, nor where copies are `forced`, nor where the addon is one that is `refused` this. */
export const isZeroCopy = backend === 'broker' && how !== 'forced' && how !== 'refused'

/** @type {typeof import('../../user/node/index.ts')} */
export const bindings = await import(pathToFileURL(join(packageDir, 'index.js')).href)
export const { AgentMemory } = bindings

/** @param {import('../../user/node/index.ts').OpenOptions} [options] */
export const open = (options = {}) => AgentMemory.open({ backend: /** @type {'private' | 'broker' | 'module'} */ (backend), copiesMaps: how === 'forced', ...options })

/** Rejected with that code, as one of ours with all it has to have. @param {string} code @param {() => Promise<unknown>} call */
export const refuses = async (code, call) => {
  const error = await call().then(() => null, (reason) => reason)
  assert.ok(error instanceof Error, `expected ${code}, got no error: ${call.toString()}`)
  assert.equal(/** @type {{ code?: string }} */ (error).code, code, `${call.toString()}: ${error.stack}`)
  assert.match(error.message, /\w{3,}.* \w+/u)
  if (!code.startsWith('ERR_')) {
    assert.ok(error instanceof bindings.AgentMemoryError)
    assert.ok(error.errno < 0 && error.call !== '' && error.message.startsWith(`${code}: `), error.message)
  }
  // The caller's own line is in it.
  assert.match(error.stack ?? '', /\.mjs:\d+/u)
}

/** Collects and lets finalizers run until something is so. @param {() => boolean | Promise<boolean>} isSo */
export const collectUntil = async (isSo) => {
  for (let tries = 0; tries < 200; tries += 1) {
    globalThis.gc?.()
    if (await isSo()) return
    await sleep(20)
  }
  assert.fail(`still not so after collecting 200 times: ${isSo.toString()}`)
}

/** Bytes that do not repeat, the same for the same seed. @param {number} length @param {number} [seed] */
export const noise = (length, seed = 1) => {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = seed
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words[i] = state ^ (state >>> 13)
  }
  return new Uint8Array(words.buffer, 0, length)
}

/** Node's own, which compares typed arrays byte by byte with much ado. @param {Uint8Array} got @param {Uint8Array} expected */
export const sameBytes = (got, expected) => assert.ok(Buffer.compare(got, expected) === 0, `expected the same ${expected.length} bytes, got ${got.length} others`)

export { assert, sleep }
