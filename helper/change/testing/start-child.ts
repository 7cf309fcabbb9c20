import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PresetSettings } from '../../contract/presets.ts'

const CHILD = new URL('kill-child.ts', import.meta.url).pathname

export interface ChildResult {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** Names of the checkpoints it passed, in order. */
  names: string[]
}

export interface ChildOptions {
  mode: 'apply' | 'undo' | 'recover'
  root: string
  /** Number of the checkpoint at which it ends itself; 0: none. */
  killAt: number
  settings: PresetSettings
  /** Uses this machine's own files, with its journal here. */
  realStateDir?: string
}

/** Starts kill-child.ts and waits for its end. */
export const startChild = ({ mode, root, killAt, settings, realStateDir }: ChildOptions): Promise<ChildResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, mode, root, String(killAt), JSON.stringify(settings), ...(realStateDir === undefined ? [] : ['real', realStateDir])], {
      // Started some hundred times: compiled once.
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'agentmem-compile-cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      resolve({ status, signal, stdout, stderr, names: stdout.split('\n').flatMap((line) => /^\d+ (.*)$/u.exec(line)?.[1] ?? []) })
    })
  })
