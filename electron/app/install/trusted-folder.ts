import { lstatSync, readdirSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

const STICKY = 0o1000
const OTHERS_WRITE = 0o002

const alterable = (stat: Stats, uid: number): boolean => {
  // In a sticky folder (/tmp) others make files of their own and touch no one else's.
  const open = !stat.isSymbolicLink() && (stat.mode & OTHERS_WRITE) !== 0 && !(stat.isDirectory() && (stat.mode & STICKY) !== 0)
  return open || (uid !== 0 && stat.uid !== 0 && stat.uid !== uid)
}

/**
 * The first file or folder of the bundle, or folder above it, that another
 * user could change before its digest is taken; null where there is none. What
 * they put there would be shown, approved and installed for root. Of groups
 * nothing is said: on Debian and Ubuntu a user's own group has one member.
 */
export const alterableByOthers = (folder: string, uid: number): string | null => {
  const real = realpathSync(folder)
  for (let path = real; ; path = dirname(path)) {
    if (alterable(lstatSync(path), uid)) return path
    if (path === dirname(path)) break
  }
  for (const entry of readdirSync(real, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (alterable(lstatSync(path), uid)) return path
  }
  return null
}
