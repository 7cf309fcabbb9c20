import { Command, CommanderError } from 'commander'
import { addDiagnosisCommands } from './diagnosis-commands.ts'
import { EXIT, EXIT_HELP } from './exit-codes.ts'
import { note } from './print.ts'
import { howToReach } from './reach.ts'

/** The same commands as in program.ts, without what the others load. Answers the exit code. */
export const runProgram = async (words: readonly string[]): Promise<number> => {
  let exitCode: number = EXIT.ok
  const program = new Command('agentmemctl').addHelpText('after', `\n${EXIT_HELP}`).exitOverride().enablePositionalOptions()
  addDiagnosisCommands(program, (code) => { exitCode = code })
  try {
    await program.parseAsync(words, { from: 'user' })
    // What is advised is typed.
    const reach = words.includes('--json') ? null : howToReach()
    if (reach !== null) note(reach)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  return exitCode
}
