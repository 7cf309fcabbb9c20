/**
 * What a test or bench that was killed with its machine still running may have
 * left: an installed helper with settings of the kernel changed, folders. They
 * are given back by the installed program itself, which knows what it changed.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './toolchain.mjs'

const PARENT = '/var/tmp'
const OURS = /^agentmem-(?:installed|bench|chaos)-\w+$/u
/** What has just been made may not be used by any process yet. */
const YOUNG_MS = 60_000

/** @param {string} path */
const readOr = (path) => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // ended meanwhile, or a kernel thread's
  }
}

/** Whether a process that runs was started with this folder's name, or in it. @param {string} folder */
const isInUse = (folder) =>
  readdirSync('/proc').some((name) => /^\d+$/u.test(name) && (readOr(`/proc/${name}/cmdline`).includes(folder) || readOr(`/proc/${name}/environ`).includes(folder)))

const LOCK = '/tmp/agentmem-kernel.lock'
/** Swap that a test makes itself, past the helper, has this label: 16 bytes from byte 1052 of its first page. */
const SWAP_LABEL = 'agentmem-test'
const LABEL_AT = 1052

/** @param {string} device */
const labelOf = (device) => {
  const bytes = Buffer.alloc(16)
  const file = openSync(device, 'r')
  try {
    readSync(file, bytes, 0, bytes.length, LABEL_AT)
  } finally {
    closeSync(file)
  }
  return bytes.toString('latin1').replace(/\0.*$/su, '')
}

const removeSwap = () => {
  // Somebody's test holds the kernel's settings just now.
  if (spawnSync('flock', ['--nonblock', LOCK, 'true']).status !== 0) return
  for (const [, device = '', name] of readOr('/proc/swaps').matchAll(/^(\/dev\/(zram\d+))\s/gmu)) {
    if (labelOf(device) !== SWAP_LABEL) continue
    say(`An earlier test left ${device} in use as swap: taking it away.`)
    if (spawnSync('swapoff', [device]).status === 0) writeFileSync(`/sys/block/${name}/reset`, '1')
  }
}

/** Where swap files lie; a helper that is killed while it makes one leaves the folders. */
const STATE = ['/var/lib/agentmem/swap', '/var/lib/agentmem']

const removeState = () => {
  if (existsSync('/usr/lib/agentmem') || spawnSync('flock', ['--nonblock', LOCK, 'true']).status !== 0) return
  for (const folder of STATE) {
    // Whatever is in it is somebody's.
    if (!existsSync(folder)) continue
    if (readdirSync(folder).length > 0) return
    say(`An earlier test left ${folder} behind, empty: removing it.`)
    rmdirSync(folder)
  }
}

/** Users that tests made carry the number of the process that made them. */
const USER = /^(?<name>agentmem-e2e-(?<pid>\d+)):/u

const removeUsers = () => {
  for (const line of readOr('/etc/passwd').split('\n')) {
    const { name, pid } = USER.exec(line)?.groups ?? {}
    if (name === undefined || existsSync(`/proc/${pid}`)) continue
    say(`An earlier test left the user ${name}: ending its programs and removing it.`)
    spawnSync('pkill', ['-KILL', '-u', name])
    spawnSync('userdel', [name])
  }
}

/**
 * Gives back what is left of runs that ended without cleaning up; says what it
 * did. Does nothing for ordinary users, who can leave nothing behind, and
 * leaves alone what is in use.
 */
export const takeBackLeftovers = () => {
  if (process.getuid?.() !== 0 || !existsSync(PARENT)) return
  for (const name of readdirSync(PARENT).filter((one) => OURS.test(one))) {
    const folder = join(PARENT, name)
    if (Date.now() - statSync(folder).mtimeMs < YOUNG_MS || isInUse(folder)) continue
    const script = join(folder, 'usr/lib/agentmem/install.sh')
    if (existsSync(script)) {
      say(`An earlier test left ${folder} installed: uninstalling it, which gives back what it changed.`)
      const result = spawnSync('sh', [script, 'uninstall'], { encoding: 'utf8', env: { ...process.env, DESTDIR: folder, KERNEL_ROOT: '/' }, timeout: 180_000 })
      if (result.status !== 0) {
        say(`It could not be uninstalled and stays:\n${result.stdout}${result.stderr}`)
        continue
      }
      say(result.stdout.trim())
    }
    rmSync(folder, { recursive: true, force: true })
  }
  removeUsers()
  removeSwap()
  removeState()
}
