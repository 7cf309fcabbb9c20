/** What every suite in a guest needs: code for it as one file, a disk for it, and its start. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { QEMU, type GuestImage } from './image.ts'

/** What needs packages of ours, each as one file: the guest has none. */
export const bundleFor = async (code: string, file: string): Promise<void> => {
  const bundle = await rolldown({
    input: 'entry',
    platform: 'node',
    logLevel: 'warn',
    plugins: [
      {
        name: 'entry',
        // Optional parts of dbus-next are left out, as in tools/leave-out.mjs.
        resolveId: (id) => (['usocket', 'x11', 'event-stream', 'entry'].includes(id) ? `\0${id}` : null),
        load: (id) => (id === '\0entry' ? code : id.startsWith('\0') ? 'module.exports = {}' : null),
      },
    ],
  })
  await bundle.write({ file, format: 'esm', codeSplitting: false, sourcemap: false })
  await bundle.close()
}

/** A file system with what lies in `folder`, which goes; the path of its image. */
export const diskOf = (folder: string, image: string, size: string): string => {
  rmSync(image, { force: true })
  const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', '-d', folder, image, size], { encoding: 'utf8', env: { ...process.env, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`)
  rmSync(folder, { recursive: true, force: true })
  return image
}

export interface GuestStart {
  readonly image: GuestImage
  readonly disk: string
  /** Where console.log and lines.log go. */
  readonly work: string
  /** As qemu takes it: "1G". */
  readonly memory: string
  /** The guest ends by itself; this is for one that hangs. */
  readonly limitMs: number
}

/**
 * Older QEMU (7.2) now and then runs a byte that the kernel has just patched
 * back ("int3"), with more than one processor: seen of Linux 7.2, on its way
 * up. Nothing of ours has run by then.
 */
const EMULATOR_TRIPPED = /Oops: int3: /u
const STARTS_MOST = 4

/** Starts a guest and waits for its end; what its tests and its console said. One that the emulator stopped before its first word is started again. */
export const startGuest = async (start: GuestStart): Promise<{ lines: string; console: string }> => {
  for (let again = 1; ; again += 1) {
    const said = await startOnce(start)
    if (said.lines !== '' || !EMULATOR_TRIPPED.test(said.console) || again === STARTS_MOST) return said
    process.stdout.write(`# the emulator stopped the kernel on its way up (${again} of ${STARTS_MOST} times): started again\n`)
  }
}

const startOnce = async ({ image: { image, kernel, initrd }, disk, work, memory, limitMs }: GuestStart): Promise<{ lines: string; console: string }> => {
  const consoleFile = join(work, 'console.log')
  const linesFile = join(work, 'lines.log')
  for (const file of [consoleFile, linesFile]) rmSync(file, { force: true })
  const child = spawn(
    QEMU,
    [
      ['-M', 'q35', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-m', memory, '-smp', '2', '-display', 'none', '-no-reboot', '-nodefaults', '-nic', 'none'],
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
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  writeFileSync(linesFile, lines)
  return { lines, console: existsSync(consoleFile) ? readFileSync(consoleFile, 'utf8') : '' }
}
