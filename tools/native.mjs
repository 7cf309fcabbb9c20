/**
 * `node tools/native.mjs` builds the C programs into build/native/.
 * `node tools/native.mjs bench` adds what the benches start.
 * `node tools/native.mjs test` builds them once more with sanitizers, tests
 * both builds and writes build/results/native.json.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { benchPrograms, programs, testPrograms } from './native-programs.mjs'

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)))
const nativeDir = join(projectDir, 'native')

/** @typedef {import('./native-programs.mjs').Program} Program */
/** @typedef {{ name: string, reason: string }} Skip */
/** @typedef {'hardened' | 'sanitized' | 'threaded'} Kind */

const warnings = ['-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion', '-Wstrict-prototypes', '-Wformat=2', '-Wvla']
const includes = [join(nativeDir, 'user'), join(nativeDir, 'include'), join(projectDir, 'kmod'), join(nativeDir, 'privileged', 'reclaim')].map((folder) => `-I${folder}`)
const common = ['-std=c17', '-D_GNU_SOURCE', ...includes, ...warnings]
const hardened = [
  ...common, '-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-fstack-clash-protection', '-fPIE',
  '-pie', '-Wl,-z,relro,-z,now,-z,noexecstack', '-s',
]
const shared = [...hardened.filter((flag) => flag !== '-fPIE' && flag !== '-pie'), '-fPIC', '-shared', '-fvisibility=hidden', '-pthread']
/** `-static-pie` in the place of `-pie`. @param {string[]} flags */
const alone = (flags) => [...flags.filter((flag) => flag !== '-pie'), '-static-pie', '-ffunction-sections', '-Wl,--gc-sections']
// Shadow areas of sanitizers cannot be locked.
const sanitized = [...common, '-DGUARD_UNLOCKED', '-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

const threaded = [...common, '-DGUARD_UNLOCKED', '-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=thread', '-pthread']

/** @param {Program} program @param {Kind} kind */
const baseFlagsOf = (program, kind) => {
  if (program.shared === true && (kind === 'hardened' || program.instrumented !== true)) return shared
  if (program.shared === true) return [...(kind === 'sanitized' ? sanitized : threaded), '-fPIC', '-shared', '-fvisibility=hidden', '-pthread']
  if (kind === 'hardened' || program.plain === true) return program.alone === true ? alone(hardened) : hardened
  return kind === 'sanitized' ? sanitized : threaded
}
/** @param {Program} program @param {Kind} kind */
const flagsOf = (program, kind) => [...baseFlagsOf(program, kind), ...(program.flags ?? []), ...(program.map === undefined ? [] : [`-Wl,--version-script=${join(nativeDir, program.map)}`])]

/** A stop with a sentence for the user. */
class BuildProblem extends Error {}

const findCompiler = () => {
  for (const name of [process.env['CC'], 'cc', 'gcc', 'clang']) {
    if (name !== undefined && name !== '' && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name
  }
  throw new BuildProblem('A C compiler is needed for the native programs and none was found. On Debian and Ubuntu: sudo apt install gcc libc6-dev')
}

/** Why sanitizers cannot be used here; null when they can. @param {Kind} kind @returns {string | null} */
const sanitizerProblem = (kind) => {
  const compiler = findCompiler()
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-native-'))
  try {
    const program = join(folder, 'empty')
    const built = spawnSync(compiler, [...(kind === 'threaded' ? threaded : sanitized), '-x', 'c', '-', '-o', program], { input: 'int main(void) { return 0; }', encoding: 'utf8' })
    if (built.status !== 0) return `needs the sanitizer libraries of ${compiler}: sudo apt install libgcc-12-dev, or libclang-rt-dev for clang`
    return spawnSync(program).status === 0 ? null : 'needs a machine where programs built with sanitizers run'
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Everything that can change the outcome: sources, headers and the core's sources (tests include them), flags, compiler. @param {string} compiler @param {Program} program @param {string[]} flags */
const digestOf = (compiler, program, flags) => {
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags, program]))
  const headers = [...globSync('**/*.h', { cwd: nativeDir }), ...globSync('../kmod/{core,uapi}/*.{c,h}', { cwd: nativeDir })].toSorted()
  for (const file of [...program.sources, ...headers, ...(program.map === undefined ? [] : [program.map])]) hash.update(file).update(readFileSync(join(nativeDir, file)))
  return hash.digest('hex')
}

/** @param {string} compiler @param {Program} program @param {string} folder @param {string[]} flags */
const buildOne = (compiler, program, folder, flags) => {
  const target = join(folder, program.name)
  const stamp = join(folder, `.${program.name}.sha256`)
  const digest = digestOf(compiler, program, flags)
  if (program.alias !== undefined && !existsSync(join(folder, program.alias))) symlinkSync(program.name, join(folder, program.alias))
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  // Built aside and renamed: a program that is running keeps its old file, and nobody sees half of one.
  const fresh = `${target}.${process.pid}`
  const { status, stderr } = spawnSync(compiler, [...flags, '-o', fresh, ...program.sources.map((file) => join(nativeDir, file)), ...(program.libs ?? [])], { encoding: 'utf8' })
  if (status !== 0) {
    const hint = /fatal error: [\w/]+\.h: No such file|cannot find -l/u.test(stderr) ? '\nOn Debian and Ubuntu: sudo apt install libc6-dev linux-libc-dev libssl-dev libzstd-dev liburing-dev libxxhash-dev' : ''
    throw new BuildProblem(`${program.name} does not compile:\n${stderr.trim()}${hint}`)
  }
  renameSync(fresh, target)
  writeFileSync(stamp, digest)
}

const folders = { hardened: 'native', sanitized: 'native-sanitized', threaded: 'native-threaded' }

/**
 * Builds into build/native/, or into build/native-sanitized/ or build/native-threaded/ (ThreadSanitizer; what has threads only).
 * @param {Kind} kind
 * @param {boolean} withTests
 * @returns {string} the folder
 */
export const buildNative = (kind, withTests) => {
  const folder = join(projectDir, 'build', folders[kind])
  /** @param {Program} program */
  const isWanted = (program) => kind !== 'threaded' || program.threads === true
  const compiler = findCompiler()
  mkdirSync(folder, { recursive: true })
  for (const program of programs.filter(isWanted)) buildOne(compiler, program, folder, flagsOf(program, kind))
  if (withTests) {
    const tests = join(projectDir, 'build', `native-tests-${kind}`)
    mkdirSync(tests, { recursive: true })
    for (const program of testPrograms.filter(isWanted)) buildOne(compiler, program, tests, flagsOf(program, kind))
  }
  return folder
}

/** What `npm run bench` starts: into build/native-bench/. @returns {string} the folder */
export const buildBenches = () => {
  const folder = join(projectDir, 'build', 'native-bench')
  const compiler = findCompiler()
  mkdirSync(folder, { recursive: true })
  for (const program of benchPrograms) buildOne(compiler, program, folder, flagsOf(program, 'hardened'))
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
  for (const kind of /** @type {const} */ (['hardened', 'sanitized', 'threaded'])) {
    const unsanitized = kind === 'hardened' ? null : sanitizerProblem(kind)
    if (unsanitized !== null) {
      skips.push({ name: `${kind}: everything`, reason: unsanitized })
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
      /** `threaded`: what it starts has threads, and is looked at by ThreadSanitizer too. @type {{ threaded?: boolean, tests: { name: string, run: (context: unknown) => unknown }[] }} */
      const module = await import(pathToFileURL(join(nativeDir, 'test', file)).href)
      const tests = kind === 'threaded' && module.threaded !== true ? [] : module.tests
      for (const test of tests) {
        const name = `${kind}: ${test.name}`
        try {
          const outcome = await test.run(context)
          // A test that cannot run here answers with the reason; anything else is a pass.
          if (typeof outcome === 'string') skips.push({ name, reason: outcome })
          else passed += 1
        } catch (error) {
          const said = error instanceof Error ? error.stack : String(error)
          failures.push(`${name}\n${said}`)
          console.error(`FAILED ${name}\n${said}`)
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
  if (rest.length > 0 || (what !== undefined && what !== 'test' && what !== 'bench')) throw new BuildProblem('usage: node tools/native.mjs [test | bench]')
  if (what === 'test') return runTests()
  buildNative('hardened', what === 'bench')
  if (what === 'bench') buildBenches()
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
