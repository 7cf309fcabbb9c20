import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { MODULE_NAME } from '../contract/kernel-module.ts'
import { listNames, readText, under } from './files.ts'

/** No module of ours is larger, with all that debugging adds. */
const LIMIT_BYTES = 32 * 1024 * 1024
const FILE = new RegExp(String.raw`(?:^|/)${MODULE_NAME}\.ko(?:\.(?:xz|zst|gz))?$`, 'u')
/** Where DKMS puts what it built, on Debian and Ubuntu, and elsewhere. */
const DKMS_FOLDERS = ['updates/dkms', 'extra', 'updates']

const modulesFolder = (release: string): string => join('/lib/modules', release)

/** The file that modprobe would load, by modules.dep; null where there is none. */
export const moduleFile = (root: string, release: string): string | null => {
  for (const line of (readText(under(root, join(modulesFolder(release), 'modules.dep'))).value ?? '').split('\n')) {
    const path = line.slice(0, line.indexOf(':'))
    if (FILE.test(path)) return path.startsWith('/') ? path : join(modulesFolder(release), path)
  }
  return null
}

/** Other kernels for which the module was built. */
export const builtForOthers = (root: string, release: string): string[] =>
  (listNames(under(root, '/lib/modules')).value ?? [])
    .filter((other) => other !== release && DKMS_FOLDERS.some((folder) => (listNames(under(root, join('/lib/modules', other, folder))).value ?? []).some((name) => FILE.test(name))))
    .toSorted()

export interface ModuleFacts {
  /** Release of the kernel it was made for; null where it is not told (xz is not unpacked here). */
  readonly builtFor: string | null
  readonly version: string | null
  readonly signed: boolean | null
}

const SIGNATURE = '~Module signature appended~\n'
const unknown: ModuleFacts = { builtFor: null, version: null, signed: null }

/** What .modinfo and the end of a module's file say. */
export const factsOf = (bytes: Buffer): ModuleFacts => {
  const field = (name: string): string | null => {
    // .modinfo is text between zero bytes.
    const at = bytes.indexOf(`\0${name}=`, 0, 'latin1')
    const from = at + name.length + 2
    return at === -1 ? null : bytes.toString('latin1', from, bytes.indexOf(0, from))
  }
  return { builtFor: field('vermagic')?.split(' ')[0] ?? null, version: field('version'), signed: bytes.subarray(-SIGNATURE.length).equals(Buffer.from(SIGNATURE)) }
}

const unpack = (path: string, bytes: Buffer): Buffer | null => {
  if (path.endsWith('.gz')) return gunzipSync(bytes, { maxOutputLength: LIMIT_BYTES })
  if (path.endsWith('.zst')) return zstdDecompressSync(bytes, { maxOutputLength: LIMIT_BYTES })
  return path.endsWith('.xz') ? null : bytes
}

const cache = new Map<string, ModuleFacts>()

/** Kept by size and time of the file: it is half a megabyte to read. */
export const readModuleFacts = (root: string, path: string): ModuleFacts => {
  const real = under(root, path)
  try {
    const { size, mtimeMs } = statSync(real)
    const key = `${real}\n${size}\n${mtimeMs}`
    const before = cache.get(key)
    if (before !== undefined) return before
    const bytes = size > LIMIT_BYTES ? null : unpack(path, readFileSync(real))
    const facts = bytes === null ? unknown : factsOf(bytes)
    cache.clear()
    cache.set(key, facts)
    return facts
  } catch {
    // Not readable, or not what its name says: modprobe says more when it is tried.
    return unknown
  }
}
