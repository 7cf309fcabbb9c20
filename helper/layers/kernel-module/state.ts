import type { KernelModule } from '../../contract/kernel-module.ts'
import { readText, under } from '../../observe/files.ts'
import { readKernelModule } from '../../observe/kernel-module.ts'
import { readKernelRelease } from '../../observe/kernel.ts'
import { MODULE_WRITABLE, moduleParameterPath } from '../../plan/paths.ts'

export const readModule = (root: string): KernelModule => readKernelModule(root, readKernelRelease(root))

/** Bytes its backing file may take; 0: it has none. */
export const backingOf = (module: KernelModule): number => module.stats?.totals.backing?.mostBytes ?? 0

/** Value of a parameter of the loaded module; null where it is not loaded. */
export const readParameter = (root: string, name: Parameters<typeof moduleParameterPath>[0]): string | null => readText(under(root, moduleParameterPath(name))).value?.trim() ?? null

/** "compressor=zstd warm_after_ms=300000 ... backing=0": what it takes to load it again as it is. */
export const describeModule = (root: string): string =>
  [
    ...['compressor' as const, ...MODULE_WRITABLE.map(({ name }) => name)].flatMap((name) => {
      const value = readParameter(root, name)
      return value === null ? [] : [`${name}=${value}`]
    }),
    `backing=${backingOf(readModule(root))}`,
  ].join(' ')
