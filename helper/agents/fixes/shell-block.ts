import { basename, join } from 'node:path'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { FixPlace } from './recipe.ts'

/** The start file of the user's shell that interactive terminals read; null for shells not known. */
export const shellFile = ({ home, configHome, shell }: FixPlace): string | null => {
  switch (basename(shell)) {
    case 'bash':
      return join(home, '.bashrc')
    case 'zsh':
      return join(home, '.zshrc')
    case 'fish':
      return join(configHome, 'fish/config.fish')
    default:
      return null
  }
}

export const unknownShell = ({ shell }: FixPlace): { ok: false; error: import('../../contract/errors.ts').Failure } =>
  fail('not-supported', `The start file of the shell ${shell === '' ? '(none)' : shell} is not known.`, { expected: 'bash, zsh or fish', got: shell })

const marks = (name: string): [string, string] => [`# >>> agentmem ${name} >>>`, `# <<< agentmem ${name} <<<`]

/** Without the block of that name, and without the empty line put before it. */
export const withoutBlock = (text: string, name: string): Result<string> => {
  const [start, end] = marks(name)
  const from = text.indexOf(start)
  if (from < 0) return ok(text)
  const to = text.indexOf(end, from)
  if (to < 0) return fail('not-supported', `The block "${name}" was changed by hand: its last line is missing.`, { expected: end, advice: 'Take its lines out by hand.' })
  const before = text.slice(0, from).replace(/\n\n$/u, '\n')
  return ok(before + text.slice(to + end.length).replace(/^\n/u, ''))
}

/** With the block at the end, in place of an older one. */
export const withBlock = (text: string, name: string, lines: readonly string[]): Result<string> => {
  const [start, end] = marks(name)
  const block = [start, ...lines, end].join('\n')
  if (text.includes(`${block}\n`)) return ok(text)
  const others = withoutBlock(text, name)
  if (!others.ok) return others
  const base = others.value === '' || others.value.endsWith('\n') ? others.value : `${others.value}\n`
  return ok(`${base}${base === '' ? '' : '\n'}${block}\n`)
}
