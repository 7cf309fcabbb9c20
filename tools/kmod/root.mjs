/** The build root: a small Debian with the compilers that the kernels of the matrix were built with. Made once, kept outside the tree. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const cacheDir = process.env['AGENTMEM_KMOD_CACHE'] ?? '/var/cache/agentmem-kmod'
const MIRROR = process.env['AGENTMEM_KMOD_MIRROR'] ?? 'http://deb.debian.org/debian'
const SECURITY = process.env['AGENTMEM_KMOD_SECURITY_MIRROR'] ?? 'http://deb.debian.org/debian-security'
const SUITE = 'trixie'

/** gcc-12 for 6.1; the others take gcc 14. QEMU is taken from here too: it starts 7.2 faster than an older one. */
const PACKAGES = ['gcc', 'gcc-12', 'libc6-dev', 'make', 'libelf1t64', 'libssl3t64', 'kmod', 'cpio', 'busybox-static', 'xz-utils', 'zstd', 'qemu-system-x86', 'sparse', 'python3-minimal', 'dwarves', 'dkms', 'rsync']
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/man/*', '/usr/share/info/*']

/** Where the kernels come from; apt checks what it fetches against Debian's keys. */
const SOURCES = [
  `deb ${MIRROR} trixie main`,
  `deb ${SECURITY} trixie-security main`,
  `deb ${MIRROR} bookworm main`,
  `deb ${SECURITY} bookworm-security main`,
  `deb ${MIRROR} sid main`,
]
/** Its Release may be older than it allows by the clock of a machine that has stood still. */
const APT_OPTIONS = ['Acquire::Check-Valid-Until "false";', 'Acquire::Check-Date "false";', 'APT::Install-Recommends "false";', 'APT::Sandbox::User "root";', 'Acquire::Languages "none";']

const MINUTES = 60_000
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', HOME: '/root' }

/**
 * Runs a command to its end, at low priority.
 * @param {string} command @param {readonly string[]} args @param {{ timeoutMs?: number }} [options]
 * @returns {{ ok: boolean, status: number | null, text: string }}
 */
export const run = (command, args, { timeoutMs = 15 * MINUTES } = {}) => {
  const { status, stdout, stderr, error } = spawnSync('nice', ['-n', '15', command, ...args], { encoding: 'utf8', timeout: timeoutMs, maxBuffer: 256 << 20, env: ENVIRONMENT })
  return { ok: status === 0, status, text: `${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`.trim() }
}

/** @param {string} text @param {number} [count] */
export const lastLines = (text, count = 8) => text.split('\n').slice(-count).join('\n')

/** @param {unknown} value */
export const keyOf = (value) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)

/** What this machine lacks; null where nothing. */
export const lacking = () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `needs Linux on x86-64, this is ${process.platform} on ${process.arch}`
  if (process.getuid?.() !== 0) return 'needs root for the build root and its mounts'
  return null
}

export const rootDir = join(cacheDir, `root-${keyOf([SUITE, PACKAGES, LEFT_OUT, SOURCES, APT_OPTIONS, 1])}`)

/** @returns {string | null} what went wrong, null where the root is there */
export const ensureRoot = () => {
  if (existsSync(join(rootDir, 'ready'))) return null
  for (const program of ['mmdebstrap', 'unshare', 'chroot']) if (!run('which', [program]).ok) return `needs ${program}`
  mkdirSync(cacheDir, { recursive: true })
  const fresh = `${rootDir}.${process.pid}`
  try {
    console.log(`building the root for kernel modules in ${rootDir}, once ...`)
    const options = ['--mode=root', '--variant=apt', '--format=directory', ...APT_OPTIONS.map((line) => `--aptopt=${line}`), `--include=${PACKAGES.join(',')}`, ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`)]
    const made = run('mmdebstrap', [...options, SUITE, fresh, MIRROR])
    if (!made.ok) return `needs a Debian mirror: mmdebstrap failed: ${lastLines(made.text)}`
    writeFileSync(join(fresh, 'etc/apt/sources.list'), `${SOURCES.join('\n')}\n`)
    writeFileSync(join(fresh, 'etc/apt/apt.conf.d/99kmod'), `${APT_OPTIONS.join('\n')}\n`)
    // Nothing of another suite gets into the root by itself: kernels are unpacked, not installed.
    writeFileSync(join(fresh, 'etc/apt/preferences.d/kmod'), 'Package: *\nPin: release n=trixie*\nPin-Priority: 990\n')
    writeFileSync(join(fresh, 'ready'), '')
    if (!existsSync(rootDir)) renameSync(fresh, rootDir)
    return null
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/**
 * Runs a shell script inside the root, with folders of the host at /mnt/NAME.
 * Mounts are this process's own and vanish with it.
 * @param {string} script
 * @param {{ binds?: Readonly<Record<string, string>>, timeoutMs?: number }} [options]
 */
export const inRoot = (script, { binds = {}, timeoutMs } = {}) => {
  const mounts = ['mount --rbind /proc "$1/proc"', 'mount --rbind /dev "$1/dev"', 'mount --bind /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true']
  for (const [name, folder] of Object.entries(binds)) {
    mkdirSync(join(rootDir, 'mnt', name), { recursive: true })
    mounts.push(`mount --bind '${folder}' "$1/mnt/${name}"`)
  }
  return run('unshare', ['-m', '--propagation', 'private', 'sh', '-c', `set -e\n${mounts.join('\n')}\nexec chroot "$1" sh -c "$2"`, 'sh', rootDir, script], timeoutMs === undefined ? {} : { timeoutMs })
}
