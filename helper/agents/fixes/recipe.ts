import type { Result } from '../../contract/errors.ts'
import type { Fix } from '../../contract/lifecycle.ts'
import type { Reading } from '../../contract/reading.ts'
import type { LookedAgent } from '../tracker.ts'

/** Where the user's files are, and the programs of ours that they name. */
export interface FixPlace {
  readonly home: string
  /** $XDG_CONFIG_HOME. */
  readonly configHome: string
  /** Absolute path of the user's shell. */
  readonly shell: string
  readonly hookProgram: string
  readonly runProgram: string
}

/**
 * One cure, as data and pure functions over file texts. Both functions leave
 * everything else in a file as it is, and doing either twice changes nothing,
 * so that `apply(text) === text` tells that it is applied.
 */
export interface Recipe {
  readonly id: string
  readonly kind: Fix['kind']
  readonly title: string
  /** What it does, what it costs, in plain words. */
  readonly text: string
  readonly concerns: (agent: LookedAgent) => boolean
  readonly savesBytes: (agents: readonly LookedAgent[]) => Reading
  readonly files: (place: FixPlace) => readonly string[]
  /** The file's text with ours in it; `text` null means there is no file. */
  readonly apply: (place: FixPlace, path: string, text: string | null) => Result<string>
  /** The file's text without ours; null removes a file that held nothing else. */
  readonly revert: (place: FixPlace, path: string, text: string | null) => Result<string | null>
}
