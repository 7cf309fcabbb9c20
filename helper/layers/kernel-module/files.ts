import { MODULE_WRITABLE, moduleParameterPath } from '../../plan/paths.ts'
import type { KernelFile } from '../kernel-file.ts'

/** docs/kernel-module.md: parameters that may be written while the module is loaded. */
export const kernelModuleFiles: readonly KernelFile[] = MODULE_WRITABLE.map(({ name }) => ({ source: 'kernel-module', path: moduleParameterPath(name), values: /^\d{1,20}$/u, readable: true }))
