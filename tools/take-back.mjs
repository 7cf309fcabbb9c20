/**
 * What a test or bench that was killed with its machine still running may have
 * left: an installed helper with settings of the kernel changed, folders. They
 * are given back by the installed program itself, which knows what it changed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
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
}
