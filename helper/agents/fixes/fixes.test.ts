import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fix } from '../../contract/lifecycle.ts'
import type { Result } from '../../contract/errors.ts'
import { createFixes, recipes, type Fixes } from './fixes.ts'
import type { FixPlace } from './recipe.ts'

let home: string
let place: FixPlace
let fixes: Fixes

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'agentmem-fixes-'))
  place = { home, configHome: join(home, '.config'), shell: '/bin/bash', hookProgram: '/usr/lib/agentmem/agentmem-hook', runProgram: '/usr/lib/agentmem/agentmem-run' }
  fixes = createFixes({ place, agents: () => [], stateFile: join(home, 'state/fixes.json') })
})
afterEach(() => rmSync(home, { recursive: true }))

const fixOf = (id: string): Fix => {
  const fix = fixes.list().find((one) => one.id === id)
  if (fix === undefined) throw new Error(`no fix ${id}`)
  return fix
}
const apply = (id: string): Result<Fix> => fixes.apply(id, fixOf(id).digest)
const must = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(result.error.message)
  return result.value
}
const put = (path: string, text: string): string => {
  const whole = join(home, path)
  mkdirSync(join(whole, '..'), { recursive: true })
  writeFileSync(whole, text)
  return whole
}

const claudeSettings = `{
  // mine
  "model": "opus",
  "hooks": {
    "Stop": [{ "hooks": [{ "type": "command", "command": "notify-send done" }] }]
  }
}
`

describe('every fix', () => {
  test.for(recipes.map(({ id }) => id))('%s: shown, written, taken back to exactly nothing', (id) => {
    const offered = fixOf(id)
    expect(offered.state).toBe('offered')
    expect(offered.changes.length).toBeGreaterThan(0)
    expect(offered.changes.every(({ path, before }) => path.startsWith(home) && before === null && !existsSync(path))).toBe(true)
    const applied = must(apply(id))
    expect(applied.state).toBe('applied')
    expect(applied.changes).toEqual([])
    for (const { path, after } of offered.changes) expect(readFileSync(path, 'utf8')).toBe(after)
    // A second press changes nothing.
    expect(must(fixes.apply(id, 'whatever')).state).toBe('applied')
    expect(must(fixes.undo(id)).state).toBe('offered')
    for (const { path } of offered.changes) expect(existsSync(path)).toBe(false)
    // Nor a folder that was made for them.
    expect(readdirSync(home)).toEqual(['state'])
  })

  test('a folder made for it stays where somebody else has put something', () => {
    must(apply('hooks-opencode'))
    const own = put('.config/opencode/opencode.json', '{}')
    must(fixes.undo('hooks-opencode'))
    expect(existsSync(own)).toBe(true)
    expect(readdirSync(join(home, '.config/opencode'))).toEqual(['opencode.json'])
  })

  test('a state file of an earlier version counts', () => {
    const path = put('.claude/settings.json', '{"a": 1}')
    must(apply('hooks-claude-code'))
    const stateFile = join(home, 'state/fixes.json')
    const { folders: _none, ...earlier } = JSON.parse(readFileSync(stateFile, 'utf8')) as Record<string, unknown>
    writeFileSync(stateFile, JSON.stringify(earlier))
    must(fixes.undo('hooks-claude-code'))
    expect(readFileSync(path, 'utf8')).toBe('{"a": 1}')
  })
})

describe('settings of the user', () => {
  test('stay as they are, comments and own hooks included', () => {
    const path = put('.claude/settings.json', claudeSettings)
    must(apply('hooks-claude-code'))
    const text = readFileSync(path, 'utf8')
    expect(text).toContain('// mine')
    expect(text).toContain('"model": "opus"')
    expect(text).toContain('notify-send done')
    expect(text).toContain('"/usr/lib/agentmem/agentmem-hook claude-code turn-end"')
    must(fixes.undo('hooks-claude-code'))
    expect(readFileSync(path, 'utf8')).toBe(claudeSettings)
  })

  test('those of an earlier version of ours give way, others keep their place', () => {
    const mine = { hooks: [{ type: 'command', command: 'notify-send asks' }] }
    const older = { hooks: [{ type: 'command', command: '/opt/old/agentmem-hook claude-code asking', timeout: 9 }] }
    const path = put('.claude/settings.json', JSON.stringify({ hooks: { Notification: [older, mine], Stop: [older] } }))
    must(apply('hooks-claude-code'))
    const { hooks } = JSON.parse(readFileSync(path, 'utf8')) as { hooks: Record<string, { matcher?: string; hooks: { command: string }[] }[]> }
    expect(hooks['Notification']?.map((group) => [group.matcher, group.hooks[0]?.command])).toEqual([
      [undefined, 'notify-send asks'],
      [expect.stringContaining('permission_prompt'), '/usr/lib/agentmem/agentmem-hook claude-code asking'],
      ['idle_prompt', '/usr/lib/agentmem/agentmem-hook claude-code turn-end'],
    ])
    expect(hooks['Stop']?.map((group) => group.hooks[0]?.command)).toEqual(['/usr/lib/agentmem/agentmem-hook claude-code turn-end'])
    expect(fixOf('hooks-claude-code').state).toBe('applied')
  })

  test('changed after applying: only ours is taken out', () => {
    const path = put('.claude/settings.json', claudeSettings)
    must(apply('hooks-claude-code'))
    writeFileSync(path, readFileSync(path, 'utf8').replace('"opus"', '"sonnet"'))
    expect(fixOf('hooks-claude-code').state).toBe('applied')
    must(fixes.undo('hooks-claude-code'))
    const left = readFileSync(path, 'utf8')
    expect(left).toContain('"sonnet"')
    expect(left).toContain('notify-send done')
    expect(left).not.toContain('agentmem-hook')
  })

  test('ours taken out by hand is told, and can be written again or forgotten', () => {
    const path = put('.gemini/settings.json', '{"a": 1}\n')
    must(apply('hooks-gemini-cli'))
    writeFileSync(path, '{"a": 2}\n')
    expect(fixOf('hooks-gemini-cli').state).toBe('changed-since')
    expect(must(fixes.undo('hooks-gemini-cli')).state).toBe('offered')
    expect(readFileSync(path, 'utf8')).toBe('{"a": 2}\n')
  })

  test('a file changed after it was shown is refused, and nothing is written', () => {
    const path = put('.gemini/settings.json', '{}\n')
    const { digest } = fixOf('hooks-gemini-cli')
    writeFileSync(path, '{"b": 1}\n')
    const answer = fixes.apply('hooks-gemini-cli', digest)
    expect(answer.ok ? '' : answer.error.code).toBe('plan-changed')
    expect(readFileSync(path, 'utf8')).toBe('{"b": 1}\n')
  })

  test.for([
    ['hooks-claude-code', '.claude/settings.json', '{ "hooks": ', /not valid JSON/u],
    ['hooks-claude-code', '.claude/settings.json', '[1]', /not valid JSON/u],
    ['hooks-claude-code', '.claude/settings.json', '{"disableAllHooks": true}', /switched off/u],
    ['hooks-gemini-cli', '.gemini/settings.json', '{"hooksConfig": {"enabled": false}}', /switched off/u],
    ['hooks-codex', '.codex/config.toml', 'model = [', /not valid TOML/u],
    ['hooks-codex', '.codex/config.toml', 'notify = ["mine"]\n', /another program/u],
    ['hooks-opencode', '.config/opencode/plugin/agentmem.js', '// mine\n', /somebody else/u],
  ] as const)('%s leaves %s alone where it holds %j', ([id, file, text, why]) => {
    const path = put(file, text)
    const fix = fixOf(id)
    expect(fix.state).toBe('not-possible')
    expect(fix.problem).toMatch(why)
    const answer = fixes.apply(id, fix.digest)
    expect(answer.ok ? '' : answer.error.code).toBe('not-supported')
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('a link stays a link, a mode stays a mode', () => {
    const real = put('dotfiles/bashrc', 'alias l=ls\n')
    symlinkSync(real, join(home, '.bashrc'))
    const mode = statSync(real).mode
    must(apply('gemini-no-relaunch'))
    expect(lstatSync(join(home, '.bashrc')).isSymbolicLink()).toBe(true)
    expect(readFileSync(real, 'utf8')).toContain('export GEMINI_CLI_NO_RELAUNCH=true')
    expect(statSync(real).mode).toBe(mode)
    must(fixes.undo('gemini-no-relaunch'))
    expect(readFileSync(real, 'utf8')).toBe('alias l=ls\n')
  })

  test('two blocks in one start file come and go apart', () => {
    const path = put('.bashrc', 'PS1=x')
    must(apply('gemini-no-relaunch'))
    must(apply('shell-shims'))
    must(fixes.undo('gemini-no-relaunch'))
    expect(readFileSync(path, 'utf8')).toContain('function claude {')
    expect(readFileSync(path, 'utf8')).not.toContain('GEMINI')
    must(fixes.undo('shell-shims'))
    expect(readFileSync(path, 'utf8').trim()).toBe('PS1=x')
  })

  test('Codex: our line stands before the first table', () => {
    const path = put('.codex/config.toml', 'model = "x"\n[projects."/a"]\ntrust_level = "trusted"\n')
    must(apply('hooks-codex'))
    expect(readFileSync(path, 'utf8').indexOf('notify')).toBeLessThan(readFileSync(path, 'utf8').indexOf('[projects'))
    must(fixes.undo('hooks-codex'))
    expect(readFileSync(path, 'utf8')).toBe('model = "x"\n[projects."/a"]\ntrust_level = "trusted"\n')
  })

  test.for([
    ['none', 'model = "x"\n', /^# .*\nfeatures\.daemon_auto_start = false\nmodel/u],
    ['a table of them', 'model = "x"\n[features] # mine\nhooks = true\n[projects."/a"]\ntrust_level = "trusted"\n', /\[features\] # mine\n# .*\ndaemon_auto_start = false\nhooks/u],
    ['keys with dots', 'features.hooks = true\n', /features\.daemon_auto_start = false\nfeatures\.hooks = true/u],
  ] as const)('Codex, features in %s: set where it counts, and taken out again', ([, text, wanted]) => {
    const path = put('.codex/config.toml', text)
    must(apply('codex-no-daemon'))
    expect(readFileSync(path, 'utf8')).toMatch(wanted)
    expect(parse(readFileSync(path, 'utf8'))).toMatchObject({ features: { daemon_auto_start: false } })
    // Both of Codex's share a file: they come in any order and go in any.
    must(apply('hooks-codex'))
    expect([fixOf('codex-no-daemon').state, fixOf('hooks-codex').state]).toEqual(['applied', 'applied'])
    must(fixes.undo('codex-no-daemon'))
    expect(fixOf('hooks-codex').state).toBe('applied')
    must(fixes.undo('hooks-codex'))
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('Codex told by its user about the daemon is left alone', () => {
    put('.codex/config.toml', 'features = { daemon_auto_start = true }\n')
    expect(fixOf('codex-no-daemon')).toMatchObject({ state: 'not-possible', problem: expect.stringContaining('sets features.daemon_auto_start already') })
    put('.codex/config.toml', 'features = { hooks = true }\n')
    expect(fixOf('codex-no-daemon')).toMatchObject({ state: 'not-possible', problem: expect.stringContaining('by hand') })
    put('.codex/config.toml', '[features]\ndaemon_auto_start = false\n')
    expect(fixOf('codex-no-daemon').state).toBe('applied')
  })

  test('an unknown shell and an unknown fix are told apart', () => {
    fixes = createFixes({ place: { ...place, shell: '/bin/tcsh' }, agents: () => [], stateFile: join(home, 'state/fixes.json') })
    expect(fixOf('shell-shims')).toMatchObject({ state: 'not-possible', problem: expect.stringMatching(/bash, zsh or fish|tcsh/u) })
    const answer = fixes.undo('no-such')
    expect(answer.ok ? '' : answer.error.message).toMatch(/no fix no-such/u)
  })
})
