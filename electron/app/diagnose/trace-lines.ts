import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { traceCommand, traceLines, TRACEFS, type TraceLineData } from '../../../helper/plan/trace-lines.ts'
import type { TraceLine } from '../../contract/diagnosis.ts'

/** What stands for the process in a line that is shown before one is chosen. */
const SOME_PID = 4_194_304
const SOME_SECONDS = 10

const FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin']

/** Whether a program of the system is there; what the helper makes of it, it says itself. */
const isInstalled = (root: string, name: string): boolean =>
  FOLDERS.some((folder) => {
    try {
      accessSync(join(root, folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** Ubuntu has perf in a package of the running kernel. */
const perfPackage = (root: string): string => {
  try {
    return /^ID(?:_LIKE)?=.*ubuntu/mu.test(readFileSync(join(root, '/etc/os-release'), 'utf8')) ? 'linux-tools-$(uname -r)' : 'linux-perf'
  } catch {
    return 'linux-perf'
  }
}

const installOf = (root: string, tool: TraceLineData['tool']): string => {
  if (tool === 'ftrace') return `sudo mount -t tracefs tracefs ${TRACEFS}`
  return `sudo apt install ${tool === 'perf' ? perfPackage(root) : 'bpftrace'}`
}

/** Below it only root may look, but the folder itself is there to see once it is mounted. */
const isThere = (root: string, tool: TraceLineData['tool']): boolean => {
  if (tool !== 'ftrace') return isInstalled(root, tool)
  try {
    return /^\S+ \/sys\/kernel\/tracing tracefs /mu.test(readFileSync(join(root, '/proc/mounts'), 'utf8')) || existsSync(join(root, TRACEFS, 'instances'))
  } catch {
    return false
  }
}

/** The line as a person types it, for this process; without one, PID stands there. */
export const commandFor = (line: TraceLineData, pid: number | null, seconds = SOME_SECONDS): string => {
  if (pid !== null || line.process === 'none') return traceCommand(line, { pid: line.process === 'none' ? null : pid, seconds })
  return line.process === 'needed' ? traceCommand(line, { pid: SOME_PID, seconds }).replaceAll(String(SOME_PID), 'PID') : traceCommand(line, { pid: null, seconds })
}

/** Every line to look deeper with, in the order of the tools, as it is typed for this process, with whether it can be run here. */
export const listTraceLines = (root: string, pid: number | null = null): TraceLine[] =>
  traceLines.map((line) => ({
    id: line.id,
    title: line.title,
    what: line.what,
    tool: line.tool,
    command: commandFor(line, pid),
    installed: isThere(root, line.tool),
    install: installOf(root, line.tool),
    needsPid: line.process === 'needed',
    process: line.process,
    secondsMost: line.secondsMost,
  }))
