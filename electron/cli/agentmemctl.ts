import { EXIT } from './exit-codes.ts'
import { runProgram } from './program.ts'

// `agentmemctl runs | head` closes the pipe early: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

// Set, not called: what is still on its way to a pipe gets there.
process.exitCode = await runProgram(process.argv.slice(2))
