import { DROP_CACHES_PATH } from '../plan/paths.ts'
import { compressedSwapFiles } from './compressed-swap/files.ts'
import type { KernelFile } from './kernel-file.ts'
import { ksmFiles } from './ksm/files.ts'

/** Every kernel file that any layer or action may write. */
export const declaredFiles: readonly KernelFile[] = [
  ...ksmFiles,
  ...compressedSwapFiles,
  { source: 'prune-cache', path: DROP_CACHES_PATH, values: /^[123]$/u, readable: false },
  // The amount is the cgroup's own size at most; the caller's processes were checked to be all that is in it.
  { source: 'reclaim', path: '/sys/fs/cgroup/**/memory.reclaim', values: /^\d{1,16}$/u, readable: false },
]
