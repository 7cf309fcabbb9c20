/**
 * `npm run e2e:conditions [-- WORDS]`: in a virtual machine with the helper and
 * agentmemctl installed, makes each of ten conditions of memory for real, asks
 * an ordinary user's `agentmemctl memory-diagnose` what is wrong, does what it
 * advises, and measures whether that helped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureImage, QEMU, type GuestImage } from '../guest/image.ts'
import { readResult } from '../guest/results.ts'

const projectDir = join(import.meta.dirname, '..', '..')
const work = join(projectDir, 'build', 'conditions')
const say = (text: string): void => void process.stdout.write(`${text}\n`)
/** The guest ends by itself; this is for one that hangs. */
const LIMIT_MS = 60 * 60_000

const build = (...words: readonly string[]): void => {
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: projectDir, encoding: 'utf8' })
  if (status !== 0) throw new Error(`node ${words.join(' ')} ended with ${status}:\n${stderr}`)
}

/** A disk with the built product, the app's command line and the tests, read-only in the guest. */
const makeDisk = (): string => {
  const folder = join(work, 'disk')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  build('tools/helper-bundle.mjs')
  cpSync(join(projectDir, 'build', 'helper'), join(folder, 'product'), { recursive: true })
  // As they lie here, so that the same imports hold; the guest starts inside/main.ts.
  for (const room of ['guest', 'conditions']) cpSync(join(projectDir, 'e2e', room, 'inside'), join(folder, room, 'inside'), { recursive: true })
  mkdirSync(join(folder, 'inside'))
  writeFileSync(join(folder, 'inside', 'main.ts'), "import '../conditions/inside/main.ts'\n")
  const app = join(folder, 'app')
  build('tools/cli-bundle.mjs', '--into', join(app, 'build', 'cli'))
  cpSync(join(projectDir, 'assets', 'presets'), join(app, 'assets', 'presets'), { recursive: true })
  cpSync(join(projectDir, 'assets', 'agents.json'), join(app, 'assets', 'agents.json'))
  for (const part of ['package.json', 'lib', 'prebuilds']) cpSync(join(projectDir, 'node_modules', 'better-sqlite3', part), join(app, 'node_modules', 'better-sqlite3', part), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  writeFileSync(join(folder, 'filter'), process.argv[2] ?? '')
  const image = join(work, 'disk.img')
  rmSync(image, { force: true })
  const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', '-d', folder, image, '400M'], { encoding: 'utf8', env: { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`)
  rmSync(folder, { recursive: true, force: true })
  return image
}

const start = async ({ image, kernel, initrd }: GuestImage, disk: string): Promise<{ lines: string; console: string }> => {
  const consoleFile = join(work, 'console.log')
  rmSync(consoleFile, { force: true })
  const child = spawn(
    QEMU,
    [
      ['-M', 'q35', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-m', '1400M', '-smp', '2', '-display', 'none', '-no-reboot', '-nodefaults', '-nic', 'none'],
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
  writeFileSync(join(work, 'lines.log'), lines)
  return { lines, console: existsSync(consoleFile) ? readFileSync(consoleFile, 'utf8') : '' }
}

const finish = (result: object): void => {
  mkdirSync(join(projectDir, 'build', 'results'), { recursive: true })
  writeFileSync(join(projectDir, 'build', 'results', 'conditions.json'), `${JSON.stringify({ ...result, suite: 'conditions' }, null, 2)}\n`)
}

const image = ensureImage(say)
if (image.ok) {
  mkdirSync(work, { recursive: true })
  const output = await start(image.value, makeDisk())
  // An OOM kill is one of the conditions: no splat.
  const result = readResult(output.lines, output.console)
  finish(result)
  for (const failure of result.failures) say(`FAILED ${failure}`)
  say(`conditions: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped; console in ${join(work, 'console.log')}`)
  process.exitCode = result.failed > 0 ? 1 : 0
} else {
  say(`skipped: ${image.reason}`)
  finish({ passed: 0, failed: 0, skipped: 1, skips: [{ name: 'the guest', reason: image.reason }], failures: [] })
}
