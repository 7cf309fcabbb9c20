/** The debug kernels: Debian's source, built here with what looks for faults. Built once, kept in the build root. */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inRoot, keyOf, lastLines, rootDir } from './root.mjs'

const configDir = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'kmod', 'test', 'debug')

/** @typedef {import('./kernels.mjs').Kernel} Kernel */

/** `debug` looks for wrong memory, locks and leaks, `kcsan` for races; one kernel cannot have both. */
export const debugSeries = /** @type {const} */ (['debug', 'kcsan'])

const SOURCE = 'linux-source-6.12'
/** What building a kernel needs beyond building a module. */
const TOOLS = ['flex', 'bison', 'bc', 'libelf-dev']
const JOBS = Number(process.env['AGENTMEM_KMOD_JOBS'] ?? 2)
const LIMIT_MS = 90 * 60_000
/** With the sanitizers the kernel itself takes much of it. */
const MEMORY_MIB = 1536
const KCSAN_MIB = 1024

/** @param {string} series */
const configOf = (series) => ['common', series].map((name) => readFileSync(join(configDir, `${name}.config`), 'utf8')).join('')

/** @param {string} series */
const folderOf = (series) => `/kernels/${series}-${keyOf([SOURCE, configOf(series)])}`

/** Whether asking for it costs nothing. @param {string} series */
export const isBuilt = (series) => existsSync(join(rootDir, folderOf(series), 'built.json'))

/** One line a step; `set -e` is in force. @param {string} target @param {string} work */
const steps = (target, work) => `set -e
apt-get -qq update
apt-get -qq install -y ${TOOLS.join(' ')} >/dev/null
mkdir -p /kernels/source && cd /kernels/source
apt-get -qq download ${SOURCE}
dpkg-deb -f ${SOURCE}_*.deb Version > ${work}/version
dpkg-deb --fsys-tarfile ${SOURCE}_*.deb | tar -x -O ./usr/src/${SOURCE}.tar.xz | tar -x -J --strip-components=1 -C ${work}
rm -f ${SOURCE}_*.deb
cd ${work}
make -s allnoconfig KCONFIG_ALLCONFIG=/mnt/config/asked.config
# An option that this kernel does not have, or not without another one, must not pass unseen.
if grep '^CONFIG_' /mnt/config/asked.config | grep -v '=n$' | grep -vxF -f .config; then echo 'are not taken by this kernel: see what these options depend on, or leave them out' >&2; exit 1; fi
make -s -j${JOBS} bzImage modules
make -s kernelrelease > release
cp arch/x86/boot/bzImage vmlinuz
# What modules are built against stays: headers, scripts, objtool, symbols.
find . -name '*.[oaS]' -not -path './scripts/*' -not -path './tools/*' -delete
find . -name '*.c' -not -path './scripts/*' -delete
find . -name '.*.cmd' -not -path './scripts/*' -delete
rm -rf vmlinux vmlinux.unstripped Documentation .tmp_vmlinux* arch/x86/boot/compressed
find drivers sound net fs arch -name '*.[hS]' -not -path 'arch/x86/*' -delete
mv ${work} ${target}`

/** What builds that were ended left behind. @param {string} series */
const sweep = (series) => {
  for (const name of globSync(`kernels/${series}-????????????????.*`, { cwd: rootDir })) {
    const pid = name.split('.')[1] ?? ''
    if (!existsSync(join('/proc', pid))) rmSync(join(rootDir, name), { recursive: true, force: true })
  }
}

/** @param {string} series @returns {string | null} */
const build = (series) => {
  const target = folderOf(series)
  const work = `${target}.${process.pid}`
  const config = join(rootDir, `${work}.config`)
  sweep(series)
  try {
    console.log(`building Linux with ${series}.config in ${join(rootDir, target)}, once, ten minutes and more ...`)
    mkdirSync(join(rootDir, work), { recursive: true })
    mkdirSync(config, { recursive: true })
    writeFileSync(join(config, 'asked.config'), configOf(series))
    const started = Date.now()
    const made = inRoot(steps(target, work), { binds: { config }, timeoutMs: LIMIT_MS })
    if (!made.ok) return `Linux cannot be built with ${series}.config: ${lastLines(made.text, 12)}`
    const read = (/** @type {string} */ name) => readFileSync(join(rootDir, target, name), 'utf8').trim()
    writeFileSync(join(rootDir, target, 'built.json'), JSON.stringify({ version: read('version'), release: read('release'), seconds: Math.round((Date.now() - started) / 1000) }))
    return null
  } finally {
    rmSync(join(rootDir, work), { recursive: true, force: true })
    rmSync(config, { recursive: true, force: true })
  }
}

/**
 * The debug kernels asked for, built where they are not there.
 * @param {readonly string[]} series
 * @returns {{ kernels: Kernel[], problems: { series: string, reason: string }[] }}
 */
export const ensureDebugKernels = (series) => {
  /** @type {{ series: string, reason: string }[]} */
  const problems = []
  const kernels = series.flatMap((name) => {
    const problem = isBuilt(name) ? null : build(name)
    if (problem !== null) {
      problems.push({ series: name, reason: problem })
      return []
    }
    const inRootBuild = folderOf(name)
    const folder = join(rootDir, inRootBuild)
    /** @type {{ version: string, release: string }} */
    const is = JSON.parse(readFileSync(join(folder, 'built.json'), 'utf8'))
    for (const old of globSync(`kernels/${name}-????????????????`, { cwd: rootDir })) if (`/${old}` !== inRootBuild) rmSync(join(rootDir, old), { recursive: true })
    return [{ series: name, flavour: name, compiler: 'gcc-14', ...is, vmlinuz: join(folder, 'vmlinuz'), modules: '', build: folder, inRootBuild, debug: true, memoryMiB: name === 'kcsan' ? KCSAN_MIB : MEMORY_MIB }]
  })
  return { kernels, problems }
}
