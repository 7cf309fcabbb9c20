import { listNames, readText, under } from '../observe/files.ts'
import type { ProcessRef } from '../contract/agents.ts'
import { processStartTicks, processUid } from './process-check.ts'

/**
 * The cgroup v2 folder ("/sys/fs/cgroup/...") that holds exactly these
 * processes, all of them the user's, and has memory.reclaim; null in every
 * other case. Asked right before use, since trees grow and shrink.
 */
export const ownCgroup = (root: string, uid: number, processes: readonly ProcessRef[]): string | null => {
  const folders = new Set<string>()
  for (const ref of processes) {
    if (processStartTicks(root, ref.pid) !== ref.startTimeTicks || processUid(root, ref.pid) !== uid) return null
    const line = /^0::(\/.*)$/mu.exec(readText(under(root, `/proc/${ref.pid}/cgroup`)).value ?? '')
    if (line?.[1] === undefined) return null
    folders.add(line[1])
  }
  const [only] = folders
  if (folders.size !== 1 || only === undefined || only === '/' || only.split('/').includes('..')) return null
  const folder = `/sys/fs/cgroup${only}`
  const members = readText(under(root, `${folder}/cgroup.procs`)).value?.trim().split('\n') ?? []
  const asked = new Set(processes.map((ref) => String(ref.pid)))
  const same = members.length === asked.size && members.every((pid) => asked.has(pid))
  // Processes of child groups are charged to it too, and are not in its list.
  const children = listNames(under(root, folder)).value?.filter((name) => readText(under(root, `${folder}/${name}/cgroup.procs`)).value !== null) ?? []
  return same && children.length === 0 && readText(under(root, `${folder}/memory.current`)).value !== null ? folder : null
}
