import { quoted, type Flag, type Node, type Value } from './tree.ts'

/** What stands between the brackets of _arguments, or after the colon of _describe. */
const bracketed = (text: string): string => text.replaceAll(/[[\]\\]/gu, '\\$&')

/** Where nothing can be listed, a space: what is expected is told and nothing offered. */
const actionOf = ({ of, choices }: Value): string => ({ choices: `(${choices.join(' ')})`, file: '_files', command: '_command_names -e', other: ' ' })[of]

const optionOf = ({ flags, description, value }: Flag): string[] =>
  flags.map((flag) => {
    const others = value?.many === true ? '*' : `(${flags.join(' ')})`
    const joined = value === null ? '' : flag.startsWith('--') ? '=' : '+'
    return quoted(`${others}${flag}${joined}[${bracketed(description)}]${value === null ? '' : `:${value.name}:${actionOf(value)}`}`)
  })

/** "*::" hands the words that follow a command to that command. */
const valueAt = (value: Value, at: number): string[] =>
  value.of === 'command' ? [quoted(`(-)${at + 1}:${value.name}:_command_names -e`), quoted('*::argument:_normal')] : [quoted(`${value.many ? '*' : at + 1}:${value.name}:${actionOf(value)}`)]

const functionName = (path: readonly string[]): string => ['_agentmemctl', ...path].join('_').replaceAll('-', '_')

/** No local is called "commands": zsh's own table of programs has that name, and what is called from here would miss it. */
const part = (node: Node, path: readonly string[]): string => {
  const specs = [...node.options.flatMap(optionOf), ...(node.commands.length > 0 ? ["'1:command:->command'", "'*::word:->rest'"] : node.values.flatMap(valueAt))]
  const known = (begin: string): string => `${begin} \\\n    ${specs.join(' \\\n    ')}`
  const body = node.commands.length === 0
    ? known('  _arguments -s -S')
    : `  local curcontext="$curcontext" state line next ret=1
  local -A opt_args
  local -a words_here=(
${node.commands.map(({ name, description }) => `    ${quoted(`${name}:${description.replaceAll('\\', '\\\\')}`)}`).join('\n')}
  )
${known('  _arguments -C -s')} && ret=0
  case "$state" in
    command) _describe -t commands command words_here && ret=0 ;;
    rest)
      next="${functionName(path)}_\${words[1]//-/_}"
      if (( $+functions[$next] )); then "$next" && ret=0; fi
      ;;
  esac
  return ret`
  return [`${functionName(path)}() {\n${body}\n}`, ...node.commands.map((child) => part(child, [...path, child.name]))].join('\n')
}

export const zsh = (root: Node): string => `#compdef agentmemctl
# zsh completion for agentmemctl; where it is not installed, put it as _agentmemctl into a folder of $fpath
${part(root, [])}
if [ "\${funcstack[1]}" = _agentmemctl ]; then _agentmemctl "$@"; else compdef _agentmemctl agentmemctl; fi
`
