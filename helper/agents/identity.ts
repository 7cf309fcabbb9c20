import { basename, dirname, resolve } from 'node:path'
import { readLink, under } from '../observe/files.ts'
import { readCommandLine, readEnvironmentVariable, readExecutable, readWorkingFolder } from '../observe/process.ts'

/** What a process is running, as far as it can be seen from outside. */
export interface Identity {
  /** Path of the program; null where it may not be read. */
  readonly executable: string | null
  /** Base name of the program, or of the first argument where the program may not be read. */
  readonly name: string
  readonly argv: readonly string[]
  /** node, bun, python3 ...: a program that runs another one named in its arguments. */
  readonly interpreter: boolean
  /** The script with links followed, and as it was written; null for other programs and for `-e`, `-c`, `-m`. */
  readonly script: string | null
  readonly scriptArgument: string | null
  /** Python's `-m NAME`. */
  readonly module: string | null
  /** Arguments that belong to the program or script itself. */
  readonly rest: readonly string[]
}

const INTERPRETER = /^(?:node|nodejs|bun|deno|python|pypy)[\d.]*$/u

/** Options whose value is the next word. */
const TAKES_VALUE = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions', '--env-file', '--title', '-W', '-X', '--config', '--cwd'])
/** Options after which there is no script. */
const NO_SCRIPT = new Set(['-e', '--eval', '-p', '--print', '-pe', '-c', '-i', '-'])
const SUBCOMMAND = new Set(['run', 'x'])

interface Invocation { readonly scriptArgument: string | null; readonly module: string | null; readonly rest: readonly string[] }

/** Finds script or module behind an interpreter's own options. */
export const parseInvocation = (name: string, argv: readonly string[]): Invocation => {
  const none = { scriptArgument: null, module: null, rest: [] }
  const python = /^(?:python|pypy)/u.test(name)
  for (let i = 1; i < argv.length; i += 1) {
    const word = argv[i] ?? ''
    if (python && word === '-m') return { scriptArgument: null, module: argv[i + 1] ?? null, rest: argv.slice(i + 2) }
    if (python && /^-m./u.test(word)) return { scriptArgument: null, module: word.slice(2), rest: argv.slice(i + 1) }
    if (NO_SCRIPT.has(word)) return none
    if (word === '--') return { scriptArgument: argv[i + 1] ?? null, module: null, rest: argv.slice(i + 2) }
    if (TAKES_VALUE.has(word)) i += 1
    else if (/^(?:bun|deno)/u.test(name) && SUBCOMMAND.has(word)) continue
    else if (word !== '' && !word.startsWith('-')) return { scriptArgument: word, module: null, rest: argv.slice(i + 1) }
  }
  return none
}

/** Follows the last part of a path: /usr/bin/gemini is a link into the package that it belongs to. */
const followLinks = (root: string, path: string): string => {
  let at = path
  for (let hops = 0; hops < 8; hops += 1) {
    // A script is a regular file, so on a real machine only a true link is followed; a captured tree holds links alone.
    const target = readLink(under(root, at), 'not-supported', root !== '/')
    if (target.value === null) return at
    at = resolve(dirname(at), target.value)
  }
  return at
}

const resolveScript = (root: string, pid: number, scriptArgument: string): string => {
  const written = scriptArgument.replace(/^file:\/\//u, '')
  if (written.startsWith('/')) return followLinks(root, written)
  const folder = readWorkingFolder(root, pid)
  return folder.value === null ? written : followLinks(root, resolve(folder.value, written))
}

/**
 * A program may overwrite its arguments with a title ("claude"), and with
 * them the script's path. The shell's `_` still names the command it started.
 */
const scriptBehindTitle = (root: string, pid: number, argv: readonly string[]): string | null => {
  if (argv.length !== 1 || INTERPRETER.test(basename(argv[0] ?? ''))) return null
  const started = readEnvironmentVariable(root, pid, '_')
  return started.value?.startsWith('/') === true ? started.value : null
}

/** Null for a process that has gone, or has neither program nor arguments (zombie). */
export const readIdentity = (root: string, pid: number): Identity | null => {
  const executable = readExecutable(root, pid).value
  const argv = readCommandLine(root, pid).value ?? []
  const first = argv[0]
  if (executable === null && first === undefined) return null
  // A login shell is named "-bash".
  const name = executable === null ? basename(first ?? '').replace(/^-/u, '') : basename(executable)
  if (!INTERPRETER.test(name)) return { executable, name, argv, interpreter: false, script: null, scriptArgument: null, module: null, rest: argv.slice(1) }
  const titled = scriptBehindTitle(root, pid, argv)
  const invocation = titled === null ? parseInvocation(name, argv) : { scriptArgument: titled, module: null, rest: [] }
  const script = invocation.scriptArgument === null ? null : resolveScript(root, pid, invocation.scriptArgument)
  return { executable, name, argv, interpreter: true, script, ...invocation }
}
