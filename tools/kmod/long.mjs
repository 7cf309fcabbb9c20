/**
 * The long runs of the module: `node tools/kmod/long.mjs race|fuzz --seconds N
 * --seed N --kernel NAME...`. On each kernel for that long; nothing may be
 * left, and nothing on the console that a kernel says when it is hurt.
 */
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildModule } from './build.mjs'
import { debugSeries, ensureDebugKernels } from './debug.mjs'
import { runGuest } from './guest.mjs'
import { ensureKernels, matrix } from './kernels.mjs'
import { buildPrograms } from './plans.mjs'
import { ensureRoot, lacking } from './root.mjs'

const work = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'build', 'kmod')
const stock = matrix.map((kernel) => kernel.series)
const known = [...stock, ...debugSeries]
/** Starting, looking for leaks and ending, on the slowest. */
const AROUND_MS = 30 * 60_000

const usage = `Usage: race|fuzz [--seconds N] [--seed N] [--kernel ${known.join('|')}]...`

const read = () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '3600' }, seed: { type: 'string', default: '1' }, kernel: { type: 'string', multiple: true, default: [] } } })
  const [what = ''] = positionals
  const seconds = Number(values.seconds), seed = Number(values.seed)
  if (!['race', 'fuzz'].includes(what)) throw new TypeError(`Expected race or fuzz, got ${what || 'nothing'}. ${usage}`)
  if (!Number.isInteger(seconds) || seconds < 1) throw new TypeError(`--seconds: expected a whole number from 1 on, got ${values.seconds}. ${usage}`)
  if (!Number.isInteger(seed) || seed < 0) throw new TypeError(`--seed: expected a whole number, got ${values.seed}. ${usage}`)
  const unknown = values.kernel.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new TypeError(`--kernel: there is no ${unknown.join(', ')}. ${usage}`)
  // Without a choice: the one that looks closest, and all that people have.
  return { what, seconds, seed, names: values.kernel.length > 0 ? values.kernel : ['debug', ...stock] }
}

/** @param {import('./kernels.mjs').Kernel} kernel @param {import('./plans.mjs').Programs} programs @param {{ what: string, seconds: number, seed: number }} run */
const runOn = (kernel, { selftest, torture }, { what, seconds, seed }) => {
  const built = buildModule(kernel)
  if (!built.ok) return [`the module does not build: ${built.text}`]
  const folder = join(work, `${what}-${kernel.series}`)
  console.log(`${kernel.series}: ${what} for ${seconds} s, seed ${seed}; see build/kmod/${what}-${kernel.series}/console.log meanwhile`)
  // A guest's clock may be behind, where the machine has other things to do.
  const { failures, passed, console: text } = runGuest(kernel, { module: built.module, selftest, folder, files: { torture }, steps: `/torture ${what} ${seconds} ${seed}`, limitMs: seconds * 2000 + AROUND_MS })
  for (const line of text.split('\n').filter((one) => one.startsWith('# '))) console.log(`  ${line.trim()}`)
  console.log(`${kernel.series}: ${passed.length} passed, ${failures.length} failed`)
  return failures
}

/** @param {readonly string[]} names */
const stockOf = (names) => {
  const wanted = names.filter((name) => stock.includes(name))
  return wanted.length > 0 ? ensureKernels(wanted, false) : { kernels: [], problems: [] }
}

const main = () => {
  const asked = read()
  const missing = lacking() ?? ensureRoot()
  if (missing !== null) throw new TypeError(`The module cannot be run here: ${missing}.`)
  const { programs, problems } = buildPrograms(work)
  const found = [stockOf(asked.names), ensureDebugKernels(debugSeries.filter((name) => asked.names.includes(name)))]
  const failures = [...problems, ...found.flatMap((one) => one.problems.map(({ series, reason }) => `${series}: ${reason}`))]
  if (problems.length === 0) for (const kernel of found.flatMap(({ kernels }) => kernels).toReversed()) failures.push(...runOn(kernel, programs, asked).map((failure) => `${kernel.series}: ${failure}`))
  for (const failure of failures) console.log(`FAILED ${failure}`)
  console.log(failures.length === 0 ? `${asked.what}: nothing wrong on ${asked.names.join(', ')}, nothing left behind` : `${asked.what}: ${failures.length} failed`)
  return failures.length === 0 ? 0 : 1
}

try {
  process.exitCode = main()
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
