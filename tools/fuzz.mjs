/**
 * `npm run fuzz -- --seconds N [--at-a-time N] [--target NAME]...`: bytes at random for what
 * our C programs parse, N seconds a target, with address and
 * undefined-behaviour sanitizers. A target is native/fuzz/NAME.c with its seeds
 * in native/fuzz/NAME-seeds, and a line in tools/fuzz-targets.mjs.
 * With clang's libFuzzer where it is installed, else with native/fuzz/driver.c,
 * which does not look at what is reached. Exit code 1 where something was found;
 * build/results/fuzz.json counts the targets.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { targets } from './fuzz-targets.mjs'
import { projectDir, runTool, SetUpProblem } from './toolchain.mjs'

const native = join(projectDir, 'native')
const includes = [join(native, 'user'), join(native, 'include'), join(projectDir, 'kmod')].map((folder) => `-I${folder}`)
const FLAGS = ['-g', '-O1', '-std=c17', '-D_GNU_SOURCE', ...includes, '-fno-omit-frame-pointer', '-fno-sanitize-recover=all']

/** @param {import('./fuzz-targets.mjs').Target} target @param {string} folder @returns {{ program: string, coverage: boolean }} */
const build = (target, folder) => {
  const program = join(folder, target.name)
  const sources = [join(native, 'fuzz', `${target.name}.c`), ...target.sources.map((file) => join(native, file)), ...(target.libs ?? [])]
  const guided = spawnSync('clang', [...FLAGS, '-fsanitize=fuzzer,address,undefined', '-o', program, ...sources], { encoding: 'utf8' })
  if (guided.status === 0) return { program, coverage: true }
  const plain = spawnSync(process.env['CC'] ?? 'cc', [...FLAGS, '-fsanitize=address,undefined', '-o', program, join(native, 'fuzz', 'driver.c'), ...sources], { encoding: 'utf8' })
  if (plain.status !== 0) throw new SetUpProblem(`${target.name} does not compile:\n${plain.stderr.trim()}\nOn Debian and Ubuntu: sudo apt install clang libclang-rt-14-dev`)
  return { program, coverage: false }
}

await runTool(async () => {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, 'at-a-time': { type: 'string', default: '1' }, target: { type: 'string', multiple: true } } })
  const seconds = Number(values.seconds)
  if (!Number.isInteger(seconds) || seconds < 1) throw new SetUpProblem(`--seconds: expected a whole number above 0, got ${values.seconds}.`)
  const atATime = Number(values['at-a-time'])
  if (!Number.isInteger(atATime) || atATime < 1) throw new SetUpProblem(`--at-a-time: expected a whole number above 0, got ${values['at-a-time']}.`)
  const unknown = values.target?.find((name) => targets.every((target) => target.name !== name))
  if (unknown !== undefined) throw new SetUpProblem(`--target: expected one of ${targets.map((target) => target.name).join(', ')}, got ${unknown}.`)
  const folder = join(projectDir, 'build', 'fuzz')
  mkdirSync(folder, { recursive: true })
  /** @type {string[]} */
  const failures = []
  const chosen = targets.filter(({ name }) => values.target?.includes(name) ?? true)
  const waiting = [...chosen]
  /** @param {import('./fuzz-targets.mjs').Target} target */
  const fuzz = async (target) => {
    const { program, coverage } = build(target, folder)
    const seeds = join(native, 'fuzz', `${target.name}-seeds`)
    process.stdout.write(`${target.name}: ${seconds} s${coverage ? '' : ', without coverage: libFuzzer is not installed (sudo apt install clang libclang-rt-14-dev)'}\n`)
    // libFuzzer adds what it finds interesting to its first folder: never to the seeds of the tree.
    const corpus = join(folder, `${target.name}-corpus`)
    rmSync(corpus, { recursive: true, force: true })
    cpSync(seeds, corpus, { recursive: true })
    const args = coverage ? [`-max_total_time=${seconds}`, '-print_final_stats=1', '-verbosity=0', `-artifact_prefix=${folder}/${target.name}-`, ...(target.mostBytes === undefined ? [] : [`-max_len=${target.mostBytes}`]), corpus] : [String(seconds), ...readdirSync(seeds).map((file) => join(seeds, file))]
    const child = spawn(program, args, { stdio: 'inherit', cwd: folder })
    const [status] = await once(child, 'exit')
    if (status !== 0) failures.push(target.name)
    process.stdout.write(`${target.name}: ${status === 0 ? 'nothing found' : `ended with ${status}; what made it so is in build/fuzz`}\n`)
  }
  await Promise.all(Array.from({ length: atATime }, async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) await fuzz(target)
  }))
  const results = join(projectDir, 'build', 'results')
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, 'fuzz.json'), JSON.stringify({ suite: 'fuzz', passed: chosen.length - failures.length, failed: failures.length, skipped: 0, skips: [], failures }))
  return failures.length === 0 ? 0 : 1
})
