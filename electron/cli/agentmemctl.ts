import { setFlagsFromString } from 'node:v8'
import { EXIT } from './exit-codes.ts'

// A command lives for a moment, often on a machine that is short of memory: without compilers that want memory to be
// fast later, and with what was just made collected early instead of given more room, it takes 15 MB less.
for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug', '--semi-space-growth-factor=1']) setFlagsFromString(flag)

// `agentmemctl runs | head` closes the pipe early: that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})

const main = async (words: readonly string[]): Promise<void> => {
  // The one that is asked on a machine short of memory: it loads as little as it can.
  const { runProgram } = words[0] === 'memory-diagnose' ? await import('./diagnosis-program.ts') : await import('./program.ts')
  // Set, not called: what is still on its way to a pipe gets there.
  process.exitCode = await runProgram(words)
}
void main(process.argv.slice(2))
