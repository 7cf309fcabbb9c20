import { statfsSync, statSync } from 'node:fs'
import type { z } from 'zod'
import type { memoryFileSystemSchema } from '../../contract/evidence.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { listNames, missingFrom, readLink, under } from '../files.ts'
import type { Mount } from '../mounts.ts'
import type { Captured } from './captured.ts'

type MemoryFileSystem = z.infer<typeof memoryFileSystemSchema>
type Sizes = Pick<MemoryFileSystem, 'usedBytes' | 'sizeBytes'>

const TYPES = new Set<string>(['tmpfs', 'ramfs', 'devtmpfs', 'hugetlbfs'] satisfies MemoryFileSystem['type'][])
const isMemoryType = (type: string): type is MemoryFileSystem['type'] => TYPES.has(type)

const uncounted = missing('not-supported', 'ramfs does not count its pages')

const sizesOf = (folder: string): Sizes => {
  try {
    const { blocks, bfree, bsize } = statfsSync(folder)
    // Without a size= a tmpfs may hold anything: 0 blocks.
    return { usedBytes: known((blocks - bfree) * bsize), sizeBytes: blocks === 0 ? missing('not-measured', 'no limit') : known(blocks * bsize) }
  } catch (error) {
    const why = missingFrom(error, folder, 'vanished')
    return { usedBytes: why, sizeBytes: why }
  }
}

const deviceOf = (folder: string): number | null => {
  try {
    return statSync(folder).dev
  } catch {
    return null // not ours to look at: told apart by folder alone
  }
}

/** Every mount whose files are memory; one that is mounted in several places counts once, one that is hidden not at all. */
export const readMemoryFileSystems = (mounts: readonly Mount[], captured: Captured | null): MemoryFileSystem[] => {
  const top = new Map(mounts.map((mount) => [mount.folder, mount]))
  const seen = new Set<number>()
  return [...top.values()].flatMap(({ folder, type }): MemoryFileSystem[] => {
    if (!isMemoryType(type)) return []
    if (captured !== null) {
      const sizes = captured.fileSystems[folder]
      const unknown = missing('not-measured', 'not captured')
      return [{ folder, type, usedBytes: sizes === undefined ? unknown : known(sizes.usedBytes), sizeBytes: sizes === undefined ? unknown : known(sizes.sizeBytes) }]
    }
    const device = deviceOf(folder)
    if (device !== null && seen.has(device)) return []
    if (device !== null) seen.add(device)
    return [{ folder, type, ...(type === 'ramfs' ? { usedBytes: uncounted, sizeBytes: uncounted } : sizesOf(folder)) }]
  })
}

/**
 * Memory files (memfd) a process has open, by the pages they hold, each file
 * once. Looks at every descriptor, so it is asked only where memory files can
 * matter; see `memoryFilesMatter`.
 */
export const readMemoryFiles = (root: string, pid: number, captured: Captured | null): Reading => {
  if (captured !== null) {
    const bytes = captured.memoryFiles[String(pid)]
    return bytes === undefined ? missing('not-measured', 'not captured') : known(bytes)
  }
  const folder = under(root, `/proc/${pid}/fd`)
  const names = listNames(folder, 'vanished')
  if (names.value === null) return names
  const files = new Map<string, number>()
  for (const name of names.value) {
    const target = readLink(`${folder}/${name}`, 'vanished', false).value
    if (target === null || !target.startsWith('/memfd:')) continue
    try {
      const { dev, ino, blocks } = statSync(`${folder}/${name}`)
      files.set(`${dev} ${ino}`, blocks * 512)
    } catch {
      // Closed in between: it holds nothing any more for this process.
    }
  }
  return known([...files.values()].reduce((sum, bytes) => sum + bytes, 0))
}

/** Below this, whatever memory files hold is nobody's problem. */
const LEAST_BYTES = 32 * 1024 * 1024

/** Shared memory that no tmpfs accounts for: at most so much is in memory files, System V segments and shared mappings. */
export const memoryFilesMatter = (meminfo: Readonly<Record<string, number>>, fileSystems: readonly MemoryFileSystem[]): boolean => {
  const tmpfs = fileSystems.reduce((sum, { type, usedBytes }) => sum + (type === 'hugetlbfs' ? 0 : (usedBytes.value ?? 0)), 0)
  return (meminfo['Shmem'] ?? 0) - tmpfs >= LEAST_BYTES
}
