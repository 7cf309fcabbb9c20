import type { Rule } from '../rule.ts'
import { agents } from './agents.ts'
import { cgroups } from './cgroups.ts'
import { fragmentation } from './fragmentation.ts'
import { hardening } from './hardening.ts'
import { hugePages } from './huge-pages.ts'
import { ksmRules } from './ksm.ts'
import { leaks } from './leaks.ts'
import { memoryFiles } from './memory-files.ts'
import { numa } from './numa.ts'
import { pageCache } from './page-cache.ts'
import { pressureReclaim } from './pressure-reclaim.ts'
import { pressureStalls } from './pressure-stalls.ts'
import { pressureThrashing } from './pressure-thrashing.ts'
import { rivals } from './rivals.ts'
import { slab } from './slab.ts'
import { swapCompressed } from './swap-compressed.ts'
import { swapSpace } from './swap-space.ts'
import { virtualMemory } from './virtual-memory.ts'

/** Every rule, by topic; docs/diagnosis.md lists them with their limits. */
export const rules: readonly Rule[] = [
  ...pressureStalls, ...pressureReclaim, ...pressureThrashing,
  ...swapSpace, ...swapCompressed,
  ...pageCache, ...fragmentation, ...hugePages, ...ksmRules, ...slab,
  ...cgroups, ...numa, ...virtualMemory, ...memoryFiles,
  ...agents, ...leaks, ...rivals, ...hardening,
]
