/**
 * `node tools/kmod/bench.mjs DISK CONVERSATIONS BYTES KERNEL [PART...]`: runs the
 * module's bench in a guest and prints its figures, lines of "= name value unit".
 * Exit 1 where it cannot, with the reason.
 */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildModule } from './build.mjs'
import { buildSelftest, runGuest } from './guest.mjs'
import { ensureKernels } from './kernels.mjs'
import { benchWanted, buildForGuest } from './programs.mjs'
import { ensureRoot, lacking } from './root.mjs'

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const LIMIT_MS = 40 * 60_000
/** Swap in compressed memory, and the disk with the conversations. */
const MODULES = ['lib/lz4/lz4hc_compress', 'mm/zsmalloc', 'drivers/block/zram/zram', 'drivers/block/virtio_blk']
/**
 * Without string instructions said to be fast: the emulator does them byte by
 * byte, and clearing or copying a page takes ten times as long as the loop that
 * the kernel uses otherwise; in a real processor it takes less.
 */
const CPU = 'max,-erms,-fsrm,-fsrs,-fzrm'
/** What is timed in a second guest, whose clock counts instructions. */
const COUNTED = ['calls', 'map']

/** @param {string} reason */
const stop = (reason) => {
  console.error(reason)
  return 1
}

/** @param {string[]} args */
const main = ([disk = '', conversations = '', bytes = '', series = '', ...parts]) => {
  if (series === '') return stop('Usage: node tools/kmod/bench.mjs DISK CONVERSATIONS BYTES KERNEL [PART...]')
  const missing = lacking() ?? ensureRoot()
  if (missing !== null) return stop(missing)
  const folder = join(projectDir, 'build', 'kmod', `bench-${series}`)
  const { kernels: [kernel], problems: [problem] } = ensureKernels([series], false)
  if (kernel === undefined) return stop(problem?.reason ?? `there is no kernel ${series}`)
  const module = buildModule(kernel)
  const programs = buildForGuest(benchWanted())
  const selftest = join(projectDir, 'build', 'kmod', 'selftest')
  if (!module.ok) return stop(module.text)
  if (!programs.ok) return stop(programs.text)
  const wrong = buildSelftest(selftest)
  if (wrong !== null) return stop(wrong)
  mkdirSync(folder, { recursive: true })
  copyFileSync(disk, join(folder, 'disk'))
  const files = { bench: join(projectDir, 'kmod/test/guest/bench') }
  const base = { module: module.module, selftest, programs: programs.files, folder, files, cpu: CPU, modules: MODULES, limitMs: LIMIT_MS }
  try {
    const counted = parts.filter((part) => COUNTED.includes(part))
    const runs = [
      { name: 'timed', options: { ...base, disk: 'disk', memoryMiB: 1536, steps: `export CONVERSATIONS=${conversations} BYTES=${bytes}\n/bench ${parts.join(' ')}` } },
      ...(counted.length > 0 ? [{ name: 'counted', options: { ...base, counting: true, steps: `/bench ${counted.join(' ')}` } }] : []),
    ]
    for (const { name, options } of runs) {
      const { failures, console: text } = runGuest(kernel, options)
      if (failures.length > 0) return stop(`${name}: ${failures.join('; ')}\n${text.slice(-4000)}`)
      for (const line of text.split('\n').filter((one) => one.startsWith('= '))) console.log(`${name} ${line.slice(2).trim()}`)
    }
    return 0
  } finally {
    rmSync(join(folder, 'disk'), { force: true })
  }
}

process.exitCode = main(process.argv.slice(2))
