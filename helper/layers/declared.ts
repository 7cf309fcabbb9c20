import { traceFiles } from '../actions/trace/instance.ts'
import { cgroupFiles } from '../agents/cgroups/files.ts'
import { DROP_CACHES_PATH } from '../plan/paths.ts'
import { compressedSwapFiles } from './compressed-swap/files.ts'
import { kernelModuleFiles } from './kernel-module/files.ts'
import type { KernelFile } from './kernel-file.ts'
import { ksmFiles } from './ksm/files.ts'
import { tunableFiles } from './tunables/files.ts'

/** Every kernel file that any layer or action may write. */
export const declaredFiles: readonly KernelFile[] = [
  ...ksmFiles,
  ...compressedSwapFiles,
  { source: 'prune-cache', path: DROP_CACHES_PATH, values: /^[123]$/u, readable: false },
  ...kernelModuleFiles,
  ...tunableFiles,
  ...cgroupFiles,
  ...traceFiles,
]
