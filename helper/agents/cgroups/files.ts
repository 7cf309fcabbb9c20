import type { KernelFile } from '../../layers/kernel-file.ts'

/** Files of cgroup v2 that limits write, by the field of `Limits` that says them. */
export const LIMIT_FILES = {
  lowBytes: 'memory.low',
  highBytes: 'memory.high',
  maxBytes: 'memory.max',
  swapMaxBytes: 'memory.swap.max',
  zswapMaxBytes: 'memory.zswap.max',
} as const
export type LimitField = keyof typeof LIMIT_FILES

/** A whole number of bytes, or no limit. */
const AMOUNT = /^(?:max|\d{1,16})$/u

const file = (leaf: string, values: RegExp, readable = true): KernelFile => ({ source: 'agents', path: `/sys/fs/cgroup/**/${leaf}`, values, readable })

/**
 * What placing, freezing and limiting write. Any folder of the hierarchy is
 * declared, since a process goes back to where it came from; which folders and
 * which processes is decided by place.ts and limits.ts, and not by the caller.
 */
export const cgroupFiles: readonly KernelFile[] = [
  file('cgroup.procs', /^\d{1,7}$/u, false),
  { source: 'agents', path: '/sys/fs/cgroup/cgroup.procs', values: /^\d{1,7}$/u, readable: false },
  file('cgroup.freeze', /^[01]$/u),
  file('cgroup.subtree_control', /^\+memory$/u, false),
  ...Object.values(LIMIT_FILES).map((leaf) => file(leaf, AMOUNT)),
  // With how much to take from anonymous memory; kernels before 6.10 refuse the second word.
  file('memory.reclaim', /^\d{1,16}(?: swappiness=(?:max|\d{1,3}))?$/u, false),
]
