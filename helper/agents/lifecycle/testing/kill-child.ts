/**
 * Suspends one process with the real guard and ends itself with SIGKILL at the
 * Nth checkpoint, or lives on until its input ends. Arguments: STATE-DIR PID N
 */
import { join } from 'node:path'
import { connectGuard } from '../../../guard/client.ts'
import { targetOf, tryLifecycle } from './try-lifecycle.ts'

const [stateDir = '', pid = '', at = '0'] = process.argv.slice(2)
let count = 0
const checkpoint = (name: string): void => {
  count += 1
  process.stdout.write(`${count} ${name}\n`)
  if (count === Number(at)) process.kill(process.pid, 'SIGKILL')
}
const program = { path: new URL('../../../../build/native/agentmem-guard', import.meta.url).pathname, role: 'system' as const, journalDir: join(stateDir, 'journal'), wordsPath: join(stateDir, 'words'), configPath: null }
const life = tryLifecycle(stateDir, (onlyRunning) => connectGuard({ socketPath: join(stateDir, 'guard.sock'), program: onlyRunning ? null : program, log: () => undefined }), { checkpoint })
const done = await life.suspend({ uid: 0, process: null }, { agent: targetOf(Number(pid)), cause: 'user' })
process.stdout.write(`${done.ok ? 'suspended' : JSON.stringify(done.error)}\n`)
process.stdin.resume()
process.stdin.on('end', () => void life.link.leave().finally(() => process.exit(0)))
