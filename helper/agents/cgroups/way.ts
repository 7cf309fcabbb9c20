import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessRef } from '../../contract/agents.ts'
import type { Result } from '../../contract/errors.ts'
import { fail, ok } from '../../contract/result.ts'
import { readText, under } from '../../observe/files.ts'
import type { KernelFiles } from '../../change/write.ts'
import { agentFolderName, agentPartOf, isFolder, movePid, OWN_TOP, pidsIn } from './folders.ts'
import { cgroupPathOf, folderOf, lingers, userManagerUnit, userSlice, type CgroupPlaces } from './layout.ts'
import type { Systemd } from './systemd.ts'

/** One way in which this machine gives an agent a cgroup of its own. */
export interface Way {
  readonly how: 'own-scope' | 'helper'
  /** Where the cgroup of this agent will be. */
  folderFor(top: ProcessRef, uid: number): string
  /** The cgroup of all agents of a user together. */
  slice(uid: number): { readonly folder: string; readonly unit: string | null }
  /** Unit of an agent's cgroup; null where no systemd made it. */
  unitOf(folder: string): string | null
  /** Why a process in this cgroup may not be taken out of it; null where it may. */
  refuses(path: string, uid: number): string | null
  /** Makes the cgroup with these processes in it. */
  open(top: ProcessRef, uid: number, title: string, refs: readonly ProcessRef[]): Promise<Result<null>>
  /** Moves one more process into it. */
  take(folder: string, pid: number): Promise<Result<null>>
}

export interface WayDeps {
  readonly root: string
  readonly kernel: KernelFiles
  readonly places: CgroupPlaces
}

/** No systemd: root makes folders of its own. */
export const createPlainWay = ({ root, kernel, places: { mount } }: WayDeps): Way => {
  const slice = (uid: number) => `${mount}/${OWN_TOP}/u${uid}`
  const take: Way['take'] = (folder, pid) => movePid(kernel, folder, pid)
  const folderFor: Way['folderFor'] = (top, uid) => `${slice(uid)}/${agentFolderName(top)}`
  return {
    how: 'helper',
    folderFor,
    slice: (uid) => ({ folder: slice(uid), unit: null }),
    unitOf: () => null,
    refuses: (path, uid) => (path === '/' || path.startsWith(`/${OWN_TOP}/u${uid}/`) ? null : `it is in the control group ${path} of somebody else`),
    open: async (top, uid, _title, refs) => {
      const folder = folderFor(top, uid)
      for (const at of [`${mount}/${OWN_TOP}`, slice(uid), folder]) {
        const made = kernel.makeGroup(at)
        if (!made.ok) return made
      }
      // Each only where the one above hands memory on; freezing needs none of it.
      for (const at of [`${mount}/${OWN_TOP}`, slice(uid)]) {
        if ((readText(under(root, `${at}/cgroup.controllers`)).value ?? '').split(/\s+/u).includes('memory')) await kernel.write(`${at}/cgroup.subtree_control`, '+memory')
      }
      for (const ref of refs) {
        const taken = await take(folder, ref.pid)
        if (!taken.ok) return taken
      }
      return ok(null)
    },
    take,
  }
}

const MOST_WAITS = 100
const WAIT_MS = 50

/**
 * A transient scope: of the user's own manager (`uid` null: the caller's), or,
 * for root, of the machine's manager inside the user's slice.
 */
const createScopeWay = (deps: WayDeps & { systemd: Systemd; how: Way['how']; sliceName: (uid: number) => string; sliceFolder: (uid: number) => string; refuses: Way['refuses'] }): Way => {
  const { root, kernel, systemd, how, sliceName, sliceFolder, refuses } = deps
  const nameOf = (top: ProcessRef) => `${agentFolderName(top)}.scope`
  const folderFor: Way['folderFor'] = (top, uid) => `${sliceFolder(uid)}/${nameOf(top)}`
  const unitOf: Way['unitOf'] = (folder) => agentPartOf(folder)?.path.split('/').at(-1) ?? null
  return {
    how,
    folderFor,
    slice: (uid) => ({ folder: sliceFolder(uid), unit: sliceName(uid) }),
    unitOf,
    refuses,
    open: async (top, uid, title, refs) => {
      const folder = folderFor(top, uid)
      const started = await systemd.startScope({ name: nameOf(top), slice: sliceName(uid), description: `Agent: ${title}`, pids: refs.map((ref) => ref.pid) })
      if (!started.ok) return started
      // The answer comes before the processes have moved.
      for (let waits = 0; waits < MOST_WAITS; waits += 1) {
        if (isFolder(root, folder) && pidsIn(root, folder).length > 0) return ok(null)
        await sleep(WAIT_MS)
      }
      return fail('write-refused', `systemd made no control group for ${title}.`, { about: folder, expected: 'a running scope', got: 'none after five seconds', advice: 'journalctl says why.' })
    },
    take: async (folder, pid) => {
      const path = cgroupPathOf(root, pid)
      // Within what is delegated to us writing is enough; from outside only systemd may move.
      if (path !== null && folderOf(deps.places.mount, path).startsWith(`${agentPartOf(folder)?.path ?? folder}/`)) return movePid(kernel, folder, pid)
      const part = agentPartOf(folder)
      const unit = unitOf(folder)
      if (part === null || unit === null) return fail('internal', `${folder} is not an agent's control group.`)
      if (path !== null && folderOf(deps.places.mount, path) === part.path) return movePid(kernel, folder, pid)
      return systemd.attach(unit, folder.slice(part.path.length), [pid])
    },
  }
}

/** By the user's own systemd, without root. `managerGroup` is what its manager says to be in. */
export const createUserWay = (deps: WayDeps & { systemd: Systemd; managerGroup: string; userName: string }): Way => {
  const { root, places, managerGroup, userName } = deps
  const sliceFolder = (): string => `${places.mount}${managerGroup}/app.slice/app-agents.slice`
  return createScopeWay({
    ...deps,
    how: 'own-scope',
    sliceName: () => 'app-agents.slice',
    sliceFolder,
    refuses: (path, uid) => {
      if (path.startsWith(`${managerGroup}/`)) return null
      if (!path.startsWith(`${userSlice(uid)}/`)) return `it is in ${path}, outside of your own slice`
      // The user's manager ends with the last session; a program that outlives its session must not end with it.
      return lingers(root, userName) ? null : 'it was started by a login session, and your systemd ends with the last of them; it would take the agent with it (loginctl enable-linger changes that)'
    },
  })
}

/** By the machine's systemd, for root: beside the sessions of the agent's user. */
export const createMachineWay = (deps: WayDeps & { systemd: Systemd }): Way => {
  const sliceName = (uid: number): string => `user-${uid}-agents.slice`
  return createScopeWay({
    ...deps,
    how: 'helper',
    sliceName,
    sliceFolder: (uid) => `${deps.places.mount}${userSlice(uid)}/${sliceName(uid)}`,
    refuses: (path, uid) => {
      if (path === userManagerUnit(uid) || !path.startsWith(`${userSlice(uid)}/`)) return `it is in ${path}, outside of its user's slice`
      return null
    },
  })
}
