/**
 * `node e2e/guest/run.ts [--kernel 6.1|6.12|7.2] [WORDS]`: starts a Debian with systemd in a virtual machine,
 * installs the built helper there, and runs the tests of `inside/` in it. With
 * a kernel named, in a guest with a compiler and DKMS, those of the module.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { rolldown } from 'rolldown'
import { ensureImage, QEMU, type GuestImage } from './image.ts'
import { FLAVOURS, type FlavourName } from './recipe.ts'
import { readResult, type GuestResult } from './results.ts'

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

/** The guest ends by itself; this is for one that hangs. */
const LIMIT_MS = 40 * 60_000

const finish = (result: GuestResult): void => {
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', `${suite}.json`), `${JSON.stringify({ ...result, suite }, null, 2)}\n`)
}

/** What needs packages of ours, each as one file: the guest has none. */
const bundleFor = async (code: string, file: string): Promise<void> => {
  const bundle = await rolldown({
    input: 'entry',
    platform: 'node',
    logLevel: 'warn',
    plugins: [
      {
        name: 'entry',
        // Optional parts of dbus-next are left out, as in tools/helper-bundle.mjs.
        resolveId: (id) => (['usocket', 'x11', 'event-stream', 'entry'].includes(id) ? `\0${id}` : null),
        load: (id) => (id === '\0entry' ? code : id.startsWith('\0') ? 'module.exports = {}' : null),
      },
    ],
  })
  await bundle.write({ file, format: 'esm', codeSplitting: false, sourcemap: false })
  await bundle.close()
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
  const image = join(work, 'disk.img')
  rmSync(image, { force: true })
  const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', '-d', folder, image, '300M'], { encoding: 'utf8', env: { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`)
  rmSync(folder, { recursive: true, force: true })
  return image
}

const start = async ({ image, kernel, initrd }: GuestImage, disk: string): Promise<{ lines: string; console: string }> => {
  const consoleFile = join(work, 'console.log')
  const linesFile = join(work, 'lines.log')
  for (const file of [consoleFile, linesFile]) rmSync(file, { force: true })
  const child = spawn(
    QEMU,
    [
      ['-M', 'q35', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-m', '1G', '-smp', '2', '-display', 'none', '-no-reboot', '-nodefaults', '-nic', 'none'],
      ['-serial', `file:${consoleFile}`, '-serial', 'stdio'],
      ['-drive', `file=${image},if=virtio,format=raw,snapshot=on`, '-drive', `file=${disk},if=virtio,format=raw,readonly=on`],
      ['-kernel', kernel, '-initrd', initrd, '-append', 'root=/dev/vda rw console=ttyS0 loglevel=5 panic=-1 mitigations=off nowatchdog no_timer_check psi=1 systemd.show_status=no systemd.log_target=kmsg systemd.log_level=notice'],
    ].flat(),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let lines = ''
  child.stdout.on('data', (chunk: Buffer) => {
    lines += chunk.toString('utf8')
    process.stdout.write(chunk)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  writeFileSync(linesFile, lines)
  return { lines, console: existsSync(consoleFile) ? readFileSync(consoleFile, 'utf8') : '' }
}

const image = ensureImage(say, flavour)
if (image.ok) {
  mkdirSync(work, { recursive: true })
  const output = await start(image.value, await makeDisk())
  const result = readResult(output.lines, output.console)
  finish(result)
  for (const failure of result.failures) say(`FAILED ${failure}`)
  say(`${suite}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped; console in ${join(work, 'console.log')}`)
  process.exitCode = result.failed > 0 ? 1 : 0
} else {
  say(`skipped: ${image.reason}`)
  finish({ suite: 'guest', passed: 0, failed: 0, skipped: 1, skips: [{ name: 'the guest', reason: image.reason }], failures: [] })
}
