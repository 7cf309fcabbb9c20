import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { messageOf, privateFolder } from '../files.ts'

export interface PrivateBus {
  readonly address: string
  close(): void
}

/** Of util-linux, on every Debian: the daemon ends with the app even when that is killed. */
const SETPRIV = '/usr/bin/setpriv'

/** A folder whose daemon is dead was left by an app that was killed. */
const removeLeftovers = async (runtimeDir: string): Promise<void> => {
  for (const name of readdirSync(runtimeDir).filter((one) => one.startsWith('bus-'))) {
    const alive = await new Promise<boolean>((resolve) => {
      const socket = createConnection(join(runtimeDir, name, 'bus'))
      socket.once('connect', () => { socket.destroy(); resolve(true) })
      socket.once('error', () => { resolve(false) })
    })
    // A daemon that is just starting has no socket yet: only old folders go.
    if (!alive && Date.now() - statSync(join(runtimeDir, name)).mtimeMs > LEFTOVER_MS) rmSync(join(runtimeDir, name), { recursive: true, force: true })
  }
}
const LEFTOVER_MS = 60_000

/**
 * A bus of our own for machines without a session bus (SSH, containers). Its
 * socket lies in a 0700 folder; the daemon itself also checks the user id.
 */
export const startPrivateBus = async (runtimeDir: string): Promise<Result<PrivateBus>> => {
  const folder = privateFolder(runtimeDir)
  if (!folder.ok) return folder
  await removeLeftovers(runtimeDir)
  const own = mkdtempSync(join(runtimeDir, 'bus-'))
  let child: ChildProcess
  try {
    const daemon = ['dbus-daemon', '--session', '--nofork', '--nopidfile', '--print-address=1', `--address=unix:path=${join(own, 'bus')}`]
    const [command = '', ...words] = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'TERM', ...daemon] : daemon
    child = spawn(command, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  } catch (error) {
    return fail('helper-missing', `dbus-daemon could not be started: ${messageOf(error)}`)
  }
  const close = (): void => {
    process.off('exit', close)
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
