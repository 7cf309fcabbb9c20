import { existsSync } from 'node:fs'
import { readText, under } from '../../observe/files.ts'
import { parseCgroupLines, readCgroupLayout } from '../../observe/cgroup.ts'

/** What the machine's cgroups allow; every folder as a path of the file system. */
export interface CgroupPlaces {
  /** Where cgroup v2 is mounted: "/sys/fs/cgroup", or "/sys/fs/cgroup/unified" beside v1. */
  readonly mount: string
  /** Whether memory is accounted and limited in v2. */
  readonly memory: boolean
  /** systemd owns the tree: only its API makes units. */
  readonly systemd: boolean
}

/** null where there is no cgroup v2 to freeze in. */
export const readCgroupPlaces = (root: string): CgroupPlaces | null => {
  const layout = readCgroupLayout(root)
  if (layout.v2Mount === null) return null
  // As sd_booted(3) says it.
  return { mount: layout.v2Mount, memory: layout.memoryController, systemd: existsSync(under(root, '/run/systemd/system')) }
}

/** The v2 path of a process as /proc has it ("/user.slice/..."); null when it is gone or outside of what we can see. */
export const cgroupPathOf = (root: string, pid: number): string | null => {
  const text = readText(under(root, `/proc/${pid}/cgroup`), 'vanished').value
  if (text === null) return null
  const path = parseCgroupLines(text).find((line) => line.hierarchy === 0)?.path
  // "/../x" is seen from inside a cgroup namespace; " (deleted)" is one that was removed.
  return path === undefined || path.split('/').includes('..') || path.endsWith(' (deleted)') ? null : path
}

/** A path of /proc as a folder below the mount. */
export const folderOf = (mount: string, path: string): string => (path === '/' ? mount : `${mount}${path}`)

export const userSlice = (uid: number): string => `/user.slice/user-${uid}.slice`
export const userManagerUnit = (uid: number): string => `${userSlice(uid)}/user@${uid}.service`

/** Whether the user's manager goes on without a session (`loginctl enable-linger`). */
export const lingers = (root: string, userName: string): boolean => existsSync(under(root, `/var/lib/systemd/linger/${userName}`))
