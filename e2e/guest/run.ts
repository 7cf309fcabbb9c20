/**
 * `node e2e/guest/run.ts [--kernel 6.1|6.12|7.2] [WORDS]`: starts a Debian with systemd in a virtual machine,
 * installs the built helper there, and runs the tests of `inside/` in it. With
 * a kernel named, in a guest with a compiler and DKMS, those of the module.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ensureImage } from './image.ts'
import { FLAVOURS, type FlavourName } from './recipe.ts'
import { readResult, type GuestResult } from './results.ts'
import { bundleFor, diskOf, startGuest } from './start.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { kernel: { type: 'string' } } })
const isFlavour = (name: string): name is FlavourName => Object.hasOwn(FLAVOURS, name)
const wanted = values.kernel ?? 'plain'
if (!isFlavour(wanted)) throw new Error(`--kernel: expected one of ${Object.keys(FLAVOURS).filter((name) => name !== 'plain').join(', ')}, got ${wanted}`)
const flavour: FlavourName = wanted

const here = dirname(fileURLToPath(import.meta.url))
const projectDir = dirname(dirname(here))
const work = join(projectDir, 'build', flavour === 'plain' ? 'guest' : `guest-${flavour}`)
const suite = flavour === 'plain' ? 'guest' : `guest-${flavour}`
const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** The guest ends by itself; this is for one that hangs. A compiler under emulation takes long on a busy machine. */
const LIMIT_MS = (flavour === 'plain' ? 40 : 90) * 60_000

const finish = (result: GuestResult): void => {
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', `${suite}.json`), `${JSON.stringify({ ...result, suite }, null, 2)}\n`)
}

/** A disk with the built product and the tests, read-only in the guest. */
const makeDisk = async (): Promise<string> => {
  const folder = join(work, 'disk')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(join(projectDir, 'build', 'helper'), join(folder, 'product'), { recursive: true })
  cpSync(join(here, 'inside'), join(folder, 'inside'), { recursive: true })
  const at = (path: string): string => JSON.stringify(join(projectDir, path))
  // `agentmemctl run` alone: the app is not installed in the guest.
  await bundleFor(`import { run } from ${at('electron/cli/run.ts')}\nprocess.exitCode = await run(process.argv.slice(2), { share: false })`, join(folder, 'cli', 'run.mjs'))
  await bundleFor(`import ${at('e2e/installed/bus-caller.ts')}`, join(folder, 'cli', 'caller.mjs'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  writeFileSync(join(folder, 'filter'), positionals[0] ?? '')
  writeFileSync(join(folder, 'flavour'), flavour)
  return diskOf(folder, join(work, 'disk.img'), '300M')
}

const image = ensureImage(say, flavour)
if (image.ok) {
  mkdirSync(work, { recursive: true })
  const output = await startGuest({ image: image.value, disk: await makeDisk(), work, memory: '1G', limitMs: LIMIT_MS })
  const result = readResult(output.lines, output.console)
  finish(result)
  for (const failure of result.failures) say(`FAILED ${failure}`)
  say(`${suite}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped; console in ${join(work, 'console.log')}`)
  process.exitCode = result.failed > 0 ? 1 : 0
} else {
  say(`skipped: ${image.reason}`)
  finish({ suite: 'guest', passed: 0, failed: 0, skipped: 1, skips: [{ name: 'the guest', reason: image.reason }], failures: [] })
}
