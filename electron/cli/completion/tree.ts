import type { Argument, Command, Option } from 'commander'

/** What can stand in one place: one of these words, a file, a command with its own words, or what nobody can list. */
export interface Value {
  readonly name: string
  readonly choices: readonly string[]
  readonly of: 'choices' | 'file' | 'command' | 'other'
  /** More of the same may follow. */
  readonly many: boolean
}

export interface Flag {
  readonly flags: readonly string[]
  readonly description: string
  readonly value: Value | null
}

export interface Node {
  readonly name: string
  readonly description: string
  readonly options: readonly Flag[]
  readonly values: readonly Value[]
  readonly commands: readonly Node[]
}

/** The placeholder says it: `<file>`, `<on|off>`; the words after "run" are `<command...>`. */
const valueOf = (placeholder: string, choices: readonly string[] | undefined, many: boolean): Value => {
  const name = placeholder.replaceAll(/[[\]<>.]/gu, '')
  const words = choices ?? (name.includes('|') ? name.split('|') : [])
  const of = words.length > 0 ? 'choices' : name === 'file' ? 'file' : name === 'command' ? 'command' : 'other'
  return { name: name.includes('|') ? 'value' : name, choices: words, of, many }
}

const flagOf = (option: Option): Flag => ({
  flags: [option.short, option.long].filter((flag) => flag !== undefined),
  description: option.description,
  value: option.required || option.optional ? valueOf(/[<[].*$/u.exec(option.flags)?.[0] ?? '', option.argChoices, option.variadic) : null,
})
const argumentOf = (argument: Argument): Value => valueOf(argument.name(), argument.argChoices, argument.variadic)

/** What can be typed, read off the program itself, so that it cannot differ from it. */
export const treeOf = (command: Command): Node => ({
  name: command.name(),
  description: command.description(),
  options: [...command.options.filter((option) => !option.hidden).map(flagOf), { flags: ['-h', '--help'], description: 'what can be typed here', value: null }],
  values: command.registeredArguments.map(argumentOf),
  commands: command.commands.map(treeOf),
})

/** Every command below this one with the words that lead to it. */
export const paths = (node: Node, before: readonly string[] = []): { path: readonly string[]; node: Node }[] =>
  node.commands.flatMap((child) => [{ path: [...before, child.name], node: child }, ...paths(child, [...before, child.name])])

/** Each path as one word, between spaces: what the scripts look a command up in. */
export const knownPaths = (root: Node): string[] => paths(root).map(({ path }) => path.join('/'))

export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
