/** Which Debian or Ubuntu packages a command needs, seen by looking for their programs. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { say } from './toolchain.mjs'

/** @typedef {{ package: string, paths: string[], why: string }} Need */

/** @type {Need[]} */
export const startNeeds = [
  { package: 'gcc', paths: ['/usr/bin/gcc', '/usr/bin/cc'], why: 'builds the two small native programs' },
  { package: 'libc6-dev', paths: ['/usr/include/stdio.h'], why: 'headers for them' },
  { package: 'dbus', paths: ['/usr/bin/dbus-daemon'], why: 'how the window reaches the helper' },
]

/** @type {Need[]} */
export const testNeeds = [
  ...startNeeds,
  { package: 'chromium', paths: ['/usr/bin/chromium'], why: 'window tests' },
  { package: 'polkitd', paths: ['/usr/lib/polkit-1/polkitd', '/usr/libexec/polkitd'], why: 'authorisation tests' },
  { package: 'tmux', paths: ['/usr/bin/tmux'], why: 'terminals of the real agents' },
  { package: 'git', paths: ['/usr/bin/git'], why: 'project folders of the real agents' },
  { package: 'iproute2', paths: ['/usr/sbin/ip', '/sbin/ip'], why: 'a network namespace with loopback only' },
  { package: 'util-linux', paths: ['/usr/bin/unshare'], why: 'namespaces, swap' },
  { package: 'smem', paths: ['/usr/bin/smem'], why: 'the peer of the observe bench' },
  { package: 'poppler-utils', paths: ['/usr/bin/pdftotext'], why: 'reading the PDF report back' },
  { package: 'procps', paths: ['/usr/bin/ps'], why: 'used by the agents under test' },
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
  if (!existsSync('/usr/bin/apt-get')) {
    say(`Missing: ${missing.map((need) => `${need.package} (${need.why})`).join(', ')}. Install them with your distribution's package manager.`)
    return missing
  }
  if (process.getuid?.() !== 0) {
    say(`Missing, for ${[...new Set(missing.map((need) => need.why))].join('; ')}:\n  sudo apt install ${names.join(' ')}`)
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
