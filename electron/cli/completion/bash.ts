import { knownPaths, paths, type Node, type Value } from './tree.ts'

const wordsOf = (node: Node): string =>
  [...node.commands.map(({ name }) => name), ...node.values.flatMap(({ choices }) => choices), ...node.options.flatMap(({ flags }) => flags.filter((flag) => flag !== '-h'))].join(' ')

/** Where files or commands can stand, they are offered beside the words. */
const also = (values: readonly Value[]): string => (values.some(({ of }) => of === 'file') ? ' also=-f' : values.some(({ of }) => of === 'command') ? ' also=-c' : '')

export const bash = (root: Node): string => {
  const all = paths(root).map(({ path, node }) => ({ path: path.join(' '), node }))
  const cases = all.map(({ path, node }) => `    '${path}') words='${wordsOf(node)}'${also(node.values)} ;;`)
  const values = all.flatMap(({ path, node }) => node.options.flatMap(({ flags, value }) =>
    value === null ? [] : [`    ${flags.map((flag) => `'${path} ${flag}'`).join('|')}) words='${value.choices.join(' ')}' also=''${also([value])} ;;`]))
  return `# bash completion for agentmemctl; where it is not installed, put it into ~/.local/share/bash-completion/completions/agentmemctl
_agentmemctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' word also='' words='${wordsOf(root)}'
  local known=' ${knownPaths(root).join(' ')} '
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$known" in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; esac
  done
  path="\${path//\\// }"
  # Bash cuts --option=value at the sign.
  if [ "$previous" = '=' ]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$current" = '=' ]; then current=''; fi
  case "$path" in
${cases.join('\n')}
  esac
  case "$path $previous" in
${values.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$also" ]; then COMPREPLY+=($(compgen "$also" -- "$current")); fi
}
complete -F _agentmemctl agentmemctl
`
}
