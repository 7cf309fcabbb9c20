import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createFixes } from './fixes.ts'

const project = join(import.meta.dirname, '../../..')
const launcher = join(project, 'build/native/agentmem-run')

let home: string

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(project, 'tools/native.mjs')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
}, 60_000)
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'agentmem-shell-'))
})
afterEach(() => rmSync(home, { recursive: true }))

/** What an interactive shell of the user's prints for a typed line, with both blocks in its start file. */
const type = (shell: string, line: string, runProgram: string): string => {
  const bin = join(home, 'bin')
  mkdirSync(bin)
  // Says whether its equal pages may be merged, and what it was given.
  writeFileSync(join(bin, 'claude'), '#!/bin/sh\ngrep -s ksm_merge_any /proc/self/ksm_stat || echo "ksm_merge_any: unknown"\nprintf "<%s>" "$@" "$GEMINI_CLI_NO_RELAUNCH"\n')
  chmodSync(join(bin, 'claude'), 0o755)
  const fixes = createFixes({
    place: { home, configHome: join(home, '.config'), shell, hookProgram: '/nowhere/agentmem-hook', runProgram },
    agents: () => [],
    stateFile: join(home, 'state/fixes.json'),
  })
  for (const id of ['gemini-no-relaunch', 'shell-shims']) {
    const fix = fixes.list().find((one) => one.id === id)
    const applied = fixes.apply(id, fix?.digest ?? '')
    if (!applied.ok) throw new Error(applied.error.message)
  }
  const out = spawnSync(shell, ['-i', '-c', line], { encoding: 'utf8', env: { HOME: home, XDG_CONFIG_HOME: join(home, '.config'), PATH: `${bin}:/usr/bin:/bin`, TERM: 'dumb' } })
  expect(out.stderr.replaceAll(/^bash: (?:cannot set terminal process group|no job control).*\n/gmu, '')).toBe('')
  return out.stdout
}

/** Whether this kernel can tell; before Linux 6.16 or so it does not. */
const tellsMerging = (): boolean => {
  try {
    return readFileSync('/proc/self/ksm_stat', 'utf8').includes('ksm_merge_any')
  } catch {
    return false
  }
}

const shells = ['/bin/bash', '/usr/bin/zsh', '/usr/bin/fish'].filter((shell) => spawnSync(shell, ['-c', 'true']).status === 0)

describe.each(shells)('%s', (shell) => {
  test('an agent that is typed starts under the launcher, with its words as they were', () => {
    const said = type(shell, "claude --print 'two words' \"\"", launcher)
    expect(said).toMatch(tellsMerging() ? /ksm_merge_any: yes/u : /ksm_merge_any: unknown/u)
    expect(said).toContain('<--print><two words><><true>')
  })

  test('it starts all the same when the launcher is gone', () => {
    const said = type(shell, 'claude go', join(home, 'gone/agentmem-run'))
    expect(said).not.toContain('yes')
    expect(said).toContain('<go><true>')
  })

  test("the user's own alias goes on counting", () => {
    const file = { bash: '.bashrc', zsh: '.zshrc', fish: '.config/fish/config.fish' }[shell.slice(shell.lastIndexOf('/') + 1)] ?? ''
    mkdirSync(join(home, file, '..'), { recursive: true })
    writeFileSync(join(home, file), shell.endsWith('bash') ? "shopt -s expand_aliases\nalias claude='claude --mine'\n" : "alias claude='claude --mine'\n")
    // fish makes a function of an alias, so ours would have to call it: there the later one counts.
    if (!shell.endsWith('fish')) expect(type(shell, 'eval "claude go"', launcher)).toContain('<--mine><go>')
    else expect(type(shell, 'claude go', launcher)).toContain('<go>')
  })
})
