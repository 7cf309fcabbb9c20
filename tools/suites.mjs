/** The suites of `npm test`, in the order of what fails fastest. Each ends as build/results/NAME.json. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterSecondLook, deservesSecondLook, sumOf } from './second-look.ts'
import { projectDir } from './toolchain.mjs'

/**
 * @typedef {{ suite: string, passed: number, failed: number, skipped: number, skips: { name: string, reason: string }[], failures: string[], files?: import('./second-look.ts').FileResult[], atSecondLook?: string[] }} SuiteResult
 * `atSecondLook`: what failed once and passed when its file was run again.
 * `alone`: by name only, too long for every day.
 * @typedef {{ name: string, what: string, alone?: boolean, run: (context: { node: string, env: NodeJS.ProcessEnv }) => void }} Suite
 */

export const resultsDir = join(projectDir, 'build', 'results')

/** @param {string} name @param {Partial<SuiteResult>} result */
const writeResult = (name, result) => {
  mkdirSync(resultsDir, { recursive: true })
  writeFileSync(join(resultsDir, `${name}.json`), JSON.stringify({ suite: name, passed: 0, failed: 0, skipped: 0, skips: [], failures: [], ...result }))
}

/** @param {string} pack @param {string} bin */
const tool = (pack, bin) => {
  const folder = join(projectDir, 'node_modules', pack)
  const declared = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).bin
  return join(folder, typeof declared === 'string' ? declared : declared[bin])
}

/**
 * A command that passes or fails as a whole, counted as one test.
 * @param {string} name @param {() => string[]} args
 * @returns {Suite['run']}
 */
const oneCheck = (name, args) => ({ node, env }) => {
  const { status } = spawnSync(node, args(), { cwd: projectDir, stdio: 'inherit', env })
  writeResult(name, status === 0 ? { passed: 1 } : { failed: 1, failures: [`${name} (exit code ${status})`] })
}

/**
 * @param {string} name @param {string} config @param {string[]} filters
 * @returns {Suite['run']}
 */
const vitest = (name, config, filters) => ({ node, env }) => {
  const args = [tool('vitest', 'vitest'), 'run', '--config', config, '--reporter=default', '--reporter=./tools/results-reporter.mjs', ...filters]
  const { status } = spawnSync(node, args, { cwd: projectDir, stdio: 'inherit', env: { ...env, AGENTMEM_SUITE: name } })
  const file = join(resultsDir, `${name}.json`)
  if (!existsSync(file)) writeResult(name, { failed: 1, failures: [`${name}: the test runner ended with ${status} and no result`] })
}

/** @param {string} name */
const readOf = (name) => /** @type {SuiteResult} */ (JSON.parse(readFileSync(join(resultsDir, `${name}.json`), 'utf8')))

/**
 * For suites of real processes, agents, browsers and services, where a busy machine can make one test fail: files that failed
 * are run once more, whole. What passes then is counted as passed and told of by name, so that it is not forgotten.
 * @param {string} name @param {string} config @param {string[]} filters
 * @returns {Suite['run']}
 */
const vitestWithSecondLook = (name, config, filters) => (context) => {
  vitest(name, config, filters)(context)
  const first = readOf(name).files ?? []
  const failed = first.filter((file) => file.failures.length > 0).map((file) => file.path)
  if (!deservesSecondLook(failed)) return
  process.stdout.write(`\n=== ${name}: a second look at ${failed.join(', ')}\n`)
  const again = `${name}-again`
  rmSync(join(resultsDir, `${again}.json`), { force: true })
  vitest(again, config, failed)(context)
  const { files, atSecondLook } = afterSecondLook(first, readOf(again).files ?? [])
  writeResult(name, { ...sumOf(files), files, atSecondLook })
}

/**
 * The same for a suite that is no set of files: it is run once more, whole.
 * @param {string} name @param {Suite['run']} run
 * @returns {Suite['run']}
 */
const wholeWithSecondLook = (name, run) => (context) => {
  run(context)
  const first = readOf(name)
  if (!deservesSecondLook(first.failures)) return
  process.stdout.write(`\n=== ${name}: a second look\n`)
  rmSync(join(resultsDir, `${name}.json`), { force: true })
  run(context)
  const { files, atSecondLook } = afterSecondLook([{ path: name, ...first }], [{ path: name, ...readOf(name) }])
  writeResult(name, { ...sumOf(files), atSecondLook })
}

/** @type {Suite[]} */
export const suites = [
  { name: 'types', what: 'types and import rules', run: oneCheck('types', () => [tool('typescript', 'tsc'), '-b']) },
  { name: 'lint', what: 'type-aware lint', run: oneCheck('lint', () => [tool('oxlint', 'oxlint'), '--type-aware']) },
  {
    name: 'native',
    what: 'C programs, with sanitizers',
    run: wholeWithSecondLook('native', ({ node, env }) => {
      const { status } = spawnSync(node, ['tools/native.mjs', 'test'], { cwd: projectDir, stdio: 'inherit', env })
      if (!existsSync(join(resultsDir, 'native.json'))) writeResult('native', { failed: 1, failures: [`native: ended with ${status} and no result`] })
    }),
  },
  {
    name: 'fuzz',
    what: 'bytes at random, half a minute a target',
    run: ({ node, env }) => {
      const { status } = spawnSync(node, ['tools/fuzz.mjs', '--seconds', '30', '--at-a-time', '2'], { cwd: projectDir, stdio: ['ignore', 'ignore', 'inherit'], env })
      if (!existsSync(join(resultsDir, 'fuzz.json'))) writeResult('fuzz', { failed: 1, failures: [`fuzz: ended with ${status} and no result`] })
    },
  },
  { name: 'unit', what: 'unit tests', run: vitestWithSecondLook('unit', 'tools/vitest.config.ts', []) },
  { name: 'window', what: 'the window in Chromium', run: vitestWithSecondLook('window', 'e2e/vitest.config.ts', ['e2e/mocked']) },
  { name: 'installed', what: 'real helper, bus, polkit and agents', run: vitestWithSecondLook('installed', 'e2e/vitest.config.ts', ['e2e/installed']) },
  {
    name: 'guest',
    what: 'systemd, cgroup v2 and zram in a virtual machine',
    run: wholeWithSecondLook('guest', ({ node, env }) => {
      const built = spawnSync(node, ['tools/helper-bundle.mjs'], { cwd: projectDir, stdio: 'inherit', env })
      const { status } = built.status === 0 ? spawnSync(node, ['e2e/guest/run.ts'], { cwd: projectDir, stdio: 'inherit', env }) : built
      if (!existsSync(join(resultsDir, 'guest.json'))) writeResult('guest', { failed: 1, failures: [`guest: ended with ${status} and no result`] })
    }),
  },
  {
    name: 'kmod',
    what: 'the kernel module on three kernels',
    run: ({ node, env }) => {
      const { status } = spawnSync(node, ['tools/kmod.mjs', '6.1', '6.12', '7.2', '--quick'], { cwd: projectDir, stdio: 'inherit', env })
      if (!existsSync(join(resultsDir, 'kmod.json'))) writeResult('kmod', { failed: 1, failures: [`kmod: ended with ${status} and no result`] })
    },
  },
  {
    name: 'conditions',
    what: 'ten conditions of memory, found and helped',
    alone: true,
    run: ({ node, env }) => {
      const { status } = spawnSync(node, ['e2e/conditions/run.ts'], { cwd: projectDir, stdio: 'inherit', env })
      if (!existsSync(join(resultsDir, 'conditions.json'))) writeResult('conditions', { failed: 1, failures: [`conditions: ended with ${status} and no result`] })
    },
  },
]

/**
 * Runs suites and returns their results in order.
 * @param {Suite[]} chosen @param {{ node: string, env: NodeJS.ProcessEnv }} context
 */
export const runSuites = (chosen, context) =>
  chosen.map((suite) => {
    process.stdout.write(`\n=== ${suite.name}: ${suite.what}\n`)
    // A result of an earlier run must not pass for one of this run.
    rmSync(join(resultsDir, `${suite.name}.json`), { force: true })
    const started = Date.now()
    suite.run(context)
    return { ...readOf(suite.name), seconds: Math.round((Date.now() - started) / 1000) }
  })
