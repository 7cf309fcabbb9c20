import type { CgroupEvidence, Evidence, ProcessEvidence } from '../../contract/evidence.ts'
import { memoryFolder, scrubPath } from '../capture.ts'
import { scrubAgents } from './scrub-agents.ts'

const BOOT_ID = '00000000-1111-4222-8333-444444444444'
const MOST_PROCESSES = 30
const MOST_CGROUPS = 12

/** Users are told apart, not named: 1000, 1001, ... in the order they are met; the system's own keep their numbers. */
const users = () => {
  const seen = new Map<number, number>()
  return (uid: number): number => {
    if (uid < 1000 || uid >= 65_534) return uid
    const number = seen.get(uid) ?? 1000 + seen.size
    seen.set(uid, number)
    return number
  }
}

const weight = (process: ProcessEvidence): number => (process.rssBytes.value ?? 0) + (process.swapBytes.value ?? 0)

/** Groups that reached a limit are what a capture may be about. */
const somethingHappened = ({ events }: CgroupEvidence): boolean => ['max', 'oom', 'oom_kill'].some((name) => (events[name] ?? 0) > 0)

/** A unit's instance and an application's name stay: they are what rules tell apart. */
const cgroupPath = (path: string, uid: (uid: number) => number): string =>
  path.replace(/(?<=\/user-|\/user@)\d+/gu, (number) => String(uid(Number(number)))).replace(/(?<=\/(?:docker|libpod|crio|cri-containerd)-?)[0-9a-f]{12,64}/gu, 'x')

const swapPath = (path: string): string => (/^\/(?:dev|var\/lib\/agentmem)\//u.test(path) || /^\/[\w.-]+$/u.test(path) ? path : scrubPath(path))

/**
 * A look that can be shared: figures stay, people, projects and most of the
 * processes go. Agents are left out whole, since what is said of them holds
 * folders, or, with `keepAgents`, kept without these.
 */
export const scrubEvidence = (look: Evidence, { keepAgents = false }: { readonly keepAgents?: boolean } = {}): Evidence => {
  const uid = users()
  const idOf = (id: string | null): string | null => (keepAgents && id !== null ? id.replace(/^[^:]*/u, BOOT_ID) : null)
  const largest = new Set(look.processes.toSorted((a, b) => weight(b) - weight(a) || a.ref.pid - b.ref.pid).slice(0, MOST_PROCESSES))
  const cgroups = look.cgroups.value
  return {
    ...look,
    bootId: BOOT_ID,
    // Whole numbers: a fraction of a nanosecond says nothing.
    monotonicMs: Math.round(look.monotonicMs),
    tookMs: 0,
    processes: look.processes.filter((process) => largest.has(process)).map((process) => ({ ...process, uid: uid(process.uid), agentId: idOf(process.agentId) })),
    cgroups: cgroups === null ? look.cgroups : { value: cgroups.filter((cgroup, i) => i < MOST_CGROUPS || somethingHappened(cgroup)).map((cgroup) => ({ ...cgroup, path: cgroupPath(cgroup.path, uid), agents: keepAgents ? cgroup.agents : 0 })) },
    memoryFileSystems: look.memoryFileSystems.map((each) => ({ ...each, folder: memoryFolder(each.folder) })),
    swapDevices: look.swapDevices.map((device) => ({ ...device, path: swapPath(device.path) })),
    hardening: { ...look.hardening, swapEncryption: look.hardening.swapEncryption.map((each) => ({ ...each, path: swapPath(each.path) })) },
    ...(keepAgents ? scrubAgents(look, { bootId: BOOT_ID, uid, cgroup: (path) => cgroupPath(path, uid) }) : { agents: [], orphans: [], duplicates: [] }),
  }
}

/** One line a part of it, so that a difference can be read. */
export const lookText = (look: Evidence): string =>
  `{\n${Object.entries(look).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',\n')}\n}\n`
