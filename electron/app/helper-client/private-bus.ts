import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fail, ok, type Result } from '../../../helper/contract/errors.ts'
import { messageOf, privateFolder } from '../files.ts'

export interface PrivateBus {
  readonly address: string
  close(): void
}

/**
 * A bus of our own for machines without a session bus (SSH, containers). Its
 * socket lies in a 0700 folder; the daemon itself also checks the user id.
 */
export const startPrivateBus = async (runtimeDir: string): Promise<Result<PrivateBus>> => {
  const folder = privateFolder(runtimeDir)
  if (!folder.ok) return folder
  const own = mkdtempSync(join(runtimeDir, 'bus-'))
  let child: ChildProcess
  try {
    child = spawn('dbus-daemon', ['--session', '--nofork', '--nopidfile', '--print-address=1', `--address=unix:path=${join(own, 'bus')}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    return fail('helper-missing', `dbus-daemon could not be started: ${messageOf(error)}`)
  }
  const close = (): void => {
    child.kill('SIGTERM')
    rmSync(own, { recursive: true, force: true })
  }
  process.once('exit', close)
  return new Promise((resolve) => {
    const give = (result: Result<PrivateBus>): void => {
      clearTimeout(timer)
      if (!result.ok) close()
      resolve(result)
    }
    const timer = setTimeout(() => { give(fail('helper-missing', 'dbus-daemon printed no address within 5 s.')) }, 5_000)
    child.once('error', (error) => {
      give(fail('helper-missing', `dbus-daemon could not be started: ${messageOf(error)}`, { advice: 'Install it: sudo apt install dbus-daemon' }))
    })
    child.once('exit', (code) => { give(fail('helper-missing', `dbus-daemon ended at once with code ${code ?? 'none'}.`)) })
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const end = text.indexOf('\n')
      if (end > 0) give(ok({ address: text.slice(0, end), close }))
    })
  })
}
