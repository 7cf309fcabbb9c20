import { accessSync, constants, lstatSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

const FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'] as const

const GROUP_OR_OTHERS_WRITE = 0o022

/** Whether only root can change what stands here: the file, each folder above it. A sticky folder is none. */
const isRoots = (path: string): boolean => {
  const info = lstatSync(path)
  if (info.uid !== 0 || (!info.isSymbolicLink() && (info.mode & GROUP_OR_OTHERS_WRITE) !== 0)) return false
  return path === '/' || isRoots(dirname(path))
}

/**
 * A program by its name, from folders of the system alone: root's, writable by
 * root only, on every step of the way, links included. Null where there is none.
 */
export const trustedProgram = (name: 'perf' | 'bpftrace' | 'setpriv', folders: readonly string[] = FOLDERS): string | null => {
  for (const folder of folders) {
    const path = `${folder}/${name}`
    try {
      const real = realpathSync(path)
      const info = statSync(real)
      accessSync(real, constants.X_OK)
      if (info.isFile() && isRoots(path) && isRoots(real)) return real
    } catch {
      // Not here, or not to be had.
    }
  }
  return null
}
