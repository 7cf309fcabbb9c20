/**
 * `node tools/native.mjs` builds the C programs into build/native/.
 * `node tools/native.mjs test` builds them once more with sanitizers, tests
 * both builds and writes build/results/native.json.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const nativeDir = join(projectDir, 'native')

/** `plain`: what is tested with, not what is tested; sanitizers would add terabytes of shadow areas. */
/** `shared`: loaded into other programs, which have no sanitizers. */
/** `alone`: without shared libraries, which would be locked memory too. */
/** @typedef {{ name: string, sources: string[], plain?: boolean, shared?: boolean, alone?: boolean }} Program */
/** @typedef {{ name: string, reason: string }} Skip */

const guardSources = ['agents', 'base', 'bring', 'config', 'journal', 'kernel-file', 'lock', 'main', 'prefault', 'request', 'runs', 'server', 'terminal', 'terminal-file', 'text', 'watch', 'words']
  .map((name) => `privileged/guard/${name}.c`)

/** @type {Program[]} */
const programs = [
  { name: 'agentmem-guard', sources: guardSources, alone: true },
  { name: 'agentmem-reclaim', sources: ['privileged/reclaim/main.c', 'privileged/reclaim/target.c', 'privileged/reclaim/areas.c', 'privileged/reclaim/scan.c', 'privileged/reclaim/list.c', 'privileged/reclaim/advise.c'] },
  { name: 'agentmem-run', sources: ['user/run/main.c'] },
  { name: 'agentmem-hook', sources: ['user/hook/main.c'] },
  { name: 'agentmem-trim.so', sources: ['user/preload/trim.c'], shared: true },
]

/** @type {Program[]} */
const testPrograms = [
  { name: 'test-guard-parts', sources: ['test/guard-parts.c', ...['config', 'journal', 'kernel-file', 'prefault', 'terminal', 'text'].map((name) => `privileged/guard/${name}.c`)] },
  { name: 'guard-subject', sources: ['test/guard-subject.c'], plain: true },
  { name: 'guard-hostile', sources: ['test/guard-hostile.c'], plain: true },
  { name: 'test-parsers', sources: ['test/parsers.c', 'privileged/reclaim/areas.c', 'privileged/reclaim/target.c'] },
  { name: 'test-subject', sources: ['test/subject.c'], plain: true },
  { name: 'refuse-merge', sources: ['test/refuse-merge.c'], plain: true },
]

const warnings = ['-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion', '-Wstrict-prototypes', '-Wformat=2', '-Wvla']
const common = ['-std=c17', '-D_GNU_SOURCE', `-I${join(nativeDir, 'privileged', 'reclaim')}`, ...warnings]
const hardened = [
  ...common, '-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-fstack-clash-protection', '-fPIE',
  '-pie', '-Wl,-z,relro,-z,now,-z,noexecstack', '-s',
]
const shared = [...hardened.filter((flag) => flag !== '-fPIE' && flag !== '-pie'), '-fPIC', '-shared', '-fvisibility=hidden', '-pthread']
/** `-static-pie` in the place of `-pie`. @param {string[]} flags */
const alone = (flags) => [...flags.filter((flag) => flag !== '-pie'), '-static-pie', '-ffunction-sections', '-Wl,--gc-sections']
// Shadow areas of sanitizers cannot be locked.
const sanitized = [...common, '-DGUARD_UNLOCKED', '-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

/** @param {Program} program @param {'hardened' | 'sanitized'} kind */
const flagsOf = (program, kind) => (program.shared === true ? shared : kind === 'sanitized' ? sanitized : program.alone === true ? alone(hardened) : hardened)

/** A stop with a sentence for the user. */
class BuildProblem extends Error {}

const findCompiler = () => {
  for (const name of [process.env['CC'], 'cc', 'gcc', 'clang']) {
    if (name !== undefined && name !== '' && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name
  }
  throw new BuildProblem('A C compiler is needed for the native programs and none was found. On Debian and Ubuntu: sudo apt install gcc libc6-dev')
}

/** Why the sanitizers cannot be used here; null when they can. @returns {string | null} */
const sanitizerProblem = () => {
  const compiler = findCompiler()
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-native-'))
  try {
    const program = join(folder, 'empty')
    const built = spawnSync(compiler, [...sanitized, '-x', 'c', '-', '-o', program], { input: 'int main(void) { return 0; }', encoding: 'utf8' })
    if (built.status !== 0) return `needs the sanitizer libraries of ${compiler}: sudo apt install libgcc-12-dev, or libclang-rt-dev for clang`
    return spawnSync(program).status === 0 ? null : 'needs a machine where programs built with sanitizers run'
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Everything that can change the outcome: sources, headers, flags, compiler. @param {string} compiler @param {Program} program @param {string[]} flags */
const digestOf = (compiler, program, flags) => {
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags, program]))
  const headers = globSync('**/*.h', { cwd: nativeDir }).toSorted()
  for (const file of [...program.sources, ...headers]) hash.update(file).update(readFileSync(join(nativeDir, file)))
  return hash.digest('hex')
}

/** @param {string} compiler @param {Program} program @param {string} folder @param {string[]} flags */
const buildOne = (compiler, program, folder, flags) => {
  const target = join(folder, program.name)
  const stamp = join(folder, `.${program.name}.sha256`)
  const digest = digestOf(compiler, program, flags)
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  // Built aside and renamed: a program that is running keeps its old file, and nobody sees half of one.
  const fresh = `${target}.${process.pid}`
  const { status, stderr } = spawnSync(compiler, [...flags, '-o', fresh, ...program.sources.map((file) => join(nativeDir, file))], { encoding: 'utf8' })
  if (status !== 0) {
    const hint = /fatal error: [\w/]+\.h: No such file/u.test(stderr) ? '\nOn Debian and Ubuntu: sudo apt install libc6-dev linux-libc-dev' : ''
    throw new BuildProblem(`${program.name} does not compile:\n${stderr.trim()}${hint}`)
  }
  renameSync(fresh, target)
  writeFileSync(stamp, digest)
}

/**
 * Builds into build/native/, or with `kind` 'sanitized' into build/native-sanitized/.
 * @param {'hardened' | 'sanitized'} kind
 * @param {boolean} withTests
 * @returns {string} the folder
 */
export const buildNative = (kind, withTests) => {
  const folder = join(projectDir, 'build', kind === 'hardened' ? 'native' : 'native-sanitized')
  const compiler = findCompiler()
  mkdirSync(folder, { recursive: true })
  for (const program of programs) buildOne(compiler, program, folder, flagsOf(program, kind))
  if (withTests) {
    const tests = join(projectDir, 'build', `native-tests-${kind}`)
    mkdirSync(tests, { recursive: true })
    for (const program of testPrograms) buildOne(compiler, program, tests, kind === 'hardened' || program.plain === true ? hardened : sanitized)
  }
  return folder
}

const runTests = async () => {
  /** @type {string[]} */
  const copies = []
  try {
    return await runTestsIn(copies)
  } finally {
    for (const folder of copies) rmSync(folder, { recursive: true })
  }
}

/** @param {string[]} copies folders made on the way, to be removed */
const runTestsIn = async (copies) => {
  /** @type {Skip[]} */
  const skips = []
  /** @type {string[]} */
  const failures = []
  let passed = 0
  for (const kind of /** @type {const} */ (['hardened', 'sanitized'])) {
    const unsanitized = kind === 'sanitized' ? sanitizerProblem() : null
    if (unsanitized !== null) {
      skips.push({ name: 'sanitized: everything', reason: unsanitized })
      continue
    }
    const built = [buildNative(kind, true), join(projectDir, 'build', `native-tests-${kind}`)]
    // Copies where every user may start them: the checkout may lie in a home that is closed to others.
    const folder = mkdtempSync(join(tmpdir(), 'agentmem-native-'))
    copies.push(folder)
    chmodSync(folder, 0o755)
    for (const from of built) cpSync(from, folder, { recursive: true })
    const context = { binDir: folder, testDir: folder, kind }
    for (const file of readdirSync(join(nativeDir, 'test')).filter((name) => name.endsWith('.test.mjs')).toSorted()) {
      /** @type {{ tests: { name: string, run: (context: unknown) => unknown }[] }} */
      const { tests } = await import(pathToFileURL(join(nativeDir, 'test', file)).href)
      for (const test of tests) {
        const name = `${kind}: ${test.name}`
        try {
          const outcome = await test.run(context)
          // A test that cannot run here answers with the reason; anything else is a pass.
          if (typeof outcome === 'string') skips.push({ name, reason: outcome })
          else passed += 1
        } catch (error) {
          failures.push(name)
          console.error(`FAILED ${name}\n${error instanceof Error ? error.stack : String(error)}`)
        }
      }
    }
  }
  const results = join(projectDir, 'build', 'results')
  mkdirSync(results, { recursive: true })
  const result = { suite: 'native', passed, failed: failures.length, skipped: skips.length, skips, failures }
  writeFileSync(join(results, 'native.json'), `${JSON.stringify(result, null, 2)}\n`)
  for (const skip of skips) console.log(`skipped ${skip.name}: ${skip.reason}`)
  console.log(`native: ${passed} passed, ${failures.length} failed, ${skips.length} skipped`)
  return failures.length === 0 && passed > 0 ? 0 : 1
}

const main = async () => {
  const [what, ...rest] = process.argv.slice(2)
  if (rest.length > 0 || (what !== undefined && what !== 'test')) throw new BuildProblem('usage: node tools/native.mjs [test]')
  if (what === 'test') return runTests()
  buildNative('hardened', false)
  return 0
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof BuildProblem)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
