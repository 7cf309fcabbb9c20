import type { SourceId } from '../contract/layers.ts'

/** A kernel file that a layer or an action declares: the one writer refuses every other path and value. */
export interface KernelFile {
  source: SourceId | 'agents' | 'trace'
  /**
   * Absolute path. `#` stands for one to three digits, `##` for one to ten; `**` for the segments of
   * a cgroup's folder. Nothing else is a pattern.
   */
  path: string
  /** What may be written, by do or by undo. */
  values: RegExp
  /** False for files that show nothing sensible when read (reset, drop_caches). */
  readable: boolean
}
