import { join } from 'node:path'
import { fail, ok } from '../../contract/result.ts'
import { known, missing } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import type { LookedAgent } from '../tracker.ts'
import type { Recipe } from './recipe.ts'
import { tomlOf, withMarkedFirst, withoutMarked } from './toml-lines.ts'

const MARK = '# Agent Memory Center: each session works by itself, without a daemon'
const KEY = 'daemon_auto_start'

/** What a session holds more when no daemon works for it; measured on Codex 0.169 after a turn. */
const SESSION_BYTES = 45 * 1024 * 1024

/** The daemon and the process that keeps it up to date: Codex started by Codex. */
const daemonsOf = (agent: LookedAgent): LookedAgent['processes'] => {
  const own = agent.processes.filter(({ comm }) => comm.startsWith('codex'))
  return own.filter(({ parentPid }) => own.some(({ pid }) => pid === parentPid))
}

const savings = (agents: readonly LookedAgent[]): Reading => {
  const daemons = agents.flatMap(daemonsOf)
  if (daemons.length === 0) return known(0)
  let sum = -SESSION_BYTES * agents.length
  for (const { memory } of daemons) {
    if (memory.value === null) return missing('not-measured', 'memory is read by a snapshot')
    sum += memory.value.pssBytes
  }
  return known(Math.max(0, sum))
}

/** The header of the table, where the user has one. */
const HEADER = /^\[features\][ \t]*(?:#.*)?\n/mu

/**
 * Codex 0.169: its first session copies the program (400 MB) into ~/.codex
 * and starts it from there as a daemon for all sessions, with an updater
 * beside it. Pages of the copy are shared with nobody.
 */
export const codexWithoutDaemon: Recipe = {
  id: 'codex-no-daemon',
  kind: 'waste',
  title: 'Codex works without a daemon of its own copy',
  text: 'At its start Codex copies itself (400 MB) into ~/.codex and starts the copy as a daemon that works for all its sessions, with an updater beside it. With features.daemon_auto_start = false each session does its own work: two sessions took 160 MB instead of 258. It pays for up to about four sessions at a time. A session then ends with its terminal, and remote control has to be started by hand. It counts for sessions started once the running daemon has ended (codex app-server daemon stop); ~/.codex/packages can be deleted then.',
  concerns: ({ kind }) => kind === 'codex',
  savesBytes: savings,
  files: ({ home }) => [join(home, '.codex/config.toml')],
  apply: (_place, path, text) => {
    const others = withoutMarked(text ?? '', MARK)
    const settings = tomlOf(path, others)
    if (!settings.ok) return settings
    const { features } = settings.value
    const set: unknown = typeof features === 'object' && features !== null ? Reflect.get(features, KEY) : undefined
    // As the user has it already.
    if (set === false) return ok(others)
    if (set !== undefined) return fail('not-supported', `${path} sets features.${KEY} already.`, { about: path, expected: 'not set, or false', got: JSON.stringify(set) })
    const line = `${MARK}\n${KEY} = false\n`
    const header = HEADER.exec(others)
    const at = header === null ? 0 : header.index + header[0].length
    const after = header === null ? withMarkedFirst(text ?? '', MARK, `features.${KEY} = false`) : others.slice(0, at) + line + others.slice(at)
    const checked = tomlOf(path, after)
    return checked.ok ? ok(after) : fail('not-supported', `${path} holds its features in a form that cannot be added to.`, { about: path, expected: 'a table [features], or none', advice: `Set features.${KEY} = false by hand.` })
  },
  revert: (_place, _path, text) => {
    const rest = withoutMarked(text ?? '', MARK)
    return ok(text === null || rest.trim() === '' ? null : rest)
  },
}
