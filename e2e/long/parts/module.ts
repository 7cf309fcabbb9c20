import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const tool = fileURLToPath(new URL('../../../tools/kmod/long.mjs', import.meta.url))

/** Runs the module in guests, with what they say on this terminal. Returns the exit code: 0 where nothing was wrong, 2 for arguments that are. */
export const runModule = (what: 'fuzz' | 'race', args: readonly string[]): number => spawnSync(process.execPath, [tool, what, ...args], { stdio: 'inherit' }).status ?? 1
