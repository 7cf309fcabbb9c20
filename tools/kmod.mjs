/**
 * `npm run test:kmod [KERNEL...] [-- --fresh]`: builds the module against each
 * kernel of the matrix (6.1, 6.12, 7.2) with W=1, boots each in a virtual
 * machine, loads the module and runs its selftest. `--fresh` asks the mirror
 * for newer point releases; `--build` stops after building.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildModule } from './kmod/build.mjs'
import { buildSelftest, runGuest } from './kmod/guest.mjs'
import { ensureKernels, matrix } from './kmod/kernels.mjs'
import { ensureRoot, lacking } from './kmod/root.mjs'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const work = join(projectDir, 'build', 'kmod')

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

/** @param {import('./kmod/kernels.mjs').Kernel} kernel @param {string} selftest @param {boolean} onlyBuild */
const testKernel = (kernel, selftest, onlyBuild) => {
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
  const started = Date.now()
  const { passed, failures, console: text } = runGuest(kernel, { module: built.module, selftest, folder: join(work, kernel.series) })
  for (const line of text.split('\n').filter((one) => one.startsWith('# '))) console.log(`  ${line.trim()}`)
  result.passed += passed.length
  for (const failure of failures) fail(`${kernel.series}: ${failure}`)
  console.log(`${kernel.series}: ${passed.length} passed, ${failures.length} failed in ${Math.round((Date.now() - started) / 1000)} s; console in build/kmod/${kernel.series}/console.log`)
}

const main = () => {
  const args = process.argv.slice(2)
  const series = args.filter((arg) => !arg.startsWith('--'))
  const unknown = [...series.filter((name) => !matrix.some((kernel) => kernel.series === name)), ...args.filter((arg) => arg.startsWith('--') && arg !== '--fresh' && arg !== '--build')]
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. Usage: npm run test:kmod -- [${matrix.map((kernel) => kernel.series).join('|')}]... [--fresh] [--build]`)
    return 2
  }
  const missing = lacking() ?? ensureRoot()
  const names = series.length > 0 ? series : matrix.map((kernel) => kernel.series)
  if (missing !== null) for (const name of names) skip(name, missing)
  else {
    mkdirSync(work, { recursive: true })
    const selftest = join(work, 'selftest')
    const problem = buildSelftest(selftest)
    if (problem !== null) fail(`the selftest does not compile: ${problem}`)
    const { kernels, problems } = ensureKernels(series, args.includes('--fresh'))
    for (const { series: name, reason } of problems) skip(name, reason)
    if (problem === null) for (const kernel of kernels) testKernel(kernel, selftest, args.includes('--build'))
  }
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', 'kmod.json'), `${JSON.stringify(result, null, 2)}\n`)
  console.log(`kmod: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`)
  return result.failed === 0 ? 0 : 1
}

process.exitCode = main()
