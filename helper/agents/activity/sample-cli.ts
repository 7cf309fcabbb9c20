import { closeSync, openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../signatures.ts'
import { createSampler } from './sampler.ts'

/**
 * Records raw evidence, for traces: a line of JSON an agent and moment, of all
 * agents of one user, until SIGTERM. Nothing in it is judged; the schema is
 * sampleSchema. At the end one line on standard error says what it cost.
 */
const { values } = parseArgs({
  options: {
    root: { type: 'string', default: '/' },
    uid: { type: 'string' },
    'interval-ms': { type: 'string', default: '1000' },
    out: { type: 'string' },
    signatures: { type: 'string', default: BUILT_IN_SIGNATURES_PATH },
    own: { type: 'string' },
  },
})

const stop = (message: string): never => {
  console.error(message)
  process.exit(2)
}
const whole = (name: string, text: string, least: number): number => {
  const value = Number(text)
  return Number.isInteger(value) && value >= least ? value : stop(`--${name}: expected a whole number from ${least} up, got "${text}"`)
}

const signatures = loadSignatures(values.signatures, values.own)
if (!signatures.ok) stop(signatures.error.message)
else {
  const uid = values.uid === undefined ? null : whole('uid', values.uid, 0)
  const intervalMs = whole('interval-ms', values['interval-ms'], 100)
  const sampler = createSampler({ root: values.root, signatures: signatures.value, uid })
  const out = values.out === undefined ? 1 : openSync(values.out, 'a', 0o600)
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.abort())
  let looks = 0
  let samples = 0
  const startedMs = performance.now()
  // The grid is kept, so that a slow look is followed by a sooner one, and looks that were missed are left out.
  while (!ending.signal.aborted) {
    const taken = await sampler.sample()
    if (taken.length > 0) writeSync(out, `${taken.map((sample) => JSON.stringify(sample)).join('\n')}\n`)
    looks += 1
    samples += taken.length
    const restMs = intervalMs - ((performance.now() - startedMs) % intervalMs)
    await sleep(restMs, undefined, { signal: ending.signal }).catch(() => undefined)
  }
  if (out !== 1) closeSync(out)
  const { user, system } = process.cpuUsage()
  console.error(JSON.stringify({ looks, samples, tookMs: Math.round(performance.now() - startedMs), cpuMs: Math.round((user + system) / 1000) }))
}
