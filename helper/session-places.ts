import { homedir } from 'node:os'
import { join } from 'node:path'

/** Files of this user, by the XDG base directory specification: a variable counts only where it holds an absolute path. */
export interface SessionPlaces {
  readonly signatures: string
  readonly policy: string
  readonly registry: string
  readonly spool: string
  /** Journals and what is suspended by this user alone. */
  readonly state: string
  /** The guard's socket and words; null without a private run-time folder. */
  readonly runtime: string | null
  /** Where agents' hooks report; null without a private run-time folder. */
  readonly hooks: string | null
}

const folderOf = (value: string | undefined, ...usual: string[]): string => (value?.startsWith('/') === true ? value : join(homedir(), ...usual))

export const sessionPlaces = (env: NodeJS.ProcessEnv = process.env): SessionPlaces => {
  const config = join(folderOf(env['XDG_CONFIG_HOME'], '.config'), 'agentmem')
  const state = join(folderOf(env['XDG_STATE_HOME'], '.local', 'state'), 'agentmem')
  const runtime = env['XDG_RUNTIME_DIR']
  return {
    signatures: join(config, 'agents.json'),
    policy: join(config, 'policy.json'),
    registry: join(state, 'registry.json'),
    spool: join(state, 'spool'),
    state,
    runtime: runtime?.startsWith('/') === true ? join(runtime, 'agentmem') : null,
    hooks: runtime?.startsWith('/') === true ? join(runtime, 'agentmem', 'hooks.sock') : null,
  }
}
