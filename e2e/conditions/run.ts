/**
 * `npm run e2e:conditions [-- WORDS]`: in a virtual machine with the helper and
 * agentmemctl installed, makes each of ten conditions of memory for real, asks
 * an ordinary user's `agentmemctl memory-diagnose` what is wrong, does what it
 * advises, and measures whether that helped. WORDS, with commas, are parts of
 * the conditions' names. With `--captures FOLDER` two looks at some are written
 * to FOLDER/NAME.json, for electron/app/diagnose/testing/captures/keep.ts.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { ensureImage } from '../guest/image.ts'
import { readResult } from '../guest/results.ts'
import { bundleFor, diskOf, startGuest } from '../guest/start.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { captures: { type: 'string' } } })
const projectDir = join(import.meta.dirname, '..', '..')
const work = join(projectDir, 'build', 'conditions')
const say = (text: string): void => void process.stdout.write(`${text}\n`)
/** The guest ends by itself; this is for one that hangs. */
const LIMIT_MS = 150 * 60_000

const build = (...words: readonly string[]): void => {
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: projectDir, encoding: 'utf8' })
  if (status !== 0) throw new Error(`node ${words.join(' ')} ended with ${status}:\n${stderr}`)
}

/** A disk with the built product, the app's command line and the tests, read-only in the guest. */
const makeDisk = async (): Promise<string> => {
  const folder = join(work, 'disk')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  build('tools/helper-bundle.mjs')
  cpSync(join(projectDir, 'build', 'helper'), join(folder, 'product'), { recursive: true })
  // As they lie here, so that the same imports hold; the guest starts inside/main.ts.
  for (const room of ['guest', 'conditions']) cpSync(join(projectDir, 'e2e', room, 'inside'), join(folder, room, 'inside'), { recursive: true })
  mkdirSync(join(folder, 'inside'))
  writeFileSync(join(folder, 'inside', 'main.ts'), "import '../conditions/inside/main.ts'\n")
  await bundleFor(`import ${JSON.stringify(join(projectDir, 'e2e/installed/bus-caller.ts'))}`, join(folder, 'cli', 'caller.mjs'))
  if (values.captures !== undefined) await bundleFor(`import ${JSON.stringify(join(projectDir, 'helper/observe/capture-cli.ts'))}`, join(folder, 'cli', 'capture.mjs'))
  writeFileSync(join(folder, 'flavour'), 'plain')
  const app = join(folder, 'app')
  build('tools/cli-bundle.mjs', '--into', join(app, 'build', 'cli'))
  cpSync(join(projectDir, 'assets', 'presets'), join(app, 'assets', 'presets'), { recursive: true })
  cpSync(join(projectDir, 'assets', 'agents.json'), join(app, 'assets', 'agents.json'))
  for (const part of ['package.json', 'lib', 'prebuilds']) cpSync(join(projectDir, 'node_modules', 'better-sqlite3', part), join(app, 'node_modules', 'better-sqlite3', part), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  writeFileSync(join(folder, 'filter'), positionals[0] ?? '')
  return diskOf(folder, join(work, 'disk.img'), '400M')
}

const writeCaptures = (lines: string, folder: string): void => {
  mkdirSync(folder, { recursive: true })
  for (const line of lines.split(/\r?\n/u)) {
    const [, name, text] = /^captured ([a-z-]+) (\S+)$/u.exec(line) ?? []
    if (name !== undefined && text !== undefined) writeFileSync(join(folder, `${name}.json`), gunzipSync(Buffer.from(text, 'base64')))
  }
}

const finish = (result: object): void => {
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', 'conditions.json'), `${JSON.stringify({ ...result, suite: 'conditions' }, null, 2)}\n`)
}

const image = ensureImage(say)
if (image.ok) {
  mkdirSync(work, { recursive: true })
  const output = await startGuest({ image: image.value, disk: await makeDisk(), work, memory: '1400M', limitMs: LIMIT_MS })
  if (values.captures !== undefined) writeCaptures(output.lines, values.captures)
  const result = readResult(output.lines, output.console)
  finish(result)
  for (const failure of result.failures) say(`FAILED ${failure}`)
  say(`conditions: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped; console in ${join(work, 'console.log')}`)
  process.exitCode = result.failed > 0 ? 1 : 0
} else {
  say(`skipped: ${image.reason}`)
  finish({ passed: 0, failed: 0, skipped: 1, skips: [{ name: 'the guest', reason: image.reason }], failures: [] })
}
