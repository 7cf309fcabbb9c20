import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SHELLS, type Shell } from './completion.ts'

/** As each shell looks for it. */
const FILES: Readonly<Record<Shell, string>> = { bash: 'agentmemctl', zsh: '_agentmemctl', fish: 'agentmemctl.fish' }
const isThere = (shell: Shell): boolean => spawnSync(shell, ['-c', 'true']).status === 0

let folder = ''
/** Where Tab is pressed; its one file shows whether files are offered. */
let here = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmem-completion-'))
  here = join(folder, 'here')
  mkdirSync(here)
  writeFileSync(join(here, 'kept.json'), '{}')
  for (const shell of SHELLS) {
    const made = spawnSync(process.execPath, [join(import.meta.dirname, 'agentmemctl.cjs'), 'completion', shell], { encoding: 'utf8', env: { ...process.env, HOME: folder } })
    expect(made).toMatchObject({ status: 0, stderr: '' })
    writeFileSync(join(folder, FILES[shell]), made.stdout)
  }
})
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

const run = (command: string, args: readonly string[]): string => {
  const done = spawnSync(command, args, { cwd: here, encoding: 'utf8', timeout: 30_000, env: { PATH: process.env['PATH'], HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, LANG: 'C.UTF-8' } })
  // A script that does not parse, or fails while it is asked, says so there.
  expect(done.stderr).toBe('')
  return done.stdout
}

/** What a real shell offers after this line, sorted. */
const ask: Readonly<Record<Shell, (line: string) => string[]>> = {
  // Bash cuts a line into words itself only where somebody types.
  bash: (line) => run('bash', ['-c', 'source "$1"; read -ra COMP_WORDS <<< "${2/=/ = }"; [[ $2 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); _agentmemctl; printf "%s\\n" "${COMPREPLY[@]}"', 'bash', join(folder, FILES.bash), line]).split('\n'),
  zsh: (line) => {
    const out = join(folder, 'matches')
    rmSync(out, { force: true })
    run('zsh', ['-f', join(import.meta.dirname, 'completion/ask-zsh.zsh'), folder, line, out])
    const matches = readFileSync(out, 'utf8').split('\n')
    expect(matches.at(-2)).toBe('=end')
    return matches.slice(0, -2)
  },
  // Each with its description behind a tab.
  fish: (line) => run('fish', ['-N', '-c', 'source $argv[1]; complete -C $argv[2]', join(folder, FILES.fish), line]).split('\n').map((match) => match.replace(/\t.*$/u, '').replace(/^--\w+=/u, '')),
}

describe.each(SHELLS)('Tab in a real %s', (shell) => {
  const offered = (line: string): string[] => [...new Set(ask[shell](line))].filter((match) => match !== '').toSorted()

  it.for<[string, string, string[]]>([
    ['a command', 'agentmemctl mem', ['memory-diagnose', 'memory-enforce', 'memory-watch']],
    ['a command of a command', 'agentmemctl journal e', ['export']],
    ['none of these once one is given', 'agentmemctl journal export e', []],
    ['a name that is also a word of a note', 'agentmemctl journal note journal e', []],
    ['an option', 'agentmemctl memory-watch --sh', ['--show-processes']],
    ['an option after what it cannot know', 'agentmemctl report x --pri', ['--private']],
    ['the help of any command', 'agentmemctl runs --he', ['--help']],
    ['a value', 'agentmemctl report x --format p', ['pdf']],
    ['a value behind a sign', 'agentmemctl report x --format=p', ['pdf']],
    ['a value that the flag itself names', 'agentmemctl policy set --suspend ', ['off', 'on']],
    ['nothing for a value nobody can list', 'agentmemctl runs --limit ', []],
    ['what an argument may be', 'agentmemctl completion ', shell === 'bash' ? ['--help', 'bash', 'fish', 'zsh'] : ['bash', 'fish', 'zsh']],
    ['a file for an option', 'agentmemctl report x --output k', ['kept.json']],
    ['a file for a short option', 'agentmemctl report x -o k', ['kept.json']],
    ['a file for an argument', 'agentmemctl journal import k', ['kept.json']],
    ['no file where none can stand', 'agentmemctl completion k', []],
    ['a program to run', 'agentmemctl run unshar', ['unshare']],
    ['a program to run behind the dashes', 'agentmemctl run -- unshar', ['unshare']],
  ])('%s: %s', ([, line, expected], context) => {
    if (!isThere(shell)) context.skip(`${shell} is not installed`)
    expect(offered(line)).toEqual(expected)
  })
})

it('tells what each command does in the words of the program, colons and brackets too', () => {
  expect(readFileSync(join(folder, FILES.zsh), 'utf8')).toContain("'agents:the agents: what they cost, what they do'")
})
