/** Builds kmod/ against one kernel, outside the tree; any warning is a failure. */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDir, inRoot, keyOf } from './root.mjs'

const kmodDir = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'kmod')

/** What the module is made of. */
const sources = () => globSync(['*.{c,h}', 'Kbuild', 'Makefile', 'core/*.{c,h}', 'uapi/*.h'], { cwd: kmodDir }).toSorted()

/** KUnit tests of the core, and the core. */
const kunitSources = () => globSync(['core/*.{c,h}', 'test/kunit/*'], { cwd: kmodDir }).toSorted()

/** Of each kernel so many builds are kept, the newest. */
const KEPT = 6

/** @param {string} series */
const prune = (series) => {
  const folders = globSync(`${series}-????????????????`, { cwd: join(cacheDir, 'builds') }).map((name) => join(cacheDir, 'builds', name))
  for (const old of folders.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs).slice(KEPT)) rmSync(old, { recursive: true, force: true })
}

/**
 * @param {import('./kernels.mjs').Kernel} kernel
 * @param {{ sparse?: boolean, kunit?: boolean }} [options] `kunit`: the tests of the core in a module of their own
 * @returns {{ ok: true, module: string, cached: boolean } | { ok: false, text: string }}
 */
export const buildModule = (kernel, { sparse = false, kunit = false } = {}) => {
  const files = kunit ? kunitSources() : sources()
  const key = keyOf([kernel.inRootBuild, kernel.release, kernel.version, kernel.compiler, kernel.flags, sparse, files.map((file) => [file, readFileSync(join(kmodDir, file), 'utf8')])])
  const folder = join(cacheDir, 'builds', `${kernel.series}-${key}`)
  const module = join(folder, kunit ? 'agentmem-kunit.ko' : 'agentmem.ko')
  if (existsSync(module)) return { ok: true, module, cached: true }
  const work = `${folder}.${process.pid}`
  try {
    mkdirSync(work, { recursive: true })
    for (const file of files) cpSync(join(kmodDir, file), join(work, file.replace('test/kunit/', '')))
    // Without vmlinux there is no BTF to make; the kernels take modules without.
    const check = sparse ? 'C=1 CHECK="sparse -Wno-unknown-attribute"' : ''
    const { ok, text } = inRoot(`make -k -C ${kernel.inRootBuild} M=/mnt/work W=1 CC=${kernel.compiler} KCFLAGS='${kernel.flags ?? ''}' CONFIG_DEBUG_INFO_BTF_MODULES= ${check} modules 2>&1`, { binds: { work } })
    // Debian's headers say which compiler they had; that ours is another point release is no fault of the module's.
    const warnings = text.split('\n').filter((line) => /warning|error/iu.test(line) && !/(?:compiler|pahole version) differs|Skipping BTF|modules_install/u.test(line))
    if (!ok || warnings.length > 0) return { ok: false, text: text.split('\n').filter((line) => !/^ {2}(?:CC|LD|MODPOST)/u.test(line)).slice(-60).join('\n') }
    if (existsSync(folder)) rmSync(work, { recursive: true })
    else renameSync(work, folder)
    prune(kernel.series)
    return { ok: true, module, cached: false }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
