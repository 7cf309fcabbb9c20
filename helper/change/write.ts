import { constants, promises as files, mkdirSync, readlinkSync, realpathSync, rmdirSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import { missing, known } from '../contract/known.ts'
import type { Reading } from '../contract/reading.ts'
import { declaredFiles } from '../layers/declared.ts'
import type { KernelFile } from '../layers/kernel-file.ts'
import { readText, under } from '../observe/files.ts'
import { presentValue } from '../plan/present.ts'

/** The only way the helper reaches kernel files that can be written. */
export interface KernelFiles {
  /** The value a declared file holds now; of a list of choices the chosen one. */
  read(path: string): Reading<string>
  /** One write(2) of `value`; nothing is created, truncated or followed. */
  write(path: string, value: string): Promise<Result<null>>
  /** Makes the folder of a cgroup or tracing instance of ours; a cgroup that is there is well. */
  makeGroup(folder: string): Result<null>
  /** Removes such a folder once nothing is in it; one that is gone is well. */
  removeGroup(folder: string): Result<null>
}

export interface KernelFilesOptions {
  /** "/" or a captured tree. */
  root: string
  allowed?: readonly KernelFile[]
  /** Hears every write as "/sys/kernel/mm/ksm/run <- 1", before it is made. */
  onWrite?: (line: string) => void
  /** Nothing is written; what would have been is what reading then gives. */
  recordOnly?: boolean
}

const SEGMENT = '[A-Za-z0-9_.@:\\\\-]{1,255}'
// sysfs, procfs, cgroup2, tracefs: what statfs(2) says of the file systems these files are on.
const CGROUP2 = 0x6367_7270
const TRACEFS = 0x7472_6163
const KERNEL_FILE_SYSTEMS = new Set([0x6265_6572, 0x9fa0, CGROUP2, TRACEFS])

const pattern = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split('/')
      .map((part) => (part === '**' ? `${SEGMENT}(?:/${SEGMENT}){0,15}` : part.replace(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`).replace('##', String.raw`\d{1,10}`).replace('#', String.raw`\d{1,3}`)))
      .join('/')}$`,
    'u',
  )

/**
 * The declared file that `path` is; null for any other. A path is compared as
 * it stands: one with "." or ".." segments or doubled slashes is none.
 */
export const declaredFile = (path: string, allowed: readonly KernelFile[] = declaredFiles): KernelFile | null => {
  if (!path.startsWith('/') || path.slice(1).split('/').some((part) => part === '' || part === '.' || part === '..')) return null
  return allowed.find((file) => pattern(file.path).test(path)) ?? null
}

/** Cgroups that are ours to make and remove: those below an `agentmem.slice` at the top of the v2 hierarchy, and leaves of agents' own scopes. */
const OUR_GROUP = [
  /^\/sys\/fs\/cgroup(?:\/unified)?\/agentmem\.slice(?:\/u\d{1,10}(?:\/agent-\d{1,7}-\d{1,20}(?:\/(?:main|tools))?)?)?$/u,
  /^\/sys\/fs\/cgroup(?:\/unified)?\/(?:[A-Za-z0-9_.@:\\-]+\/){1,12}agent-[A-Za-z0-9_:-]{1,80}\.scope\/(?:main|tools)$/u,
]

/** Tracing of ours, apart from everybody else's: one rmdir takes all of it away. */
const OUR_INSTANCE = /^\/sys\/kernel\/tracing\/instances\/agentmem-\d{1,10}$/u

/** Whether a folder is one that `makeGroup` and `removeGroup` take. */
export const isOurGroup = (folder: string): boolean => [...OUR_GROUP, OUR_INSTANCE].some((known) => known.test(folder)) && !folder.split('/').some((part) => part === '.' || part === '..')

const notOurGroup = (folder: string): Result<null> => fail('write-refused', `${folder} is not a cgroup or tracing instance of ours.`, { about: folder, expected: 'a folder below agentmem.slice, a leaf of an agent\'s scope, or a tracing instance' })

/** Block devices are links into /sys/devices; every other file must be exactly where its path says. */
const realPathFits = (real: string, root: string, path: string): boolean => {
  const base = root === '/' ? '' : root
  const device = /^\/sys\/block\/(zram\d{1,3})\/(\w+)$/u.exec(path)
  if (real === `${base}${path}`) return true
  return device !== null && real === `${base}/sys/devices/virtual/block/${device[1]}/${device[2]}`
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error))

const REFUSALS: Record<string, string> = {
  EINVAL: 'the kernel does not accept this value',
  EBUSY: 'it is in use',
  EPERM: 'permission is denied',
  EACCES: 'permission is denied',
  ENOENT: 'this kernel has no such file or choice',
  ELOOP: 'a link stands where the file should be',
  ENOMEM: 'there is not enough memory for it',
  EAGAIN: 'the kernel could do only a part of it',
  EROFS: 'the file system is read-only',
  ENOTEMPTY: 'something is still in it',
  ESRCH: 'the process has ended',
  ENODEV: 'the cgroup is gone',
  EOPNOTSUPP: 'the cgroup takes no processes of this kind',
}

const openChecked = async (root: string, path: string): Promise<Result<files.FileHandle>> => {
  let handle: files.FileHandle
  try {
    handle = await files.open(under(root, path), constants.O_WRONLY | constants.O_NOFOLLOW)
  } catch (error) {
    const code = codeOf(error)
    return fail(code === 'ENOENT' ? 'not-supported' : 'write-refused', `${path} could not be opened: ${REFUSALS[code] ?? code}.`, { about: path, got: code })
  }
  const own = `/proc/self/fd/${handle.fd}`
  const stat = await handle.stat()
  const fits = stat.isFile() && realPathFits(readlinkSync(own), root, path) && (root !== '/' || KERNEL_FILE_SYSTEMS.has(statfsSync(own).type))
  if (fits) return ok(handle)
  await handle.close()
  return fail('write-refused', `${path} is not the kernel file it should be; nothing was written.`, { about: path, got: 'another file' })
}

/** The one writer of kernel files. Only paths and values that a layer declares get through. */
export const createKernelFiles = ({ root: givenRoot, allowed = declaredFiles, onWrite, recordOnly = false }: KernelFilesOptions): KernelFiles => {
  const root = givenRoot === '/' ? '/' : join(givenRoot, '.').replace(/\/$/u, '')
  const recorded = new Map<string, string>()
  const changeGroup = (folder: string, what: string, fine: string, doIt: (path: string) => void): Result<null> => {
    if (!isOurGroup(folder)) return notOurGroup(folder)
    onWrite?.(`${what} ${folder}`)
    if (recordOnly) return ok(null)
    const parent = dirname(folder)
    try {
      // Like openChecked: no link on the way, and a cgroup file system below the real root.
      const real = realpathSync(under(root, parent))
      if (real !== under(root, parent) || (root === '/' && statfsSync(real).type !== (OUR_INSTANCE.test(folder) ? TRACEFS : CGROUP2))) return fail('write-refused', `${parent} is not the folder it should be; nothing was changed.`, { about: folder, got: real })
      doIt(under(root, folder))
      return ok(null)
    } catch (error) {
      const code = codeOf(error)
      if (code === fine || (what === 'rmdir' && code === 'ENOENT')) return ok(null)
      return fail(code === 'ENOENT' ? 'not-supported' : 'write-refused', `${what} ${folder}: ${REFUSALS[code] ?? code}.`, { about: folder, got: code })
    }
  }
  return {
    read: (path) => {
      const file = declaredFile(path, allowed)
      if (file === null) return missing('not-permitted', `${path} is declared by no layer`)
      const before = recorded.get(path)
      if (before !== undefined) return known(before)
      if (!file.readable) return missing('not-supported', `${path} cannot be read back`)
      const text = readText(under(root, path))
      return text.value === null ? text : known(presentValue(text.value))
    },
    write: async (path, value) => {
      const file = declaredFile(path, allowed)
      if (file === null) return fail('write-refused', `${path} is not a file this program may write.`, { about: path, expected: 'a file that a layer declares', got: path })
      if (!file.values.test(value)) return fail('write-refused', `${path} is never given this value.`, { about: path, expected: String(file.values), got: value.slice(0, 64) })
      onWrite?.(`${path} <- ${value}`)
      if (recordOnly) {
        recorded.set(path, value)
        return ok(null)
      }
      const opened = await openChecked(root, path)
      if (!opened.ok) return opened
      try {
        // A captured tree holds plain files, which keep what is beyond the new
        // text: line ends cover it, in the one write that a kill cannot halve.
        const text = root === '/' ? value : value.padEnd((await opened.value.stat()).size, '\n')
        await opened.value.write(text)
        return ok(null)
      } catch (error) {
        const code = codeOf(error)
        return fail('write-refused', `The kernel refused to set ${path} to ${value}: ${REFUSALS[code] ?? code}.`, { about: path, expected: value, got: code })
      } finally {
        await opened.value.close()
      }
    },
    makeGroup: (folder) => changeGroup(folder, 'mkdir', 'EEXIST', mkdirSync),
    removeGroup: (folder) => changeGroup(folder, 'rmdir', 'ENOENT', rmdirSync),
  }
}
