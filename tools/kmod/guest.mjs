/** Starts a kernel of the matrix with the module and its selftest in a virtual machine, and reads what it says. */
import { chmodSync, copyFileSync, cpSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawnSync } from 'node:child_process'
import { readConsole } from './console.ts'
import { inRoot, lastLines, rootDir, run } from './root.mjs'

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const testDir = join(projectDir, 'kmod', 'test')

/** Of the guest's memory, without a CPU near it. */
const FAR_MIB = 128
const LIMIT_MS = 10 * 60_000
/** Modules that the compressors are in, in the order of loading, and devices of files, where the kernel has them apart. */
const MODULES = ['drivers/block/loop', 'lib/zstd/zstd_compress', 'crypto/zstd', 'lib/lz4/lz4_compress', 'crypto/lz4', 'crypto/deflate']

/** A static program, so that the guest needs nothing else. @param {readonly string[]} patterns @param {string} to @returns {string | null} */
const buildProgram = (patterns, to) => {
  const sources = globSync([...patterns], { cwd: testDir }).toSorted()
  mkdirSync(dirname(to), { recursive: true })
  const { status, stderr } = spawnSync('gcc', ['-static', '-O2', '-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Wshadow', '-Werror', '-Wno-unused-result', `-I${join(projectDir, 'kmod')}`, ...sources, '-o', to, '-pthread'], { cwd: testDir, encoding: 'utf8' })
  return status === 0 ? null : stderr
}

/** @param {string} to */
export const buildSelftest = (to) => buildProgram(['selftest/*.c'], to)
/** Fault injection, races, random calls. @param {string} to */
export const buildTorture = (to) => buildProgram(['torture/*.c', 'selftest/kit.c'], to)
/** A program of the first header. @param {string} to */
export const buildClient = (to) => buildProgram(['abi/client.c'], to)

/**
 * `steps` is shell, read by kmod/test/guest/init between loading and unloading;
 * `files` go into the guest's root by their names, `programs` (of the library's
 * tests) into its folder programs; `modules` of the kernel are loaded first, by
 * their paths without the ending; `disk`, a file in `folder`, is /dev/vda there.
 * `counting`: one CPU, whose clock goes on by a nanosecond an instruction. `cpu`
 * as QEMU names it.
 * @typedef {{ cpu?: string, modules?: readonly string[], disk?: string, counting?: boolean, memoryMiB?: number, module: string, selftest: string, folder: string, parameters?: string, programs?: Readonly<Record<string, string>>, steps?: string, files?: Readonly<Record<string, string>>, limitMs?: number }} GuestParts
 */

/** @param {import('./kernels.mjs').Kernel} kernel @param {GuestParts} parts @returns {string | null} */
const makeInitrd = (kernel, { module, selftest, folder, parameters = '', programs = {}, steps = 'selftest', files = {}, modules = [] }) => {
  const tree = join(folder, 'tree')
  rmSync(tree, { recursive: true, force: true })
  for (const name of ['bin', 'modules', 'programs']) mkdirSync(join(tree, name), { recursive: true })
  cpSync(join(rootDir, 'usr/bin/busybox'), join(tree, 'bin/busybox'))
  copyFileSync(join(testDir, 'guest', 'init'), join(tree, 'init'))
  copyFileSync(module, join(tree, 'agentmem.ko'))
  copyFileSync(selftest, join(tree, 'selftest'))
  copyFileSync(join(testDir, 'guest', 'library'), join(tree, 'library'))
  for (const [name, file] of Object.entries(programs)) copyFileSync(file, join(tree, 'programs', name))
  writeFileSync(join(tree, 'parameters'), parameters)
  writeFileSync(join(tree, 'steps'), `${steps}\n`)
  for (const [name, from] of Object.entries(files)) {
    copyFileSync(from, join(tree, name))
    chmodSync(join(tree, name), 0o755)
  }
  for (const file of ['init', 'selftest', 'library', 'bin/busybox']) chmodSync(join(tree, file), 0o755)
  for (const [index, name] of [...MODULES, ...modules].entries()) {
    for (const found of globSync(`${name}.ko*`, { cwd: kernel.modules })) {
      const target = join(tree, 'modules', `${String(index).padStart(2, '0')}-${basename(found)}`)
      copyFileSync(join(kernel.modules, found), target)
      if (found.endsWith('.xz') && !run('xz', ['-d', target]).ok) return `${found} cannot be unpacked`
    }
  }
  const made = inRoot('cd /mnt/tree && find . | cpio -o -H newc --quiet > /mnt/out/initrd.cpio', { binds: { tree, out: folder } })
  return made.ok ? null : lastLines(made.text)
}

/**
 * @param {import('./kernels.mjs').Kernel} kernel
 * @param {GuestParts} parts
 * @returns {{ passed: string[], failures: string[], console: string }}
 */
export const runGuest = (kernel, parts) => {
  const { folder, limitMs = LIMIT_MS, disk, counting = false, cpu = 'max', memoryMiB = kernel.memoryMiB ?? 1024 } = parts
  mkdirSync(folder, { recursive: true })
  const problem = makeInitrd(kernel, parts)
  if (problem !== null) return { passed: [], failures: [`initrd: ${problem}`], console: '' }
  copyFileSync(kernel.vmlinuz, join(folder, 'vmlinuz'))
  // A second node with memory and no CPUs, as CXL has it.
  const nodes = `-object memory-backend-ram,id=near,size=${memoryMiB - FAR_MIB}M -object memory-backend-ram,id=far,size=${FAR_MIB}M -numa node,nodeid=0,cpus=0-1,memdev=near -numa node,nodeid=1,memdev=far`
  // The root's QEMU sees the folder of this run and nothing else of the machine.
  const qemu = ['qemu-system-x86_64', `-M q35 -cpu ${cpu}`, counting ? '-accel tcg,thread=single,tb-size=256 -icount shift=0,sleep=off -smp 1' : '-accel tcg,thread=multi,tb-size=256 -smp 2', '-display none -no-reboot -nodefaults -nic none', `-m ${memoryMiB}M ${counting ? '' : nodes}`, disk === undefined ? '' : `-drive file=/mnt/run/${disk},if=virtio,format=raw,cache=none,aio=threads`, '-chardev stdio,id=console,signal=off,logfile=/mnt/run/console.log -serial chardev:console', '-device isa-debug-exit,iobase=0x501,iosize=0x04', '-kernel /mnt/run/vmlinuz -initrd /mnt/run/initrd.cpio', '-append "console=ttyS0 loglevel=5 panic=-1 mitigations=off nowatchdog no_timer_check kasan_multi_shot kunit.enable=1"'].join(' ')
  const { status, text } = inRoot(qemu, { binds: { run: folder }, timeoutMs: limitMs })
  writeFileSync(join(folder, 'console.log'), text)
  for (const file of ['vmlinuz', 'initrd.cpio']) rmSync(join(folder, file))
  rmSync(join(folder, 'tree'), { recursive: true })
  return { ...readConsole(text, status, kernel.debug === true), console: text }
}
