import type { BusClient } from '../../bus.ts'
import type { JournalHeader } from '../../change/journal.ts'
import type { KernelFiles } from '../../change/write.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import type { Ability } from '../../contract/lifecycle.ts'
import { isFolder } from './folders.ts'
import { cgroupPathOf, readCgroupPlaces, userManagerUnit, type CgroupPlaces } from './layout.ts'
import { createLimits, type AgentLimits, type LimitsDeps } from './limits.ts'
import { createPlacer, type Placer } from './place.ts'
import { createSystemd, type Systemd } from './systemd.ts'
import { createMachineWay, createPlainWay, createUserWay, type Way } from './way.ts'

export interface CgroupDeps {
  readonly root: string
  readonly kernel: KernelFiles
  readonly role: JournalHeader['role']
  readonly bootId: () => string
  /** $STATE/journal/agents. */
  readonly journalFolder: string
}

/** Everything about cgroups that a role can do here. */
export interface Cgroups {
  readonly places: CgroupPlaces
  readonly placer: Placer
  readonly systemd: Systemd | null
}

const NO_CGROUPS = fail('not-supported', 'This computer has no cgroup v2, so that nothing can be frozen or limited.', { expected: 'Linux 5.2 with cgroup v2 mounted', got: 'none', advice: 'Mount it, or boot with systemd.unified_cgroup_hierarchy=1.' })

const build = (deps: CgroupDeps, places: CgroupPlaces, way: Way, systemd: Systemd | null): Cgroups => ({ places, systemd, placer: createPlacer({ ...deps, places, way }) })

/** For root: scopes by the machine's systemd, or folders of its own where none runs. `bus` null: only what is there already is put back. */
export const systemCgroups = (deps: CgroupDeps, bus: BusClient | null): Result<Cgroups> => {
  const places = readCgroupPlaces(deps.root)
  if (places === null) return NO_CGROUPS
  const systemd = places.systemd && bus !== null ? createSystemd(bus) : null
  const way = systemd === null ? createPlainWay({ ...deps, places }) : createMachineWay({ ...deps, places, systemd })
  return ok(build(deps, places, way, systemd))
}

/** For a user, without root: scopes by the user's own systemd, where it runs and has its groups delegated to it. */
export const userCgroups = async (deps: CgroupDeps, bus: BusClient, user: { uid: number; name: string }): Promise<Result<Cgroups>> => {
  const places = readCgroupPlaces(deps.root)
  if (places === null) return NO_CGROUPS
  if (!places.systemd) return fail('not-supported', 'No systemd runs here that could give you control groups of your own.')
  const systemd = createSystemd(bus)
  const group = await systemd.controlGroup()
  if (!group.ok) return group
  // A manager that is not the usual one could name any folder.
  if (group.value !== userManagerUnit(user.uid) || !isFolder(deps.root, `${places.mount}${group.value}`)) {
    return fail('not-supported', 'The systemd on your bus is not your session\'s own.', { expected: userManagerUnit(user.uid), got: group.value })
  }
  return ok(build(deps, places, createUserWay({ ...deps, places, systemd, managerGroup: group.value, userName: user.name }), systemd))
}

/** Whether agents can be limited, and how. */
export const limitAbility = ({ places, placer }: Cgroups): Ability =>
  places.memory
    ? { how: placer.how, text: placer.how === 'own-scope' ? 'Limits are set in control groups of your own systemd, without a password.' : 'Limits are set by the helper.' }
    : { how: null, text: 'Memory is not accounted in cgroup v2 on this computer, so that it cannot be limited. It needs the memory controller there: boot with systemd.unified_cgroup_hierarchy=1, or without cgroup v1.' }

/** Whether this agent can be had in a group of one's own as its processes are now. */
export const canPlace = ({ placer }: Cgroups, root: string, uid: number, pid: number): boolean => {
  const path = cgroupPathOf(root, pid)
  return path !== null && placer.way.refuses(path, uid) === null
}

export const cgroupLimits = (cgroups: Cgroups, deps: CgroupDeps, more: Pick<LimitsDeps, 'guard' | 'log' | 'pace' | 'nowMs'>): AgentLimits =>
  createLimits({ ...deps, ...more, placer: cgroups.placer, systemd: cgroups.systemd })
