import { basename } from 'node:path'
import { ok } from '../../contract/result.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import type { LookedAgent } from '../tracker.ts'
import type { FixPlace, Recipe } from './recipe.ts'
import { shellFile, unknownShell, withBlock, withoutBlock } from './shell-block.ts'

/** A recipe whose only file is the start file of the user's shell. */
const inShell = (id: string, lines: (place: FixPlace) => readonly string[]): Pick<Recipe, 'files' | 'apply' | 'revert'> => ({
  files: (place) => [shellFile(place)].filter((path) => path !== null),
  apply: (place, _path, text) => (shellFile(place) === null ? unknownShell(place) : withBlock(text ?? '', id, lines(place))),
  revert: (_place, _path, text) => {
    if (text === null) return ok(null)
    const rest = withoutBlock(text, id)
    return rest.ok ? ok(rest.value === '' ? null : rest.value) : rest
  },
})

/** Gemini CLI starts itself a second time and the first one stays: a node process right above another, both its main. */
const launcherOf = (agent: LookedAgent): LookedAgent['processes'][number] | undefined => {
  const [top] = agent.processes
  if (agent.kind !== 'gemini-cli' || top === undefined) return undefined
  return agent.processes.some((process) => process.parentPid === top.pid && process.role === 'main') ? top : undefined
}

const launchersCost = (agents: readonly LookedAgent[]): Reading => {
  let sum = 0
  for (const agent of agents) {
    const memory = launcherOf(agent)?.memory
    if (memory === undefined) continue
    if (memory.value === null) return missing('not-measured', 'memory is read by a snapshot')
    // What is shared with the child stays when the launcher goes.
    sum += memory.value.ussBytes
  }
  return known(sum)
}

export const geminiNoRelaunch: Recipe = {
  id: 'gemini-no-relaunch',
  kind: 'waste',
  title: 'Gemini CLI runs once instead of twice',
  text: 'At its start Gemini CLI starts itself again with a larger heap, and the first process stays for nothing, about 100 MB each. GEMINI_CLI_NO_RELAUNCH=true, set by your shell, leaves the second start out. Very long sessions then reach the usual heap limit of Node earlier. It counts for terminals and agents started from now on.',
  concerns: (agent) => launcherOf(agent) !== undefined,
  savesBytes: launchersCost,
  ...inShell('gemini-no-relaunch', ({ shell }) => [basename(shell) === 'fish' ? 'set -gx GEMINI_CLI_NO_RELAUNCH true' : 'export GEMINI_CLI_NO_RELAUNCH=true']),
}

const SHIMMED = ['claude', 'gemini', 'opencode', 'codex', 'aider'] as const

const quoted = (path: string): string => (/^[\w./+-]+$/u.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`)

/**
 * `command` keeps the function from calling itself; without our program the
 * agent starts as it would have. `function NAME` and not `NAME()`: the shell
 * would expand the user's own alias of that name there.
 */
const shim = (shell: string, runProgram: string, agent: string): string =>
  basename(shell) === 'fish'
    ? `function ${agent}; if test -x ${quoted(runProgram)}; command ${quoted(runProgram)} -- ${agent} $argv; else; command ${agent} $argv; end; end`
    : `function ${agent} { if [ -x ${quoted(runProgram)} ]; then command ${quoted(runProgram)} -- ${agent} "$@"; else command ${agent} "$@"; fi; }`

export const shellShims: Recipe = {
  id: 'shell-shims',
  kind: 'shim',
  title: 'Agents typed into a terminal start under the launcher',
  text: 'Functions of your shell start claude, gemini, opencode, codex and aider through agentmem-run: their equal pages may be merged from the start, and they are told apart at once. Without the launcher they start as they always did. It counts for terminals opened from now on.',
  concerns: () => false,
  savesBytes: () => missing('not-measured', 'depends on the layers that are on'),
  ...inShell('shell-shims', ({ shell, runProgram }) => SHIMMED.map((agent) => shim(shell, runProgram, agent))),
}
