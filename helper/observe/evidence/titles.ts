import { basename } from 'node:path'
import { printable } from '../process.ts'

const INTERPRETER = /^(?:node|nodejs|bun|deno|python|pypy|perl|ruby|java|bash|sh|dash|zsh|fish)[\d.]*$/u
const SCRIPT = /\.(?:[cm]?[jt]s|py|pl|rb|sh|jar)$/u
/** Options of interpreters behind which text follows, which may be anything. */
const NO_SCRIPT = /^-(?:[a-z]*[cepi]|-eval|-print)$/u
const MODULE = /^[\w.]{1,40}$/u
const LONGEST = 48

/**
 * A name for a person: the program, and of an interpreter the script or
 * module. Never another word of the command line: those hold prompts and keys.
 */
export const titleOf = (comm: string, argv: readonly string[]): string => {
  const first = argv[0] ?? ''
  // Programs that write a title over their arguments ("sshd: karla [priv]") keep their kernel name alone.
  const name = basename(first).replace(/^-/u, '')
  if (name === '' || /[\s:@=]/u.test(first)) return printable(comm)
  if (!INTERPRETER.test(name)) return printable(name).slice(0, LONGEST)
  for (let i = 1; i < argv.length; i += 1) {
    const word = argv[i] ?? ''
    const next = argv[i + 1] ?? ''
    if (word === '-m' && MODULE.test(next)) return `${name} -m ${next}`
    if (word === '-jar') return printable(`${name} ${basename(next)}`).slice(0, LONGEST)
    if (NO_SCRIPT.test(word)) break
    if (SCRIPT.test(word) || word.startsWith('/')) return printable(`${name} ${basename(word)}`).slice(0, LONGEST)
    if (!word.startsWith('-')) break
  }
  return name
}
