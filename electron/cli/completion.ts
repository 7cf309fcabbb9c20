import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

interface Node {
  readonly name: string
  readonly description: string
  readonly options: readonly { flags: readonly string[]; description: string; choices: readonly string[] }[]
  readonly choices: readonly string[]
  readonly commands: readonly Node[]
}

/** What can be typed, read off the program itself, so that it cannot differ from it. */
const treeOf = (command: Command): Node => ({
  name: command.name(),
  description: command.description(),
  options: command.options.filter((option) => !option.hidden).map((option) => ({ flags: [option.short, option.long].filter((flag) => flag !== undefined), description: option.description, choices: option.argChoices ?? [] })),
  choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  commands: command.commands.map(treeOf),
})

const flagsOf = (node: Node): string[] => [...node.options.flatMap(({ flags }) => flags), '--help']
const wordsOf = (node: Node): string => [...node.commands.map(({ name }) => name), ...node.choices, ...flagsOf(node)].join(' ')

const paths = (node: Node, before: readonly string[] = []): { path: string; node: Node }[] =>
  node.commands.flatMap((child) => [{ path: [...before, child.name].join(' '), node: child }, ...paths(child, [...before, child.name])])

const bash = (root: Node): string => {
  const cases = paths(root).map(({ path, node }) => `    '${path}') words='${wordsOf(node)}' ;;`)
  const values = paths(root).flatMap(({ path, node }) => node.options.filter(({ choices }) => choices.length > 0).map(({ flags, choices }) => `    ${flags.map((flag) => `'${path} ${flag}'`).join('|')}) words='${choices.join(' ')}' ;;`))
  return `# bash completion for agentmemctl; where it is not installed, put it into ~/.local/share/bash-completion/completions/agentmemctl
_agentmemctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' word words='${wordsOf(root)}'
  local known=' ${paths(root).map(({ path }) => path.replaceAll(' ', '/')).join(' ')} '
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$known" in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; esac
  done
  path="\${path//\\// }"
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${values.join('\n')}
    *' -o'|*' --output') COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _agentmemctl agentmemctl
`
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const zsh = (root: Node): string => {
  const part = (node: Node, path: readonly string[]): string => {
    const name = ['_agentmemctl', ...path].join('_').replaceAll('-', '_')
    const options = node.options.map(({ flags, description, choices }) => `    ${quoted(`(${flags.join(' ')})${flags.at(-1) ?? ''}[${description.replaceAll(/[[\]:]/gu, '')}]${choices.length > 0 ? `:value:(${choices.join(' ')})` : ''}`)}`)
    const commands = node.commands.map(({ name: child, description }) => `    ${quoted(`${child}:${description.replaceAll(':', '')}`)}`)
    const body = node.commands.length === 0
      ? `  _arguments -s ${['', ...options, `    '*:argument:_files'`].join(' \\\n')}`
      : `  local -a commands=(\n${commands.join('\n')}\n  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local next="${name}_\${words[2]//-/_}"
  shift words; (( CURRENT -= 1 ))
  (( $+functions[$next] )) && $next`
    return [`${name}() {\n${body}\n}`, ...node.commands.map((child) => part(child, [...path, child.name]))].join('\n')
  }
  return `#compdef agentmemctl
# zsh completion for agentmemctl; where it is not installed, put it as _agentmemctl into a folder of $fpath
${part(root, [])}
if [ "\${funcstack[1]}" = _agentmemctl ]; then _agentmemctl "$@"; else compdef _agentmemctl agentmemctl; fi
`
}

const fish = (root: Node): string => {
  const line = (condition: string, rest: string): string => `complete -c agentmemctl -f ${condition === '' ? '' : `-n ${quoted(condition)} `}${rest}`
  const walk = (node: Node, path: readonly string[]): string[] => {
    const seen = path.length === 0 ? '__fish_use_subcommand' : path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    return [
      ...node.commands.map((child) => line(seen, `-a ${child.name} -d ${quoted(child.description)}`)),
      ...node.options.map(({ flags, description, choices }) => line(seen, [...flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)), ...(choices.length > 0 ? [`-x -a ${quoted(choices.join(' '))}`] : []), `-d ${quoted(description)}`].join(' '))),
      ...node.commands.flatMap((child) => walk(child, [...path, child.name])),
    ]
  }
  return `# fish completion for agentmemctl; where it is not installed, put it into ~/.config/fish/completions/agentmemctl.fish\n${walk(root, []).join('\n')}\n`
}

/** The completion of one shell, as a script. */
export const completion = (program: Command, shell: Shell): string => ({ bash, zsh, fish })[shell](treeOf(program))
