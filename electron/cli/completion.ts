import type { Command } from 'commander'
import { bash } from './completion/bash.ts'
import { fish } from './completion/fish.ts'
import { treeOf } from './completion/tree.ts'
import { zsh } from './completion/zsh.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** The completion of one shell, as a script. */
export const completion = (program: Command, shell: Shell): string => ({ bash, zsh, fish })[shell](treeOf(program))
