/** Which Debian or Ubuntu packages a command needs, seen by looking for their programs. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { say } from './toolchain.mjs'

/** @typedef {{ package: string, paths: string[], why: string }} Need */

/** @type {Need[]} */
export const startNeeds = [
  { package: 'gcc', paths: ['/usr/bin/gcc', '/usr/bin/cc'], why: 'to build the native programs' },
  { package: 'libc6-dev', paths: ['/usr/include/stdio.h'], why: 'to build the native programs' },
  { package: 'libssl-dev', paths: ['/usr/include/openssl/sha.h'], why: 'to build the native programs' },
  { package: 'libzstd-dev', paths: ['/usr/include/zstd.h'], why: 'to build the native programs' },
  { package: 'liburing-dev', paths: ['/usr/include/liburing.h'], why: 'to build the native programs' },
  { package: 'libxxhash-dev', paths: ['/usr/include/xxhash.h'], why: 'to build the native programs' },
  { package: 'dbus', paths: ['/usr/bin/dbus-daemon'], why: 'for the window to reach the helper' },
]

/** @type {Need[]} */
export const testNeeds = [
  ...startNeeds,
  { package: 'chromium', paths: ['/usr/bin/chromium'], why: 'for the window tests' },
  { package: 'polkitd', paths: ['/usr/lib/polkit-1/polkitd', '/usr/libexec/polkitd'], why: 'for the authorisation tests' },
  { package: 'pkexec', paths: ['/usr/bin/pkexec'], why: 'to install the helper as a user does' },
  { package: 'tmux', paths: ['/usr/bin/tmux'], why: 'for the terminals of real agents' },
  { package: 'git', paths: ['/usr/bin/git'], why: 'for the project folders of real agents' },
  { package: 'iproute2', paths: ['/usr/sbin/ip', '/sbin/ip'], why: 'for a network of loopback only' },
  { package: 'util-linux', paths: ['/usr/bin/unshare'], why: 'for namespaces and swap' },
  { package: 'smem', paths: ['/usr/bin/smem'], why: 'to measure beside it' },
  { package: 'poppler-utils', paths: ['/usr/bin/pdftotext'], why: 'to read the PDF report back' },
  { package: 'zsh', paths: ['/usr/bin/zsh', '/bin/zsh'], why: 'to press Tab in it' },
  { package: 'fish', paths: ['/usr/bin/fish'], why: 'to press Tab in it' },
  { package: 'qemu-system-x86', paths: ['/usr/bin/qemu-system-x86_64'], why: 'for a virtual machine with systemd' },
  { package: 'mmdebstrap', paths: ['/usr/bin/mmdebstrap'], why: 'to build that virtual machine' },
  { package: 'e2fsprogs', paths: ['/usr/sbin/mke2fs', '/sbin/mke2fs'], why: 'to build that virtual machine' },
  { package: 'python3', paths: ['/usr/bin/python3'], why: 'for programs that need much memory' },
  { package: 'clang', paths: ['/usr/bin/clang'], why: 'to fuzz by what is reached' },
  { package: 'libclang-rt-dev', paths: Array.from({ length: 12 }, (_, at) => `/usr/lib/clang/${14 + at}/lib/linux/libclang_rt.fuzzer-x86_64.a`), why: 'to fuzz by what is reached' },
  { package: 'procps', paths: ['/usr/bin/ps'], why: 'for the agents under test' },
]

/** @param {Need[]} needs */
export const missingPackages = (needs) => needs.filter((need) => !need.paths.some((path) => existsSync(path)))

/**
 * Installs what is missing where this is root, else prints the one line for it.
 * @param {Need[]} needs
 * @returns {Need[]} what is still missing
 */
export const ensurePackages = (needs) => {
  const missing = missingPackages(needs)
  if (missing.length === 0) return []
  const names = missing.map((need) => need.package)
  const reasons = [...new Set(missing.map((need) => need.why))].join(', ')
  if (!existsSync('/usr/bin/apt-get')) {
    say(`Something is missing (${reasons}). Debian calls the packages ${names.join(' ')}; install yours with your distribution's package manager.`)
    return missing
  }
  if (process.getuid?.() !== 0) {
    say(`Something is missing (${reasons}). This installs it:\n  sudo apt install ${names.join(' ')}`)
    return missing
  }
  say(`Installing ${names.join(' ')} ...`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () => spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...names], { encoding: 'utf8', env })
  let result = install()
  if (result.status !== 0) {
    spawnSync('apt-get', ['update'], { encoding: 'utf8', env })
    result = install()
  }
  if (result.status !== 0) say(`apt-get could not install them:\n${result.stderr.trim().split('\n').slice(-5).join('\n')}`)
  return missingPackages(needs)
}
