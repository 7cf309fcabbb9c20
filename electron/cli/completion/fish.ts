import { knownPaths, paths, quoted, type Flag, type Node, type Value } from './tree.ts'

/** Files are not offered by themselves (the first line of the script). */
const takes = ({ of, choices }: Value): string => ({ choices: `-x -a ${quoted(choices.join(' '))}`, file: '-r -F', command: `-x -a ${quoted('(__fish_complete_subcommand --fcs-skip=2)')}`, other: '-x' })[of]

const flagsOf = ({ flags }: Flag): string => flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ')

export const fish = (root: Node): string => {
  const lines = [{ path: [] as readonly string[], node: root }, ...paths(root)].flatMap(({ path, node }) => {
    const line = (rest: string): string => `complete -c agentmemctl -n ${quoted(['__agentmemctl_at', ...path].join(' '))} ${rest}`
    return [
      ...node.commands.map(({ name, description }) => line(`-a ${name} -d ${quoted(description)}`)),
      ...node.options.map((option) => line(`${flagsOf(option)}${option.value === null ? '' : ` ${takes(option.value)}`} -d ${quoted(option.description)}`)),
      ...node.values.flatMap((value) => (value.of === 'other' ? [] : [line(value.of === 'file' ? '-F' : takes(value))])),
    ]
  })
  return `# fish completion for agentmemctl; where it is not installed, put it into ~/.config/fish/completions/agentmemctl.fish
function __agentmemctl_at -d 'Whether the words so far lead to this command'
  set -l path
  for word in (commandline -opc)[2..-1]
    contains -- (string join -- / $path $word) ${knownPaths(root).join(' ')}; and set -a path $word
  end
  test "$path" = "$argv"
end
complete -c agentmemctl -f
${lines.join('\n')}
`
}
