/**
 * `npm test [-- SUITE ...]`: sets up what is missing and runs everything. The
 * last line is `N passed, N failed, N skipped`; the exit code is 1 when a test
 * failed or none ran.
 */
import { buildAll } from '../build.mjs'
import { ensurePackages, testNeeds } from '../packages.mjs'
import { runSuites, suites } from '../suites.mjs'
import { takeBackLeftovers } from '../take-back.mjs'
import { runTool, setUp, SetUpProblem } from '../toolchain.mjs'

await runTool(() => {
  const names = process.argv.slice(2)
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length > 0) throw new SetUpProblem(`Unknown suite ${unknown.join(', ')}. Known: ${suites.map((suite) => suite.name).join(', ')}.`)
  ensurePackages(testNeeds)
  takeBackLeftovers()
  const context = setUp()
  buildAll(context)
  const results = runSuites(names.length === 0 ? suites.filter((suite) => suite.alone !== true) : suites.filter((suite) => names.includes(suite.name)), context)

  process.stdout.write('\n')
  for (const result of results) {
    process.stdout.write(`${result.suite.padEnd(10)} ${String(result.passed).padStart(5)} passed ${String(result.failed).padStart(4)} failed ${String(result.skipped).padStart(4)} skipped  ${result.seconds} s\n`)
    for (const skip of result.skips) process.stdout.write(`  skipped: ${skip.name}: ${skip.reason}\n`)
    for (const failure of result.atSecondLook ?? []) process.stdout.write(`  passed at a second look only: ${failure}\n`)
    for (const failure of result.failures) process.stdout.write(`  failed: ${failure}\n`)
  }
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) => results.reduce((total, result) => total + result[key], 0)
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped\n`)
  return sum('failed') > 0 || sum('passed') === 0 ? 1 : 0
})
