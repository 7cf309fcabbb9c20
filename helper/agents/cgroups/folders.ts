import { lstatSync } from 'node:fs'
import type { Result } from '../../contract/errors.ts'
import { ok } from '../../contract/result.ts'
import type { ProcessRef } from '../../contract/agents.ts'
import { integer, listNames, readText, under } from '../../observe/files.ts'
import type { KernelFiles } from '../../change/write.ts'

/** The folder of agents where no systemd runs, below the v2 mount. */
export const OWN_TOP = 'agentmem.slice'

/** The name says whose it is, so that no second agent can get it. */
export const agentFolderName = (ref: ProcessRef): string => `agent-${ref.pid}-${ref.startTimeTicks}`

const OURS = /^agent-(?<pid>\d{1,7})-(?<ticks>\d{1,20})(?:\.scope)?$/u

/** The agent's cgroup that a cgroup path lies in or is; null for any other path. */
export const agentPartOf = (path: string): { readonly path: string; readonly ref: ProcessRef } | null => {
  const parts = path.split('/')
  const at = parts.findIndex((part) => OURS.test(part))
  const groups = at === -1 ? undefined : OURS.exec(parts[at] ?? '')?.groups
  const pid = integer(groups?.['pid'])
  const startTimeTicks = integer(groups?.['ticks'])
  return pid === null || startTimeTicks === null ? null : { path: parts.slice(0, at + 1).join('/'), ref: { pid, startTimeTicks } }
}

export const isFolder = (root: string, folder: string): boolean => lstatSync(under(root, folder), { throwIfNoEntry: false })?.isDirectory() === true

/** Pids in one cgroup alone, without those below it; empty where it is gone. */
export const pidsIn = (root: string, folder: string): number[] =>
  (readText(under(root, `${folder}/cgroup.procs`)).value ?? '').split('\n').flatMap((line) => integer(line) ?? [])

/** Pids in an agent's cgroup and all below it. */
export const pidsBelow = (root: string, folder: string): number[] => [
  ...pidsIn(root, folder),
  ...(listNames(under(root, folder)).value ?? []).filter((name) => isFolder(root, `${folder}/${name}`)).flatMap((name) => pidsBelow(root, `${folder}/${name}`)),
]

/** One process into a cgroup. True when it is there or has ended meanwhile; else why not. */
export const movePid = async (kernel: KernelFiles, folder: string, pid: number): Promise<Result<null>> => {
  const written = await kernel.write(`${folder}/cgroup.procs`, String(pid))
  return written.ok || written.error.got === 'ESRCH' ? ok(null) : written
}
