import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'

/** Every place the app reads or writes, resolved once so that tests can move them all. */
export interface AppPaths {
  /** The checkout or the installed bundle: assets/, build/, helper/ are below it. */
  readonly projectDir: string
  /** $XDG_CONFIG_HOME/agentmem: settings.json, agents.json, presets/ */
  readonly configDir: string
  /** $XDG_STATE_HOME/agentmem: history.db, spool, journal */
  readonly stateDir: string
  /** $XDG_RUNTIME_DIR/agentmem, 0700: app.sock, launcher page, private bus */
  readonly runtimeDir: string
  /** "/" or a captured machine. */
  readonly root: string
}

/** A set and absolute variable, else the fallback: the XDG specification ignores relative paths. */
const absoluteOr = (value: string | undefined, fallback: string): string =>
  value !== undefined && value.startsWith('/') ? value : fallback

/**
 * Where no runtime folder is given (su, cron, containers), a folder of the
 * user's own in /tmp stands in; `privateFolder` in files.ts refuses it when somebody else made it.
 */
export const appPaths = (env: NodeJS.ProcessEnv = process.env, changes: Partial<AppPaths> = {}): AppPaths => {
  const user = userInfo()
  const home = absoluteOr(env['HOME'], user.homedir)
  const runtime = env['XDG_RUNTIME_DIR']
  return {
    projectDir: changes.projectDir ?? resolve(import.meta.dirname, '../..'),
    configDir: changes.configDir ?? join(absoluteOr(env['XDG_CONFIG_HOME'], join(home, '.config')), 'agentmem'),
    stateDir: changes.stateDir ?? join(absoluteOr(env['XDG_STATE_HOME'], join(home, '.local/state')), 'agentmem'),
    runtimeDir: changes.runtimeDir ?? (runtime?.startsWith('/') ? join(runtime, 'agentmem') : join('/tmp', `agentmem-${user.uid}`)),
    root: changes.root ?? '/',
  }
}
