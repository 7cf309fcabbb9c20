import type { KernelFiles } from '../change/write.ts'
import type { Result } from '../contract/errors.ts'
import { fail, ok } from '../contract/result.ts'
import type { SystemResponse } from '../contract/requests.ts'
import type { SystemTools } from '../layers/compressed-swap/system-tools.ts'
import { machineMemory, readMeminfo } from '../observe/meminfo.ts'
import { DROP_CACHES_PATH } from '../plan/paths.ts'

export interface PruneCacheOptions {
  root: string
  kernel: KernelFiles
  tools: Pick<SystemTools, 'sync'>
  level: 1 | 2 | 3
}

const availableBytes = (root: string): number | null => {
  const fields = readMeminfo(root)
  return fields.value === null ? null : machineMemory(fields.value).availableBytes
}

/** sync, then drop_caches. What was won is the change of MemAvailable, which counts clean cache as available already: mostly small. */
export const pruneCache = async ({ root, kernel, tools, level }: PruneCacheOptions): Promise<Result<SystemResponse<'DropCaches'>>> => {
  const startedMs = performance.now()
  const synced = await tools.sync()
  if (!synced.ok) return synced
  const availableBeforeBytes = availableBytes(root)
  const written = await kernel.write(DROP_CACHES_PATH, String(level))
  if (!written.ok) return written
  const availableAfterBytes = availableBytes(root)
  if (availableBeforeBytes === null || availableAfterBytes === null) return fail('not-supported', '/proc/meminfo could not be read.', { about: '/proc/meminfo' })
  return ok({ availableBeforeBytes, availableAfterBytes, tookMs: performance.now() - startedMs })
}
