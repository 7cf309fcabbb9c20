/**
 * `npm run test:kmod -- [KERNEL...]`: builds the module against each kernel of
 * the matrix (6.1, 6.12, 7.2) and the debug kernel (kcsan by name only), W=1,
 * boots each in a virtual machine, loads the module and runs its tests.
 * `--fresh` asks the mirror for newer point releases; `--build` stops after
 * building; `--cached` leaves out a debug kernel that would have to be built;
 * `--quick` lets every fifth allocation fail, not each.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildModule } from './kmod/build.mjs'
import { debugSeries, ensureDebugKernels, isBuilt } from './kmod/debug.mjs'
import { runGuest } from './kmod/guest.mjs'
import { ensureKernels, matrix } from './kmod/kernels.mjs'
import { nodeForGuest } from './kmod/node.mjs'
import { buildPrograms, planOf } from './kmod/plans.mjs'
import { buildForGuest, testWanted } from './kmod/programs.mjs'
import { ensureRoot, lacking } from './kmod/root.mjs'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const work = join(projectDir, 'build', 'kmod')
const known = [...matrix.map((kernel) => kernel.series), ...debugSeries]
/** With Node unpacked in memory. */
const NODE_MIB = 1536
const OPTIONS = ['--fresh', '--build', '--cached', '--quick']

/** @type {{ suite: string, passed: number, failed: number, skipped: number, skips: { name: string, reason: string }[], failures: string[] }} */
const result = { suite: 'kmod', passed: 0, failed: 0, skipped: 0, skips: [], failures: [] }

/** @param {string} name @param {string} reason */
const skip = (name, reason) => {
  console.log(`skipped ${name}: ${reason}`)
  result.skips.push({ name, reason })
  result.skipped += 1
}
/** @param {string} name */
const fail = (name) => {
  console.log(`FAILED ${name}`)
  result.failures.push(name)
  result.failed += 1
}

/** @param {import('./kmod/kernels.mjs').Kernel} kernel @param {import('./kmod/plans.mjs').Programs} programs @param {{ native: Record<string, string>, node: Record<string, string> }} library of its tests; Node's under the stock kernels alone, the debug ones are too slow @param {{ onlyBuild: boolean, quick: boolean }} options */
const testKernel = (kernel, programs, library, { onlyBuild, quick }) => {
  const built = buildModule(kernel)
  if (!built.ok) return fail(`${kernel.series}: builds without a warning\n${built.text}`)
  result.passed += 1
  console.log(`${kernel.series}: built against ${kernel.release} with ${kernel.compiler}${built.cached ? ' (cached)' : ''}`)
  if (kernel.sparse === true) {
    const checked = buildModule(kernel, { sparse: true })
    if (checked.ok) result.passed += 1
    else fail(`${kernel.series}: sparse finds nothing\n${checked.text}`)
  }
  if (onlyBuild) return
  const { plan, problem } = planOf(kernel, programs, quick)
  if (problem !== null) fail(`${kernel.series}: ${problem}`)
  const started = Date.now()
  const { passed, failures, console: text } = runGuest(kernel, { module: built.module, selftest: programs.selftest, programs: { ...library.native, ...(kernel.debug === true ? {} : library.node) }, ...(kernel.debug === true ? {} : { memoryMiB: NODE_MIB }), folder: join(work, kernel.series), ...plan })
  for (const line of text.split('\n').filter((one) => one.startsWith('# '))) console.log(`  ${line.trim()}`)
  result.passed += passed.length
  for (const failure of failures) fail(`${kernel.series}: ${failure}`)
  console.log(`${kernel.series}: ${passed.length} passed, ${failures.length} failed in ${Math.round((Date.now() - started) / 1000)} s; console in build/kmod/${kernel.series}/console.log`)
}

/** Those of `names` that are here, or can be; the others are skipped with the reason. @param {readonly string[]} names @param {{ fresh: boolean, cached: boolean }} options */
const kernelsFor = (names, { fresh, cached }) => {
  const stock = names.filter((name) => matrix.some((kernel) => kernel.series === name))
  const debug = debugSeries.filter((name) => names.includes(name))
  const there = debug.filter((name) => !cached || isBuilt(name))
  for (const name of debug) if (!there.includes(name)) skip(name, `this kernel takes ten minutes and more to build, once: npm run test:kmod -- ${name}`)
  const found = [stock.length > 0 ? ensureKernels(stock, fresh) : { kernels: [], problems: [] }, ensureDebugKernels(there)]
  for (const { series, reason } of found.flatMap(({ problems }) => problems)) skip(series, reason)
  return found.flatMap(({ kernels }) => kernels)
}

const main = () => {
  const args = process.argv.slice(2)
  const series = args.filter((arg) => !arg.startsWith('--'))
  const unknown = [...series.filter((name) => !known.includes(name)), ...args.filter((arg) => arg.startsWith('--') && !OPTIONS.includes(arg))]
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. Usage: npm run test:kmod -- [${known.join('|')}]... [${OPTIONS.join('] [')}]`)
    return 2
  }
  const missing = lacking() ?? ensureRoot()
  const names = series.length > 0 ? series : known.filter((name) => name !== 'kcsan')
  if (missing !== null) for (const name of names) skip(name, missing)
  else {
    const { programs, problems } = buildPrograms(work)
    const native = buildForGuest(testWanted())
    const node = nodeForGuest()
    for (const part of [native, node]) if (!part.ok) problems.push(part.text)
    const library = { native: native.ok ? native.files : {}, node: node.ok ? node.files : {} }
    for (const problem of problems) fail(`the tests do not compile: ${problem}`)
    const kernels = kernelsFor(names, { fresh: args.includes('--fresh'), cached: args.includes('--cached') })
    if (problems.length === 0) for (const kernel of kernels) testKernel(kernel, programs, library, { onlyBuild: args.includes('--build'), quick: args.includes('--quick') })
  }
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', 'kmod.json'), `${JSON.stringify(result, null, 2)}\n`)
  console.log(`kmod: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`)
  return result.failed === 0 ? 0 : 1
}

process.exitCode = main()
