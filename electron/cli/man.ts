import type { Command } from 'commander'
import { EXIT_HELP } from './exit-codes.ts'

/** For troff: a backslash, a line's first dot or quote, and hyphens that are typed. */
const plain = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll(/^(?=[.'])/gmu, '\\&')

const sections = (command: Command, path: readonly string[]): string[] => {
  const name = [...path, command.name()]
  const usage = `${name.join(' ')} ${command.usage()}`
  const lines = [`.SS ${plain(name.slice(1).join(' '))}`, `.B ${plain(usage)}`, '.PP', `${plain(command.description())}.`]
  for (const option of command.options.filter(({ hidden }) => !hidden)) lines.push('.TP', `.B ${plain(option.flags)}`, plain(option.description))
  return [...lines, ...command.commands.flatMap((child) => sections(child, name))]
}

/** agentmemctl(1), read off the program itself. */
export const manPage = (program: Command): string =>
  [
    '.TH AGENTMEMCTL 1 "" "Agent Memory Center" "User Commands"',
    '.SH NAME',
    'agentmemctl \\- what AI agents cost in memory, and how to give it back',
    '.SH SYNOPSIS',
    '.B agentmemctl',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    `${plain(program.description())} The same use\\-cases as the window: it needs no display and no root. What changes the kernel is planned, shown, measured, and undone unless it is kept.`,
    '.SH COMMANDS',
    ...program.commands.flatMap((command) => sections(command, ['agentmemctl'])),
    '.SH EXIT STATUS',
    '.nf',
    plain(EXIT_HELP.split('\n').slice(1).join('\n')),
    '.fi',
    '.SH ENVIRONMENT',
    '.TP',
    '.B NO_COLOR',
    'No colours; there are none anyway where output is no terminal.',
    '.TP',
    '.BR XDG_CONFIG_HOME ", " XDG_STATE_HOME ", " XDG_RUNTIME_DIR',
    'Where settings, history with the journal, and sockets are.',
    '.SH FILES',
    '.TP',
    '.I ~/.local/state/agentmem/history.db',
    'History and journal.',
    '',
  ].join('\n')
