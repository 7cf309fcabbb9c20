import { EXIT } from './exit-codes.ts'

// `agentmemctl runs | head` closes the pipe early: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

const words = process.argv.slice(2)
// The one that is asked on a machine short of memory: it loads as little as it can.
const { runProgram } = words[0] === 'memory-diagnose' ? await import('./diagnosis-program.ts') : await import('./program.ts')
// Set, not called: what is still on its way to a pipe gets there.
process.exitCode = await runProgram(words)
