import { ZSWAP_FOLDER } from '../../plan/paths.ts'
import type { KernelFile } from '../kernel-file.ts'

const file = (path: string, values: RegExp, readable = true): KernelFile => ({ source: 'compressed-swap', path, values, readable })

/** docs/kernel-interfaces.md: admin-guide/mm/zswap.rst, admin-guide/blockdev/zram.rst. */
export const compressedSwapFiles: readonly KernelFile[] = [
  file(`${ZSWAP_FOLDER}/enabled`, /^[YN]$/u),
  file(`${ZSWAP_FOLDER}/compressor`, /^[a-z0-9_-]{1,64}$/u),
  file(`${ZSWAP_FOLDER}/max_pool_percent`, /^(100|\d{1,2})$/u),
  file(`${ZSWAP_FOLDER}/shrinker_enabled`, /^[YN]$/u),
  file('/sys/block/zram#/comp_algorithm', /^[a-z0-9_-]{1,64}$/u),
  file('/sys/block/zram#/disksize', /^\d{1,16}$/u),
  file('/sys/block/zram#/reset', /^1$/u, false),
  file('/sys/class/zram-control/hot_remove', /^\d{1,3}$/u, false),
]

export const zramFolder = (name: string): string => `/sys/block/${name}`

/** "zram3" of "/dev/zram3"; null for any other path. */
export const zramOfNode = (node: string): string | null => /^\/dev\/(zram\d{1,3})$/u.exec(node)?.[1] ?? null
