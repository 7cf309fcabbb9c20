/**
 * `node e2e/guest/capture.ts OUT [zram|zswap [FOLDER]]`: starts the guest, or the
 * one whose image is in FOLDER, with swap of that kind, and writes a scrubbed
 * copy of it with six looks to OUT, for helper/test/machines/.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { ensureImage, QEMU, type GuestImage } from './image.ts'

const here = dirname(fileURLToPath(import.meta.url))
const projectDir = dirname(dirname(here))
const LIMIT_MS = 20 * 60_000

const makeDisk = async (work: string, swap: string): Promise<string> => {
  const folder = join(work, 'disk')
  mkdirSync(join(folder, 'inside'), { recursive: true })
  mkdirSync(join(folder, 'product'))
  cpSync(process.execPath, join(folder, 'product', 'node'))
  cpSync(join(here, 'inside', 'capture.ts'), join(folder, 'inside', 'main.ts'))
  writeFileSync(join(folder, 'swap'), swap)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n')
  const bundle = await rolldown({ input: join(projectDir, 'helper', 'observe', 'capture-cli.ts'), platform: 'node', logLevel: 'warn' })
  await bundle.write({ file: join(folder, 'cli', 'capture.mjs'), format: 'esm', codeSplitting: false })
  await bundle.close()
  const image = join(work, 'disk.img')
  const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', '-d', folder, image, '300M'], { encoding: 'utf8', env: { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`)
  return image
}

const start = async ({ image, kernel, initrd }: GuestImage, disk: string): Promise<string> => {
  const child = spawn(
    QEMU,
    [
      ['-M', 'q35', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-m', '1G', '-smp', '2', '-display', 'none', '-no-reboot', '-nodefaults', '-nic', 'none'],
      ['-serial', 'null', '-serial', 'stdio', '-drive', `file=${image},if=virtio,format=raw,snapshot=on`, '-drive', `file=${disk},if=virtio,format=raw,readonly=on`],
      ['-kernel', kernel, '-initrd', initrd, '-append', 'root=/dev/vda rw console=ttyS0 loglevel=3 panic=-1 mitigations=off nowatchdog no_timer_check psi=1 systemd.show_status=no'],
    ].flat(),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => void chunks.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  return Buffer.concat(chunks).toString('utf8')
}

const [out, swap = 'zram', folder] = process.argv.slice(2)
const inFolder = (path: string): GuestImage => ({ image: join(path, 'root.img'), kernel: join(path, 'vmlinuz'), initrd: join(path, 'initrd.img') })
const found = folder === undefined ? ensureImage(console.log) : { ok: true as const, value: inFolder(folder) }
if (out === undefined || !found.ok || !['zram', 'zswap'].includes(swap)) {
  console.error(found.ok ? 'usage: capture.ts OUT [zram|zswap [FOLDER]]\nexpected OUT, a folder to write to, and a kind of swap' : found.reason)
  process.exit(2)
}
const work = mkdtempSync(join(tmpdir(), 'agentmem-capture-'))
try {
  const lines = (await start(found.value, await makeDisk(work, swap))).split(/\r?\n/u)
  if (!lines.includes('captured end')) throw new Error(`the guest did not end its capture; its last lines: ${lines.slice(-20).join('\n').slice(-2000)}`)
  for (const line of lines) {
    const [, name, text] = /^captured (\S+) (\S*)$/u.exec(line) ?? []
    if (name === undefined || text === undefined || normalize(name).startsWith('..')) continue
    mkdirSync(dirname(join(out, name)), { recursive: true })
    writeFileSync(join(out, name), Buffer.from(text, 'base64'))
  }
  console.log(`written to ${out}`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
